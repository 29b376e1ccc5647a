"""Calls of `keras.ops`, as text: what is tried on the real Keras and on Tandem. `ARRAYS` are the names they use."""

import numpy as np

_RNG = np.random.default_rng(7)


def _normal(*shape):
    return _RNG.normal(size=shape).astype("float32")


_SQUARE = _normal(3, 3)
_HOLES = _normal(3, 4)
_HOLES[0, 1] = _HOLES[2, 3] = np.nan

ARRAYS = {
    "f": _normal(3, 4),  # of any sign
    "g": _normal(3, 4),
    "p": (_RNG.random((3, 4)) + 0.5).astype("float32"),  # positive
    "q": (_RNG.random((3, 4)) * 1.6 - 0.8).astype("float32"),  # between -1 and 1
    "h": _HOLES,  # with NaN
    "i": _RNG.integers(1, 9, (3, 4)).astype("int32"),
    "j": _RNG.integers(1, 5, (3, 4)).astype("int32"),
    "b": _RNG.random((3, 4)) > 0.5,
    "c": _RNG.random((3, 4)) > 0.5,
    "v": _normal(4),
    "w": _normal(4),
    "n": _RNG.integers(0, 4, 6).astype("int32"),
    "x3": _normal(2, 3, 4),
    "y3": _normal(2, 4, 5),
    "s": (_SQUARE @ _SQUARE.T + 2 * np.eye(3)).astype("float32"),  # symmetric, positive definite
    "m": (_SQUARE + 3 * np.eye(3)).astype("float32"),
    "r": _normal(3, 2),
    "sig": _normal(2, 20),
    "re": _normal(2, 5, 5),
    "im": _normal(2, 5, 5),
    "img": _RNG.random((2, 6, 5, 3)).astype("float32"),
    "big": _RNG.random((2, 16, 16, 3)).astype("float32"),
    "k": _normal(3, 3, 3, 4),
    "dk": _normal(3, 3, 3, 2),
    "pk": _normal(1, 1, 6, 4),
    "tk": _normal(3, 3, 4, 3),
    "q4": _normal(2, 3, 4, 5),
    "k4": _normal(2, 6, 2, 5),
    "v4": _normal(2, 6, 2, 5),
    "mask": _RNG.random((2, 1, 3, 6)) > 0.3,
    "prob": (lambda a: (a / a.sum(-1, keepdims=True)).astype("float32"))(_RNG.random((3, 4)) + 0.1),
    "hot": np.eye(4, dtype="float32")[[0, 2, 3]],
    "t": np.array([0, 2, 3], "int32"),
    "logits": _normal(2, 7, 4),
    "labels": np.array([[1, 2, 1], [3, 3, 0]], "int32"),
    "label_len": np.array([3, 2], "int32"),
    "time_len": np.array([7, 6], "int32"),
    "vol": _normal(1, 4, 4, 4, 2),
    "aff": np.array([[1.1, 0.1, -0.3, 0.05, 0.9, 0.4, 0, 0], [0.8, -0.2, 1.2, 0.3, 1, -0.6, 0, 0]], "float32"),
    "sp": np.array([[[0, 0], [4, 0], [0, 5], [4, 5]]] * 2, "float32"),
    "ep": (np.array([[[0, 0], [4, 0], [0, 5], [4, 5]]] * 2) + _RNG.random((2, 4, 2))).astype("float32"),
    "mc": (_RNG.random((2, 9)) * 7 - 2).astype("float32"),
    "st": np.array([0.5, 0.7], "float32"),
    "tr": np.array([0.3, -0.4], "float32"),
}

