"""More of `tf.nn`: transposed convolutions, CTC decoders, blocks of space, lookups of sparse numbers, moments."""

import numpy as np

from tandem.compat.tensorflow import _dtypes as dtypes
from tandem.compat.tensorflow import _nn as nn
from tandem.compat.tensorflow._special import NAMES as MATH
from tandem.compat.tensorflow.lifted import lift
from tandem.compat.tensorflow.sparse_tensors import SparseTensor
from tandem.compat.tensorflow.tensor import adopt, convert, convert_pair, ints, static, taker
from tandem.core.errors import explain
from tandem.keras import ops
from tandem.ops import ctc_decoding, morphology

NAMES = nn.NAMES
add = taker(NAMES)


# --- convolutions ----------------------------------------------------------------------------------------------------


@add
def atrous_conv2d(value, filters, rate, padding):
    """A convolution whose filters have holes: `rate` apart."""
    return NAMES["conv2d"](value, filters, 1, padding, dilations=rate)


@add
def atrous_conv2d_transpose(value, filters, output_shape, rate, padding):
    """The gradient of `atrous_conv2d`."""
    return NAMES["conv2d_transpose"](value, filters, output_shape, 1, padding, dilations=rate)


_space_to_batch = lift(morphology.space_to_batch, "SpaceToBatch", 1, module=__name__)
_batch_to_space = lift(morphology.batch_to_space, "BatchToSpace", 1, module=__name__)


def _blocks(shape, rank):
    shape = ints(shape)
    return shape * rank if len(shape) == 1 and rank > 1 else shape


@add
def space_to_batch(input, block_shape, paddings):
    """Blocks of space as samples; paddings: pairs of zeros before and after each axis of space."""
    pairs = [tuple(pair) for pair in static(paddings)]
    x, blocks = convert(input), _blocks(block_shape, len(pairs))
    for size, block, pair in zip(tuple(x.shape)[1:], blocks, pairs):
        if size is not None and (size + sum(pair)) % block:
            raise ValueError(
                explain("A size does not divide into blocks", expected=f"a multiple of {block}", given=size)
            )
    return _space_to_batch(x, blocks, pairs)


@add
def batch_to_space(input, block_shape, crops):
    """`space_to_batch` the other way round."""
    pairs = [tuple(pair) for pair in static(crops)]
    return _batch_to_space(convert(input), _blocks(block_shape, len(pairs)), pairs)


def required_space_to_batch_paddings(input_shape, block_shape, base_paddings=None, name=None):
    """(paddings, crops) by which `space_to_batch` divides sizes and `batch_to_space` gives them back."""
    sizes, blocks = np.asarray(static(input_shape)), np.asarray(static(block_shape))
    base = np.zeros((len(sizes), 2), int) if base_paddings is None else np.asarray(static(base_paddings))
    extra = -(sizes + base.sum(1)) % blocks
    pads = np.stack([base[:, 0], base[:, 1] + extra], 1)
    return convert(pads.astype("int32")), convert(np.stack([np.zeros_like(extra), extra], 1).astype("int32"))


_dilation = lift(morphology.dilation, "Dilation2D", 2, module=__name__)


@add
def dilation2d(input, filters, strides, padding, data_format, dilations):
    """The largest of x + kernel in each window, channel by channel."""
    x, kernel = convert_pair(input, filters)
    layout = nn._layout(data_format)
    return _dilation(
        x,
        kernel,
        stride=nn._spatial(strides, 2, layout, "strides"),
        padding=padding.lower(),
        dilation=nn._spatial(dilations, 2, layout, "dilations"),
    )


@add
def erosion2d(value, filters, strides, padding, data_format, dilations):
    """The smallest of x - kernel in each window, channel by channel."""
    kernel = ops.flip(convert(filters), axis=(0, 1))
    found = dilation2d(ops.negative(convert(value)), kernel, strides, padding, data_format, dilations)
    return ops.negative(found)


_argmax = lift(morphology.max_pool_with_places, "MaxPoolWithPlaces", 1, module=__name__)


@add
def max_pool_with_argmax(
    input, ksize, strides, padding, data_format="NHWC", output_dtype=dtypes.int64, include_batch_in_index=False
):
    """(the largest of each window, its place counted through height, width and channels)."""
    layout = nn._layout(data_format)
    values, places = _argmax(
        convert(input),
        nn._spatial(ksize, 2, layout, "ksize"),
        nn._spatial(strides, 2, layout, "strides"),
        padding.lower(),
        bool(include_batch_in_index),
    )
    return values, ops.cast(places, dtypes.as_dtype(output_dtype).name)


# --- CTC -------------------------------------------------------------------------------------------------------------


def _sparse_labels(labels):
    """Rows of labels, -1 behind their end, as a sparse tensor."""
    labels = np.asarray(labels)
    places = np.argwhere(labels >= 0).reshape(-1, 2)
    width = int((labels >= 0).sum(1).max(initial=0))
    return SparseTensor(places, labels[labels >= 0].astype("int64"), [len(labels), width])


