"""Sequences of different lengths as one array."""

import numpy as np

from tandem.core.errors import explain


def pad_sequences(sequences, maxlen=None, dtype="int32", padding="pre", truncating="pre", value=0.0):
    """Bring sequences to one length: the longest one's, or `maxlen`.

    sequences: a list of n sequences (of numbers, or of arrays of one shape); padding, truncating: "pre" or "post",
    where values are added and taken away; value: what is added. Returns an array (n, maxlen, …) of `dtype`.
    Raises ValueError for what is no list of sequences, or elements of different shapes.
    """
    for name, where in (("padding", padding), ("truncating", truncating)):
        if where not in ("pre", "post"):
            raise ValueError(explain(f"Unknown {name}", expected="'pre' or 'post'", given=repr(where)))
    if not hasattr(sequences, "__len__"):
        raise ValueError(explain("`sequences` must be iterable", expected="a list of lists", given=repr(sequences)))
    for entry in sequences:
        if not hasattr(entry, "__len__"):
            raise ValueError(explain("`sequences` must hold iterables", expected="a list of lists", given=repr(entry)))
    shape = next((np.asarray(entry).shape[1:] for entry in sequences if len(entry)), ())
    length = max((len(entry) for entry in sequences), default=0) if maxlen is None else maxlen
    if isinstance(value, str) and dtype is not object and not np.issubdtype(dtype, np.str_):
        raise ValueError(
            explain(
                f"`dtype` {dtype} is not compatible with the type of `value`",
                given=type(value).__name__,
                hint="Set dtype=object for strings of different lengths.",
            )
        )
    result = np.full((len(sequences), length, *shape), value, dtype=dtype)
    for row, entry in zip(result, sequences, strict=True):
        if not len(entry) or not length:
            continue
        kept = np.asarray(entry[-length:] if truncating == "pre" else entry[:length], dtype=dtype)
        if kept.shape[1:] != shape:
            raise ValueError(explain("Elements differ in shape", expected=shape, given=kept.shape[1:]))
        if padding == "post":
            row[: len(kept)] = kept
        else:
            row[-len(kept) :] = kept
    return result