# What takes one array: the array's name, and functions ("+1": with 1 added to it).
UNARY = {
    "f": (
        "absolute abs angle arctan arcsinh cbrt ceil conj conjugate copy cos cosh deg2rad exp exp2 expm1 "
        "fabs floor i0 isfinite isinf isnan isneginf isposinf isreal negative rad2deg real sign signbit "
        "sin sinc sinh square tan tanh trunc round erf erfc sigmoid silu relu relu6 softplus softsign elu "
        "selu celu gelu hard_sigmoid hard_silu hard_swish swish hard_tanh leaky_relu log_sigmoid "
        "log_softmax softmax soft_shrink hard_shrink tanh_shrink sparse_plus sparse_sigmoid squareplus "
        "glu logsumexp normalize fliplr flipud ravel transpose zeros_like ones_like nan_to_num array "
        "convert_to_tensor rms_normalization layer_normalization corrcoef size"
    ),
    "p": ("arccosh+1 log log10 log1p log2 reciprocal rsqrt sqrt"),
    "q": ("arccos arcsin arctanh erfinv"),
    "i": (
        "bitwise_invert bitwise_not square exp sin sqrt mean sum prod max min std var median all any "
        "negative sign abs floor ceil round cumsum cumprod average ptp trunc log sigmoid argmax argsort "
        "sort amax amin count_nonzero"
    ),
    "b": (
        "logical_not sum mean cumsum cumprod prod max min abs square sign all any exp nonzero argmax "
        "count_nonzero mean std"
    ),
}
# What takes two: their names, and functions.
BINARY = {
    "f g": (
        "add subtract multiply divide true_divide divide_no_nan floor_divide mod fmod maximum minimum "
        "fmax fmin arctan2 hypot heaviside logaddexp logaddexp2 nextafter less less_equal greater "
        "greater_equal equal not_equal logical_and logical_or logical_xor isclose allclose inner outer "
        "kron append isin"
    ),
    "p q": ("power"),
    "i j": (
        "add subtract multiply divide floor_divide mod fmod power gcd lcm bitwise_and bitwise_or "
        "bitwise_xor maximum minimum left_shift right_shift bitwise_left_shift bitwise_right_shift less "
        "equal isin outer inner divide_no_nan"
    ),
    "f i": ("add subtract multiply divide power ldexp maximum floor_divide mod arctan2 equal"),
    "i f": ("add multiply minimum less"),
    "b c": ("add multiply logical_and logical_or logical_xor bitwise_and equal maximum divide"),
    "b i": ("add multiply maximum"),
    "v w": ("dot vdot inner outer correlate"),
}
REDUCTIONS = (  # noqa: SIM905
    "sum mean prod max min amax amin all any std var median argmax argmin count_nonzero logsumexp "
    "average ptp nansum nanmean nanprod nanmax nanmin nanstd nanvar nanmedian nanargmax nanargmin"
).split()