def ctc_greedy_decoder(inputs, sequence_length, merge_repeated=True, blank_index=None, name=None):
    """([the likeliest labels, sparse], the negative sums of their logits (samples, 1)).

    inputs: (time, samples, classes).
    """
    logits = ops.transpose(convert(inputs), (1, 0, 2))
    blank = logits.shape[-1] - 1 if blank_index is None else int(blank_index)
    labels, scores = ctc_decoding.greedy(logits, convert(sequence_length), merge_repeated=merge_repeated, blank=blank)
    return [_sparse_labels(labels[0])], adopt(scores)


def ctc_beam_search_decoder(inputs, sequence_length, beam_width=100, top_paths=1, name=None):
    """(the `top_paths` likeliest labelings, sparse; their log-probabilities (samples, top_paths))."""
    logits = ops.transpose(convert(inputs), (1, 0, 2))
    if top_paths > beam_width:
        raise ValueError(explain("`top_paths` is too large", expected=f"at most {beam_width}", given=top_paths))
    labels, scores = ctc_decoding.beam_search(
        logits, convert(sequence_length), beams=int(beam_width), paths=int(top_paths), blank=logits.shape[-1] - 1
    )
    return [_sparse_labels(one) for one in labels], adopt(scores)


NAMES["ctc_greedy_decoder"] = ctc_greedy_decoder
NAMES["ctc_beam_search_decoder"] = NAMES["ctc_beam_search_decoder_v2"] = ctc_beam_search_decoder


@add
def ctc_unique_labels(labels):
    """(the different labels of each row, 0 behind; the place of each label among them)."""
    rows = np.asarray(convert(labels))
    unique, places = np.zeros_like(rows), np.zeros_like(rows)
    for number, row in enumerate(rows):
        found, at, inverse = np.unique(row, return_index=True, return_inverse=True)
        order = np.argsort(at)
        unique[number, : len(found)] = found[order]
        places[number] = np.argsort(order)[inverse]
    return convert(unique.astype("int64")), convert(places.astype("int32"))


@add
def collapse_repeated(labels, seq_length):
    """(rows of labels with neighbours of one kind as one, 0 behind; their lengths)."""
    rows, lengths = np.asarray(convert(labels)), np.asarray(convert(seq_length))
    found = [
        [one for at, one in enumerate(row[:size]) if not at or row[at - 1] != one] for row, size in zip(rows, lengths)
    ]
    width = max(map(len, found), default=0)
    filled = [[*row, *[0] * (width - len(row))] for row in found]
    return convert(np.array(filled, rows.dtype)), convert(np.array([len(row) for row in found], lengths.dtype))


# --- lookups ---------------------------------------------------------------------------------------------------------


def _clipped(rows, limit):
    return rows if limit is None else MATH["clip_by_norm"](rows, limit, axes=[-1])


def embedding_lookup_sparse(
    params,
    sp_ids,
    sp_weights,
    partition_strategy=None,
    combiner=None,
    max_norm=None,
    name=None,
    allow_fast_lookup=False,
):
    """The rows of each row's numbers together: their (weighted) "mean" (by default), "sqrtn" or "sum"."""
    combiner = combiner or "mean"
    if combiner not in ("mean", "sqrtn", "sum"):
        raise ValueError(explain("combiner must be one of 'mean', 'sqrtn' or 'sum'", given=combiner))
    table = params[0] if isinstance(params, (list, tuple)) and len(params) == 1 else params
    if hasattr(sp_ids, "splits"):
        ids, owners, count = sp_ids.values, sp_ids.owners, len(sp_ids)
    else:
        ids, owners, count = sp_ids.values, sp_ids.places[:, 0], sp_ids.sizes[0]
    rows = _clipped(ops.take(convert(table), ids, axis=0), max_norm)
    owners = convert(np.asarray(owners, "int64"))
    count = int(ops.max(owners)) + 1 if len(ids) else count
    weights = ops.ones_like(rows[:, 0]) if sp_weights is None else ops.cast(sp_weights.values, rows.dtype)
    shape = (-1, *[1] * (len(rows.shape) - 1))
    total = MATH["unsorted_segment_sum"](ops.multiply(rows, ops.reshape(weights, shape)), owners, count)
    if combiner == "sum":
        return adopt(total)
    of = weights if combiner == "mean" else ops.square(weights)
    size = MATH["unsorted_segment_sum"](of, owners, count)
    size = ops.sqrt(size) if combiner == "sqrtn" else size
    return adopt(ops.divide_no_nan(total, ops.reshape(size, shape)))


def safe_embedding_lookup_sparse(
    embedding_weights,
    sparse_ids,
    sparse_weights=None,
    combiner="mean",
    default_id=None,
    max_norm=None,
    name=None,
    allow_fast_lookup=False,
):
    """`embedding_lookup_sparse` where rows may be empty: zeros, or the row of `default_id`."""
    from tandem.compat.tensorflow import _sparse

    kept = np.asarray(sparse_ids.values) >= 0
    if sparse_weights is not None:
        kept &= np.asarray(sparse_weights.values) > 0 if combiner != "sum" else True
        sparse_weights = _sparse.retain(sparse_weights, kept)
    ids = _sparse.retain(sparse_ids, kept)
    filled, empty = _sparse.fill_empty_rows(ids, 0 if default_id is None else default_id)
    weights = None if sparse_weights is None else _sparse.fill_empty_rows(sparse_weights, 1.0)[0]
    found = embedding_lookup_sparse(embedding_weights, filled, weights, None, combiner, max_norm)
    if default_id is not None:
        return found
    return adopt(ops.where(ops.reshape(empty, (-1, *[1] * (len(found.shape) - 1))), ops.zeros_like(found), found))


NAMES["embedding_lookup_sparse"] = embedding_lookup_sparse
NAMES["safe_embedding_lookup_sparse"] = safe_embedding_lookup_sparse


# --- moments ---------------------------------------------------------------------------------------------------------


@add
def weighted_moments(x, axes, frequency_weights, keepdims=False):
    """(mean, variance) along some axes, each element as often as its weight says."""
    x, weights = convert_pair(x, frequency_weights)
    axes = ints(axes)
    weights = ops.add(weights, ops.zeros_like(x))
    total = ops.sum(weights, axis=axes, keepdims=True)
    mean = ops.divide(ops.sum(ops.multiply(weights, x), axis=axes, keepdims=True), total)
    variance = ops.divide(
        ops.sum(ops.multiply(weights, ops.square(ops.subtract(x, mean))), axis=axes, keepdims=True), total
    )
    return (mean, variance) if keepdims else (ops.squeeze(mean, axes), ops.squeeze(variance, axes))


@add
def sufficient_statistics(x, axes, shift=None, keepdims=False):
    """(how many, their sum, the sum of squares, shift), both sums of what lies from `shift`."""
    x, axes = convert(x), ints(axes)
    count = convert(float(np.prod([x.shape[axis] for axis in axes])), dtypes.as_dtype(x.dtype))
    moved = x if shift is None else ops.subtract(x, convert(shift))
    sums = [ops.sum(one, axis=axes, keepdims=keepdims) for one in (moved, ops.square(moved))]
    return count, *sums, None if shift is None else convert(shift)


@add
def batch_norm_with_global_normalization(
    input, mean, variance, beta, gamma, variance_epsilon, scale_after_normalization
):
    """`batch_normalization`, whose scale may be left out."""
    scale = gamma if scale_after_normalization else None
    return NAMES["batch_normalization"](input, mean, variance, beta, scale, variance_epsilon)


@add
def stateless_dropout(x, rate, seed, rng_alg=None, noise_shape=None):
    """`dropout`, the same for the same seed."""
    from tandem.compat.tensorflow import _random as random

    return NAMES["dropout"](x, rate, noise_shape, seed=random._seed_of(seed))


EXPERIMENTAL = {"stateless_dropout": stateless_dropout}


@add
def compute_accidental_hits(true_classes, sampled_candidates, num_true, seed=None):
    """(rows, sampled places, the lowest number) of what was sampled although it is a row's true class."""
    true, sampled = np.asarray(convert(true_classes)), np.asarray(convert(sampled_candidates))
    places = np.argwhere((true[:, :, None] == sampled[None, None, :]).any(1)).reshape(-1, 2)
    lowest = np.full(len(places), np.finfo("float32").min, "float32")
    return convert(places[:, 0].astype("int32")), convert(places[:, 1].astype("int64")), convert(lowest)


def edit_distance(hypothesis, truth, normalize=True, name=None):
    """Levenshtein's distance of sparse sequences, by the truth's length where normalised."""
    from tandem.compat.tensorflow import _sparse

    depth = len(truth.sizes) - 1
    rest = [max(pair) for pair in zip(hypothesis.sizes[:-1], truth.sizes[:-1])]
    found = np.zeros(rest, "float32")
    sequences = []
    for one in (hypothesis, truth):
        one = _sparse.reorder(one)
        rows = {}
        for place, value in zip(one.places.tolist(), one.values.tolist()):
            rows.setdefault(tuple(place[:depth]), []).append(value)
        sequences.append(rows)
    for place in np.ndindex(*rest):
        first, second = (rows.get(place, []) for rows in sequences)
        steps = _levenshtein(first, second)
        found[place] = steps if not normalize else steps / len(second) if second else (np.inf if steps else 0)
    return convert(found)


def _levenshtein(a, b):
    row = list(range(len(b) + 1))
    for number, one in enumerate(a, 1):
        before, row[0] = row[0], number
        for at, other in enumerate(b, 1):
            before, row[at] = row[at], min(row[at] + 1, row[at - 1] + 1, before + (one != other))
    return row[-1]


TOP = {
    "batch_to_space": batch_to_space,
    "edit_distance": edit_distance,
    "required_space_to_batch_paddings": required_space_to_batch_paddings,
    "space_to_batch": space_to_batch,
    "space_to_batch_nd": space_to_batch,
}