CALLS = """
ops.sum(f, axis=(0, 1), keepdims=True)
ops.mean(x3, axis=(0, 2))
ops.max(f, axis=1, initial=0.5)
ops.min(f, initial=-9)
ops.prod(f, axis=0, dtype="float32")
ops.cumsum(f, axis=1)
ops.cumsum(f)
ops.cumprod(f, axis=0, dtype="float64")
ops.nancumsum(h, axis=1)
ops.nancumprod(h, axis=0)
ops.average(f, axis=1, weights=v)
ops.quantile(f, 0.3)
ops.quantile(f, 0.3, axis=1, keepdims=True)
ops.quantile(x3, 0.3, axis=(0, 2))
ops.quantile(f, np.array([0.1, 0.6], "float32"), axis=0)
ops.quantile(f, 0.4, method="lower")
ops.quantile(f, 0.4, method="nearest")
ops.percentile(f, 30, axis=1)
ops.nanquantile(h, 0.3, axis=1)
ops.nanpercentile(h, 30)
ops.diff(f)
ops.diff(f, n=2, axis=0)
ops.trapezoid(f)
ops.trapezoid(f, x=np.array([0.0, 1.0, 3.0, 4.0], "float32"))
ops.trapezoid(f, dx=0.5, axis=0)
ops.correlate(v, np.array([1.0, 2.0], "float32"), mode="full")
ops.correlate(v, np.array([1.0, 2.0], "float32"), mode="same")
ops.correlate(v, np.array([1.0, 2.0, 3.0], "float32"), mode="same")
ops.histogram(v, bins=3)
ops.histogram(v, bins=3, range=(-1.0, 1.0))
ops.bincount(n)
ops.bincount(n, minlength=7)
ops.bincount(n, weights=np.arange(6, dtype="float32"))
ops.reshape(f, (2, 6))
ops.reshape(f, (-1, 2))
ops.squeeze(np.zeros((1, 2, 1), "float32"))
ops.squeeze(np.zeros((1, 2, 1), "float32"), axis=0)
ops.expand_dims(f, 1)
ops.expand_dims(f, (0, -1))
ops.transpose(x3, (1, 2, 0))
ops.swapaxes(x3, 0, 2)
ops.moveaxis(x3, 0, -1)
ops.moveaxis(x3, (0, 1), (1, 2))
ops.broadcast_to(f, (2, 3, 4))
ops.flip(f)
ops.flip(f, axis=1)
ops.roll(f, 2)
ops.roll(f, 1, axis=1)
ops.roll(f, (1, 2), axis=(0, 1))
ops.rot90(f)
ops.rot90(x3, k=3, axes=(1, 2))
ops.tile(f, 2)
ops.tile(f, (2, 1, 3))
ops.repeat(f, 2)
ops.repeat(f, 2, axis=1)
ops.repeat(f, np.array([1, 0, 2]), axis=0)
ops.concatenate([f, g], axis=0)
ops.concatenate([f, i], axis=-1)
ops.stack([f, g], axis=1)
ops.stack([f, g], axis=-1)
ops.hstack([f, g])
ops.vstack([f, g])
ops.dstack([f, g])
ops.hstack([v, w])
ops.vstack([v, w])
ops.append(f, g, axis=0)
ops.split(f, 2, axis=1)
ops.split(f, [1, 3], axis=1)
ops.hsplit(f, 2)
ops.vsplit(f, 3)
ops.dsplit(x3, 2)
ops.array_split(v, 3)
ops.array_split(f, 3, axis=1)
ops.pad(f, 1)
ops.pad(f, ((1, 0), (0, 2)))
ops.pad(f, ((1, 0), (0, 2)), constant_values=3.0)
ops.pad(f, ((1, 1), (2, 1)), mode="reflect")
ops.pad(f, ((1, 1), (2, 1)), mode="symmetric")
ops.pad(i, ((1, 1), (2, 1)))
ops.meshgrid(v, w)
ops.meshgrid(v, w, indexing="ij")
ops.diag(f)
ops.diag(v, k=1)
ops.diagflat(f, k=-1)
ops.diagonal(x3, offset=1, axis1=1, axis2=2)
ops.trace(x3)
ops.trace(i)
ops.tril(f)
ops.triu(x3, k=1)
ops.rearrange(x3, "a b c -> b (a c)")
ops.rearrange(x3, "a b (c d) -> a (b d) c", d=2)
ops.zeros((2, 3))
ops.ones((2,), dtype="int32")
ops.full((2, 2), 3)
ops.full((2, 2), 3, dtype="int32")
ops.full_like(f, 2)
ops.full_like(i, 2.7)
ops.zeros_like(f, dtype="int32")
ops.arange(5)
ops.arange(1, 7, 2)
ops.arange(0.0, 1.0, 0.25)
ops.arange(3, dtype="float16")
ops.eye(3)
ops.eye(2, 3, k=1, dtype="int32")
ops.identity(3)
ops.tri(3)
ops.tri(3, 4, k=1, dtype="int32")
ops.linspace(0, 10, 5)
ops.linspace(0, 10, 5, endpoint=False)
ops.linspace(0, 10, 5, retstep=True)
ops.linspace(v, w, 3)
ops.logspace(0, 3, 4)
ops.logspace(0, 3, 4, base=2, endpoint=False)
ops.geomspace(1, 1000, 4)
ops.bartlett(5)
ops.blackman(5)
ops.hamming(5)
ops.hanning(5)
ops.kaiser(5, 14.0)
ops.vander(v)
ops.vander(n, N=3, increasing=True)
ops.get_item(ops.convert_to_tensor(f), (0, slice(None, 2)))
ops.get_item(ops.convert_to_tensor(f), 1)
ops.get_item(ops.convert_to_tensor(f), (slice(None), None, 1))
ops.get_item(ops.convert_to_tensor(f), (Ellipsis, -1))
ops.take(f, [0, 2])
ops.take(f, np.array([[0, 2], [1, 1]]), axis=1)
ops.take(f, -1, axis=0)
ops.take_along_axis(f, np.array([[0, 1], [1, 3], [2, 0]]), axis=1)
ops.take_along_axis(f, np.array([1, 5, 7]))
ops.argsort(f)
ops.argsort(f, axis=0)
ops.sort(f, axis=0)
ops.argpartition(np.array([3, 1, 2, 5, 4]), 2)
ops.nonzero(i > 4)
ops.where(b, f, g)
ops.where(b, f, 0.0)
ops.where(b, i, 2)
ops.where(b, i, 2.5)
ops.select([b, c], [f, g], 0.0)
ops.searchsorted(np.sort(v), f)
ops.searchsorted(np.sort(v), f, side="right")
ops.digitize(f, np.array([-1.0, 0.0, 1.0], "float32"))
ops.unravel_index(n, (2, 3))
ops.unique(n)
ops.unique(n, return_counts=True)
ops.unique(n, return_inverse=True)
ops.unique(n, size=6)
ops.unique(n, size=6, fill_value=-1)
ops.clip(f, -0.5, 0.5)
ops.clip(i, 2, 4)
ops.clip(f, np.zeros(4, "float32"), np.ones(4, "float32"))
ops.round(f, 1)
ops.nan_to_num(h, nan=7.0)
ops.view(f, "int32")
ops.isclose(f, f + 1e-6)
ops.isin(i, j, invert=True)
ops.matmul(f, ops.transpose(g))
ops.matmul(x3, y3)
ops.matmul(f, v)
ops.matmul(ops.cast(i, "int8"), ops.cast(ops.transpose(j), "int8"))
ops.dot(f, ops.transpose(g))
ops.dot(x3, y3[0])
ops.dot(f, 2.0)
ops.tensordot(x3, y3, axes=([2], [1]))
ops.tensordot(x3, y3[0], axes=1)
ops.tensordot(f, g, axes=2)
ops.einsum("ij,kj->ik", f, g)
ops.einsum("bij,bjk->bik", x3, y3)
ops.einsum("...ij->...ji", x3)
ops.einsum("ij,jk", f, y3[0])
ops.vectorize(lambda x, y: x + y)(f, g)
ops.slogdet(m)
ops.logdet(s)
ops.segment_sum(f, np.array([0, 2, 2]))
ops.segment_sum(f, np.array([0, 2, 2]), num_segments=4)
ops.segment_max(f, np.array([0, 2, 2]), num_segments=3)
ops.segment_min(f, np.array([0, 2, 2]), num_segments=3)
ops.segment_prod(f, np.array([0, 2, 2]), num_segments=3)
ops.top_k(f, 2)
ops.in_top_k(np.array([1, 0, 2]), f, 2)
ops.logsumexp(x3, axis=(0, 2))
ops.logsumexp(f, axis=1, keepdims=True)
ops.extract_sequences(sig, 4, 3)
ops.fft((re, im))
ops.fft2((re, im))
ops.ifft2((re, im))
ops.rfft(sig)
ops.rfft(sig, fft_length=32)
ops.irfft((re, im))
ops.irfft((re, im), fft_length=6)
ops.stft(sig, 8, 4, 8)
ops.stft(sig, 6, 4, 8)
ops.stft(sig, 8, 4, 8, window=None, center=False)
ops.stft(sig, 8, 4, 8, window="hamming")
ops.istft((re, im), 8, 4, 8)
ops.istft((re, im), 8, 4, 8, length=12)
ops.istft((re, im), 8, 4, 8, window=None)
ops.cdist(f, g)
ops.view_as_complex(r)
ops.view_as_real(ops.view_as_complex(r))
ops.cholesky(s)
ops.cholesky(s, upper=True)
ops.cholesky_inverse(np.tril(s))
ops.det(m)
ops.inv(m)
ops.lu_factor(m)
ops.norm(f)
ops.norm(f, ord=1, axis=1)
ops.norm(f, ord="nuc", keepdims=True)
ops.norm(f, ord=2)
ops.norm(x3, ord="fro", axis=(1, 2))
ops.norm(f, ord=np.inf, axis=0)
ops.norm(i)
ops.solve(m, r)
ops.solve_triangular(np.tril(m), r, lower=True)
ops.solve_triangular(np.triu(m), r)
ops.svd(f, compute_uv=False)
ops.lstsq(r, m)
ops.lstsq(r, m[:, 0])
ops.matrix_rank(f)
ops.pinv(f)
ops.eigh(s)[0]
ops.softmax(f, axis=0)
ops.softmax(x3, axis=(1, 2))
ops.softmax(f, axis=None)
ops.log_softmax(f, axis=0)
ops.threshold(f, 0.1, -1.0)
ops.gelu(f, approximate=False)
ops.leaky_relu(f, negative_slope=0.3)
ops.squareplus(f, b=2)
ops.max_pool(img, 2)
ops.max_pool(img, 2, strides=1, padding="same")
ops.max_pool(img, (2, 3), data_format="channels_first")
ops.average_pool(img, 2)
ops.average_pool(img, 3, strides=2, padding="same")
ops.average_pool(x3, 2)
ops.adaptive_average_pool(img, 3)
ops.adaptive_max_pool(img, (2, 3))
ops.conv(img, k)
ops.conv(img, k, strides=2, padding="same")
ops.conv(img, k, dilation_rate=2, padding="same")
ops.conv(img, k[:, :, :1, :3], padding="same")
ops.conv(x3, y3[:, :, :2])
ops.depthwise_conv(img, dk)
ops.depthwise_conv(img, dk, strides=2, padding="same")
ops.separable_conv(img, dk, pk)
ops.conv_transpose(img, tk, strides=2, padding="same")
ops.conv_transpose(img, tk)
ops.conv_transpose(img, tk, strides=2, padding="valid", output_padding=1)
ops.one_hot(t, 4)
ops.one_hot(i, 9, axis=1)
ops.one_hot(t, 4, dtype="int32")
ops.multi_hot(i, 9)
ops.multi_hot(t, 4)
ops.moments(f, axes=[0])
ops.moments(x3, axes=[0, 2], keepdims=True)
ops.batch_normalization(f, v, np.abs(w), -1)
ops.batch_normalization(f, v, np.abs(w), -1, offset=w, scale=v, epsilon=0.01)
ops.batch_normalization(x3, v[:3], np.abs(w[:3]), 1)
ops.layer_normalization(f, gamma=v, beta=w)
ops.layer_normalization(f, gamma=v, rms_scaling=True)
ops.rms_normalization(f, scale=v, epsilon=0.01)
ops.normalize(f, axis=0, order=1)
ops.normalize(f, axis=1, order=3)
ops.binary_crossentropy(hot, prob)
ops.binary_crossentropy(hot, f, from_logits=True)
ops.categorical_crossentropy(hot, prob)
ops.categorical_crossentropy(hot, f, from_logits=True)
ops.categorical_crossentropy(hot, prob, axis=0)
ops.sparse_categorical_crossentropy(t, prob)
ops.sparse_categorical_crossentropy(t, f, from_logits=True)
ops.ctc_loss(labels, logits, label_len, time_len)
ops.ctc_decode(logits, time_len)
ops.ctc_decode(logits, time_len, merge_repeated=False)
ops.ctc_decode(logits, time_len, strategy="beam_search", beam_width=10, top_paths=2)
ops.ctc_decode(logits, time_len, mask_index=3)
ops.dot_product_attention(q4, k4, v4)
ops.dot_product_attention(q4, k4, v4, mask=mask)
ops.dot_product_attention(q4, k4, v4, is_causal=True, scale=0.3)
ops.polar(p, q)
ops.psnr(f, g, 2.0)
ops.unfold(ops.transpose(img, (0, 3, 1, 2)), 2)
ops.unfold(ops.transpose(img, (0, 3, 1, 2)), 2, padding=1, stride=2)
ops.fold(ops.unfold(ops.transpose(img, (0, 3, 1, 2)), 2), (6, 5), 2)
ops.space_to_depth(img[:, :, :4], 2)
ops.space_to_depth(ops.transpose(img[:, :, :4], (0, 3, 1, 2)), 2, data_format="channels_first")
ops.scatter(np.array([[0, 1], [2, 2]]), np.array([1.0, 2.0], "float32"), (3, 4))
ops.scatter(np.array([[0], [0]]), f[:2], (3, 4))
ops.scatter_update(f, np.array([[0, 1], [2, 2]]), np.array([1.0, 2.0], "float32"))
ops.scatter_update(f, np.array([[0], [1]]), g[:2], reduction="add")
ops.scatter_update(f, np.array([[0, 1], [0, 1]]), np.array([1.0, 2.0], "float32"), reduction="max")
ops.scatter_update(f, np.array([[0], [1]]), g[:2], reduction="mul")
ops.slice(f, (1, 1), (2, 2))
ops.slice_update(f, (1, 1), g[:2, :2])
ops.while_loop(lambda a: a < 5, lambda a: a + 1, 0)
ops.while_loop(lambda a, x: a < 5, lambda a, x: (a + 1, x * 2), (0, f))
ops.while_loop(lambda a, x: a < 5, lambda a, x: (a + 1, x * 2), (0, f), maximum_iterations=2)
ops.fori_loop(0, 4, lambda a, x: x + a, f)
ops.cond(True, lambda: f, lambda: g)
ops.switch(1, [lambda x: x + 1, lambda x: x - 1], f)
ops.scan(lambda c, x: (c + x, c * x), v * 0, f)
ops.scan(lambda c, x: (c + x, c * x), v * 0, f, reverse=True)
ops.scan(lambda c, x: (c + 1, c), 0, length=3)
ops.associative_scan(lambda a, b: a + b, f)
ops.associative_scan(lambda a, b: a + b, f, axis=1)
ops.associative_scan(lambda a, b: a * b, f, reverse=True)
ops.map(lambda x: x * 2, f)
ops.map(lambda x: x[0] + x[1], (f, g))
ops.map(lambda x: {"a": x, "b": ops.sum(x)}, f)
ops.vectorized_map(lambda x: ops.sum(x), ops.convert_to_tensor(f))
ops.unstack(ops.convert_to_tensor(f))
ops.unstack(ops.convert_to_tensor(f), axis=1)
ops.cast(f, "int32")
ops.cast(f, "bfloat16")
ops.cast(f, "uint8")
ops.cast(i, "bool")
ops.saturate_cast(f * 300, "uint8")
ops.saturate_cast(i * 100, "int8")
ops.array([1, 2])
ops.array([1, 2.5])
ops.array(True)
ops.array(3.5)
ops.array(np.float64(2.0))
ops.array(np.arange(3))
ops.array([1, 2], dtype="float16")
ops.add(f, 1)
ops.add(i, 1.5)
ops.multiply(b, 2)
ops.power(2.0, f)
ops.add(1, 2)
ops.maximum(i, 2.5)
ops.logaddexp(f, 1)
ops.shape(f)
ops.dtype(f)
ops.is_tensor(f)
ops.ndim(f)
ops.convert_to_numpy(ops.cast(f, "float16"))
ops.depth_to_space(np.ones((1, 2, 2, 8), "float32"), 2)
ops.psnr(f, g, 1.0)
ops.where(b, f, i)
ops.cdist(v[None], w[None])
ops.cross(v[:3], w[:3])
ops.digitize(v, np.sort(w))
ops.image.resize(img, (3, 4))
ops.image.resize(img, (9, 8))
ops.image.resize(img, (3, 4), interpolation="nearest")
ops.image.resize(img, (3, 4), interpolation="bicubic")
ops.image.resize(img, (9, 8), interpolation="bicubic")
ops.image.resize(img, (3, 4), antialias=True)
ops.image.resize(img, (3, 4), interpolation="bicubic", antialias=True)
ops.image.resize(img, (4, 4), crop_to_aspect_ratio=True)
ops.image.resize(img, (4, 4), pad_to_aspect_ratio=True, fill_value=2.0)
ops.image.resize(img[0], (3, 4))
ops.image.resize(img, (3, 4), data_format="channels_first")
ops.image.resize((img * 255).astype("uint8"), (9, 8))
ops.image.resize((img * 255).astype("uint8"), (3, 4), interpolation="bicubic")
ops.image.affine_transform(img, aff)
ops.image.affine_transform(img, aff, interpolation="nearest")
ops.image.affine_transform(img, aff, fill_mode="reflect")
ops.image.affine_transform(img, aff, fill_mode="wrap")
ops.image.affine_transform(img, aff, fill_mode="mirror")
ops.image.affine_transform(img, aff, fill_mode="nearest")
ops.image.affine_transform(img, aff, fill_value=0.7)
ops.image.affine_transform(img[0], aff[0])
ops.image.affine_transform(img, aff, data_format="channels_first")
ops.image.perspective_transform(img, sp, ep)
ops.image.perspective_transform(img, sp, ep, interpolation="nearest", fill_value=0.3)
ops.image.perspective_transform(img[0], sp[0], ep[0])
ops.image.map_coordinates(f, mc, 1)
ops.image.map_coordinates(f, mc, 0)
ops.image.map_coordinates(f, mc, 1, fill_mode="nearest")
ops.image.map_coordinates(f, mc, 1, fill_mode="wrap")
ops.image.map_coordinates(f, mc, 1, fill_mode="mirror")
ops.image.map_coordinates(f, mc, 1, fill_mode="reflect")
ops.image.map_coordinates(f, mc, 1, fill_value=2.5)
ops.image.map_coordinates(i, mc, 1)
ops.image.extract_patches(img, 2)
ops.image.extract_patches(img, (2, 3), strides=1, padding="same")
ops.image.extract_patches(img, (2, 2), strides=1, dilation_rate=2)
ops.image.extract_patches(img[0], 2)
ops.image.extract_patches(img, 2, data_format="channels_first")
ops.image.extract_patches_3d(vol, 2)
ops.image.extract_patches_3d(vol, (2, 2, 2), strides=1, padding="same")
ops.image.pad_images(img, 1, 2, 3, 4)
ops.image.pad_images(img, top_padding=1, left_padding=2, target_height=10, target_width=9)
ops.image.crop_images(img, 1, 2, 1, 1)
ops.image.crop_images(img, bottom_cropping=1, right_cropping=0, target_height=3, target_width=4)
ops.image.rgb_to_grayscale(img)
ops.image.rgb_to_grayscale((img * 255).astype("uint8"))
ops.image.rgb_to_hsv(img)
ops.image.hsv_to_rgb(img)
ops.image.rgb_to_hsv(img * 0)
ops.image.scale_and_translate(img, (2, 4, 4, 3), st, tr, (1, 2), "linear")
ops.image.scale_and_translate(img, (2, 9, 8, 3), st * 3, tr, (1, 2), "linear")
ops.image.scale_and_translate(img, (2, 4, 4, 3), st, tr, (1, 2), "cubic", antialias=False)
ops.image.scale_and_translate(img, (2, 4, 4, 3), st, tr, (1, 2), "lanczos3")
ops.image.sobel_edges(img)
ops.image.ssim(img, img * 0.8, filter_size=3)
ops.image.ssim(big, big * 0.8 + 0.1)
ops.image.ssim(big, big[::-1], max_val=2.0, filter_sigma=1.0)
""".strip().splitlines()


def _unary():
    for arrays, names in UNARY.items():
        for name in names.split():
            name, plus, more = name.partition("+")
            yield f"ops.{name}({arrays}{plus}{more})"


def _binary():
    for arrays, names in BINARY.items():
        x, y = arrays.split()
        for name in names.split():
            yield f"ops.{name}({x}, {y})"


def _reductions():
    for name in REDUCTIONS:
        array = "h" if name.startswith("nan") else "f"
        yield f"ops.{name}({array})"
        yield f"ops.{name}({array}, axis=1)"
        if name not in ("count_nonzero", "average"):
            yield f"ops.{name}({array}, axis=-2, keepdims=True)"


EVERY = list(dict.fromkeys([*_unary(), *_binary(), *_reductions(), *CALLS]))
