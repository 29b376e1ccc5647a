"""Inputs and attributes for each operator of the MXNet table: what the contract test runs it on.

`case(name, *inputs, **attributes)`: an input is a shape (random numbers), or one of the makers below. Options of the
case itself begin with an underscore: `_grad=False` (no gradients asked for), `_oracle=False` (the oracle cannot do it),
`_dtypes`, `_rtol`, `_atol`, `_meta=False` (the result's shape depends on values), `_train=False` (not in training).
"""

from dataclasses import dataclass, field

import numpy as np


@dataclass
class Maker:
    """Random numbers of a kind: `make(rng, dtype)`; integral ones get no gradient."""

    shape: tuple
    function: object
    grad: bool = True
    dtype: str | None = None

    def make(self, rng, dtype):
        return np.asarray(self.function(rng, self.shape)).astype(self.dtype or dtype)


def normal(*shape, scale=1.0):
    return Maker(shape, lambda rng, shape: rng.standard_normal(shape) * scale)


def uniform(*shape, low=0.0, high=1.0, grad=True):
    return Maker(shape, lambda rng, shape: rng.uniform(low, high, shape), grad)


def apart(*shape, low=0.3, high=2.0):
    """Of either sign, and away from 0, where gradients jump."""
    return Maker(shape, lambda rng, shape: rng.uniform(low, high, shape) * rng.choice([-1, 1], shape))


def whole(*shape, low=0, high=3, dtype=None):
    """Whole numbers from low up to high (not included); no gradient."""
    return Maker(shape, lambda rng, shape: rng.integers(low, high, shape), False, dtype)


def fixed(values, dtype=None, grad=False):
    values = np.asarray(values)
    return Maker(values.shape, lambda rng, shape: values, grad, dtype)


def distinct(*shape):
    """Different numbers in random order: no ties."""
    return Maker(shape, lambda rng, shape: rng.permutation(int(np.prod(shape))).reshape(shape) / 7 - 1)


def definite(*shape):
    """Symmetric positive definite matrices."""

    def make(rng, shape):
        a = rng.standard_normal(shape)
        return a @ a.swapaxes(-1, -2) + 3 * np.eye(shape[-1])

    return Maker(shape, make)


def lower(*shape):
    """Lower triangular matrices with a positive diagonal."""

    def make(rng, shape):
        return np.tril(rng.standard_normal(shape) * 0.3) + 2 * np.eye(shape[-1])

    return Maker(shape, make)


@dataclass
class Case:
    name: str
    inputs: list
    attributes: dict
    options: dict = field(default_factory=dict)

    @property
    def id(self):
        return f"{self.name}-" + "-".join(f"{key}={value}" for key, value in self.attributes.items())


CASES = []


def case(name, *inputs, **given):
    options = {key[1:]: value for key, value in given.items() if key.startswith("_")}
    attributes = {key: value for key, value in given.items() if not key.startswith("_")}
    makers = [normal(*item) if isinstance(item, tuple) else item for item in inputs]
    CASES.append(Case(name, makers, attributes, options))


# --- element by element ----------------------------------------------------------------------------------------------

for _name in [
    "cbrt",
    "cos",
    "cosh",
    "degrees",
    "erf",
    "exp",
    "expm1",
    "negative",
    "radians",
    "sigmoid",
    "sin",
    "sinh",
    "softsign",
    "square",
    "tan",
    "tanh",
    "relu",
    "abs",
    "sign",
    "ceil",
    "floor",
    "trunc",
    "fix",
    "rint",
    "round",
    "identity",
    "BlockGrad",
    "make_loss",
    "arctan",
    "arcsinh",
    "gamma",
    "gammaln",
    "rcbrt",
    "reciprocal",
    "_contrib_round_ste",
    "_contrib_sign_ste",
    "_contrib_div_sqrt_dim",
]:
    case(_name, apart(3, 4))
for _name in ("log", "log10", "log1p", "log2", "rsqrt", "sqrt"):
    case(_name, uniform(3, 4, low=0.2, high=3))
for _name in ("arccos", "arcsin", "arctanh", "erfinv"):
    case(_name, uniform(3, 4, low=-0.9, high=0.9))
case("arccosh", uniform(3, 4, low=1.1, high=4))
case("gamma", uniform(3, 4, low=0.3, high=4))
for _name in ("logical_not", "zeros_like", "ones_like"):
    case(_name, whole(3, 4, low=-1, high=2))
case("hard_sigmoid", (3, 4))
case("hard_sigmoid", (3, 4), alpha=0.4, beta=0.3)
case("clip", apart(3, 4), a_min=-0.5, a_max=1.0)
case("smooth_l1", apart(3, 4), scalar=1.0)
case("smooth_l1", apart(3, 4), scalar=2.0)
case("Cast", (3, 4), dtype="float64", _dtypes=("float32",))
case("Cast", apart(3, 4), dtype="int32", _grad=False)
case("amp_cast", (3, 4), dtype="float16", _dtypes=("float32",))
case("_copyto", (3, 4), _oracle=False)
case("_contrib_gradientmultiplier", (3, 4), scalar=-2.0)
case("_contrib_quadratic", (3, 4), a=2.0, b=-1.0, c=0.5)

for _name in ["broadcast_add", "broadcast_sub", "broadcast_mul", "broadcast_maximum", "broadcast_minimum"]:
    case(_name, distinct(2, 3, 4), distinct(3, 1))
for _name in ("broadcast_div", "broadcast_hypot"):
    case(_name, apart(2, 3, 4), apart(3, 1))
case("broadcast_mod", uniform(3, 4, low=1, high=5), fixed([[0.7, -1.1, 2.3, 0.9]], grad=True))
case("broadcast_power", uniform(3, 4, low=0.5, high=2), (1, 4))
for _kind in ("equal", "not_equal", "greater", "greater_equal", "lesser", "lesser_equal"):
    case(f"broadcast_{_kind}", whole(3, 4), whole(1, 4))
    case(f"_{_kind}", whole(3, 4), whole(3, 4))
    case(f"_{_kind}_scalar", whole(3, 4), scalar=1.0)
for _kind in ("logical_and", "logical_or", "logical_xor"):
    case(f"broadcast_{_kind}", whole(3, 4, high=2), whole(1, 4, high=2))
    case(f"_{_kind}", whole(3, 4, high=2), whole(3, 4, high=2))
    case(f"_{_kind}_scalar", whole(3, 4, high=2), scalar=1.0)
for _name in ("elemwise_add", "elemwise_sub", "elemwise_mul", "_maximum", "_minimum", "_hypot"):
    case(_name, apart(3, 4), apart(3, 4))
case("_grad_add", apart(3, 4), apart(3, 4), _grad=False)
case("elemwise_div", apart(3, 4), apart(3, 4))
case("_mod", uniform(3, 4, low=1, high=5), uniform(3, 4, low=0.6, high=0.9))
case("_power", uniform(3, 4, low=0.5, high=2), (3, 4))
case("_identity_with_attr_like_rhs", (3, 4), (3, 4), _grad=False)
case("add_n", (3, 4), (3, 4), (3, 4))
case("_contrib_allclose", fixed([1.0, 2.0]), fixed([1.0, 2.0000001]), _oracle=False)
case("_contrib_allclose", fixed([1.0, 2.0]), fixed([1.0, 2.1]), _oracle=False)
for _kind in ["plus", "minus", "rminus", "mul", "maximum", "minimum", "hypot"]:
    case(f"_{_kind}_scalar", apart(3, 4), scalar=1.5)
for _kind in ["div", "rdiv", "mod", "rmod"]:
    case(f"_{_kind}_scalar", uniform(3, 4, low=0.4, high=1.4), scalar=1.7)
for _kind in ("power", "rpower"):
    case(f"_{_kind}_scalar", uniform(3, 4, low=0.5, high=2), scalar=1.7)

# --- making arrays ---------------------------------------------------------------------------------------------------

case("_zeros", shape=(2, 3))
case("_ones", shape=(2, 3), dtype="int32")
case("_full", shape=(2,), value=2.5)
case("_arange", start=1, stop=7, step=2.0)
case("_arange", start=3, stop=None)
case("_eye", N=3, M=4, k=1)
case("_contrib_arange_like", (2, 3), start=1.0, step=0.5, _grad=False)
case("_contrib_arange_like", (2, 3), axis=1, _grad=False)
case("_contrib_arange_like", (2, 3), repeat=2, _grad=False)

# --- networks --------------------------------------------------------------------------------------------------------

case("FullyConnected", (4, 5), (3, 5), (3,), num_hidden=3)
case("FullyConnected", (4, 2, 3), (3, 6), num_hidden=3, no_bias=True)
case("FullyConnected", (4, 2, 3), (5, 3), (5,), num_hidden=5, flatten=False)
case("Convolution", (2, 3, 9), (4, 3, 3), (4,), kernel=(3,), num_filter=4, stride=(2,), pad=(1,))
case(
    "Convolution", (2, 4, 7, 6), (6, 2, 3, 2), (6,), kernel=(3, 2), num_filter=6, num_group=2, dilate=(2, 1), pad=(1, 0)
)
case("Convolution", (2, 3, 5, 5), (4, 3, 3, 3), kernel=(3, 3), num_filter=4, no_bias=True)
case("Convolution", (1, 2, 4, 5, 5), (3, 2, 2, 3, 3), (3,), kernel=(2, 3, 3), num_filter=3, stride=(1, 2, 1))
case("Convolution", (2, 6, 6, 3), (4, 3, 3, 3), (4,), kernel=(3, 3), num_filter=4, layout="NHWC", _oracle=False)
case("Convolution_v1", (2, 3, 5, 5), (4, 3, 3, 3), (4,), kernel=(3, 3), num_filter=4, _oracle=False)
case("Deconvolution", (2, 3, 5), (3, 4, 3), kernel=(3,), num_filter=4, stride=(2,), pad=(1,), adj=(1,))
case(
    "Deconvolution",
    (2, 4, 5, 4),
    (4, 3, 3, 3),
    (6,),
    kernel=(3, 3),
    num_filter=6,
    num_group=2,
    no_bias=False,
    stride=(2, 2),
)
case(
    "Deconvolution",
    (2, 3, 4, 4),
    (3, 2, 4, 4),
    kernel=(4, 4),
    num_filter=2,
    stride=(2, 2),
    target_shape=(8, 8),
    _dtypes=("float64",),
)
case("Pooling", distinct(2, 3, 7), kernel=(3,), stride=(2,), pad=(1,))
case("Pooling", distinct(2, 3, 7, 6), kernel=(3, 2), stride=(2, 2), pad=(1, 1), pooling_convention="full")
for _kind in ("avg", "sum"):
    case("Pooling", (2, 3, 7, 6), kernel=(3, 2), stride=(2, 2), pad=(1, 1), pool_type=_kind, pooling_convention="full")
case("Pooling", (2, 3, 7, 6), kernel=(3, 3), stride=(2, 2), pad=(1, 1), pool_type="avg", count_include_pad=False)
case("Pooling", apart(2, 3, 7, 6), kernel=(3, 3), pool_type="lp", p_value=2)
case("Pooling", distinct(1, 2, 4, 5, 5), kernel=(2, 2, 2), stride=(2, 2, 2))
for _kind in ("max", "avg", "sum"):
    case("Pooling", distinct(2, 3, 4, 5), global_pool=True, kernel=(1, 1), pool_type=_kind)
case("Pooling_v1", distinct(2, 3, 6, 6), kernel=(2, 2), stride=(2, 2), _oracle=False)
case("_contrib_AdaptiveAvgPooling2D", (2, 3, 7, 6), output_size=(3, 2))
case("_contrib_AdaptiveAvgPooling2D", (2, 3, 7, 6))
for _kind in ("relu", "sigmoid", "softrelu", "softsign", "tanh"):
    case("Activation", apart(3, 4), act_type=_kind)
for _kind in ("leaky", "elu", "selu", "gelu"):
    case("LeakyReLU", apart(3, 4), act_type=_kind)
case("LeakyReLU", apart(3, 4), act_type="rrelu", _train=False, _oracle=False)
case("LeakyReLU", apart(3, 4, 2), uniform(4), act_type="prelu")
case("softmax", (3, 4, 2), axis=1, temperature=2.0)
case("softmax", (3, 4), whole(3, low=1, high=5, dtype="int32"), use_length=True)
case("log_softmax", (3, 4))
case("log_softmax", (3, 4), axis=0, temperature=0.5)
case("softmin", (3, 4))
case("SoftmaxActivation", (3, 4, 2), mode="channel", _dtypes=("float32",))
case("SoftmaxActivation", (3, 4), _dtypes=("float32",))

_MOMENTS = (uniform(3, low=0.5), normal(3), fixed([0.1, 0.2, 0.3]), fixed([1.0, 0.5, 2.0]))
case("BatchNorm", (4, 3, 5), *_MOMENTS, fix_gamma=False, _train=False)
case("BatchNorm", (4, 3, 5), *_MOMENTS, fix_gamma=False, _rtol=1e-3, _atol=1e-4)
case("BatchNorm", (4, 5, 3), *_MOMENTS, fix_gamma=False, axis=2, eps=1e-5, momentum=0.5, _rtol=1e-3, _atol=1e-4)
case("BatchNorm", (4, 3, 5), *_MOMENTS, fix_gamma=False, use_global_stats=True)
case("BatchNorm", (4, 3, 5), *_MOMENTS, fix_gamma=False, output_mean_var=True, _grad=False, _train=False)
case("BatchNorm_v1", (4, 3, 2, 2), *_MOMENTS, fix_gamma=False, _oracle=False)
case("_contrib_SyncBatchNorm", (4, 3, 2, 2), *_MOMENTS, fix_gamma=False, key="k", _oracle=False)
case("LayerNorm", (4, 3, 5), uniform(5), (5,))
case("LayerNorm", (4, 3, 5), uniform(3), (3,), axis=1, eps=1e-3)
case("LayerNorm", (4, 5), uniform(5), (5,), output_mean_var=True, _grad=False)
case("GroupNorm", (2, 4, 3, 2), uniform(2), (2,), num_groups=2, _oracle=False)
case("GroupNorm", (2, 4, 3, 2), uniform(4), (4,), num_groups=4)
case("InstanceNorm", (2, 3, 4, 2), uniform(3), (3,), _dtypes=("float32",))
for _kind in ("instance", "channel", "spatial"):
    case("L2Normalization", (2, 3, 4, 2), mode=_kind)
case("LRN", (2, 5, 3, 3), nsize=3, alpha=0.1, _dtypes=("float32",))

case("SoftmaxOutput", (4, 3), whole(4))
case("SoftmaxOutput", (4, 3), whole(4), grad_scale=2.0, use_ignore=True, ignore_label=1.0, normalization="valid")
case("SoftmaxOutput", (4, 3), whole(4), smooth_alpha=0.1, normalization="batch")
case("SoftmaxOutput", (2, 3, 4), whole(2, 4), multi_output=True)
case(
    "SoftmaxOutput", (2, 3, 4), whole(2, 4), multi_output=True, use_ignore=True, ignore_label=1.0, normalization="valid"
)
case("SoftmaxOutput", (2, 3, 4), whole(2, 3, high=4), preserve_shape=True)
case("SoftmaxOutput", (2, 3, 4), whole(2, 3, high=4), preserve_shape=True, normalization="batch")
case("SoftmaxOutput", (2, 3, 4), whole(2, 4), multi_output=True, normalization="batch")
case("SoftmaxOutput", (2, 3), uniform(2, 3, grad=False), grad_scale=3.0)
for _name in ("LinearRegressionOutput", "LogisticRegressionOutput", "MAERegressionOutput"):
    case(_name, (4, 3), uniform(4, 3, grad=False), grad_scale=2.0)
case("SVMOutput", (4, 3), whole(4))
case("SVMOutput", (4, 3), whole(4), use_linear=True, margin=0.5)
case("SVMOutput", (4, 3), whole(4), regularization_coefficient=2.0)
case("MakeLoss", (4, 3), grad_scale=2.0)
case("MakeLoss", (4, 3), normalization="batch")
case("MakeLoss", (5,), normalization="batch")
case("MakeLoss", (4, 3), normalization="valid", valid_thresh=0.1)
case("softmax_cross_entropy", (4, 3), whole(4))
case("CTCLoss", (7, 2, 5), fixed([[1, 2, 0], [3, 1, 1]]), _dtypes=("float32",), _meta=False)
case("CTCLoss", (7, 2, 5), fixed([[1, 2, -1], [3, 0, 1]]), blank_label="last", _dtypes=("float32",), _meta=False)
case("CTCLoss", (7, 2, 5), fixed([[1, 2, 3], [3, 1, 1]]), fixed([5, 7]), fixed([2, 3]), use_data_lengths=True,
     use_label_lengths=True, _dtypes=("float32",), _meta=False)  # fmt: skip

# --- products --------------------------------------------------------------------------------------------------------

case("dot", (3, 4), (4, 2))
case("dot", (4, 3), (2, 4), transpose_a=True, transpose_b=True)
case("dot", (2, 3, 4), (4, 5))
case("dot", (4,), (4,))
case("batch_dot", (2, 3, 4), (2, 4, 5))
case("batch_dot", (2, 4, 3), (2, 5, 4), transpose_a=True, transpose_b=True)
case("khatri_rao", (2, 3), (4, 3), _grad=False)
case("_linalg_gemm", (2, 3, 4), (2, 4, 5), (2, 3, 5), alpha=2.0, beta=0.5)
case("_linalg_gemm", (2, 4, 3), (2, 5, 4), (2, 3, 5), transpose_a=True, transpose_b=True)
case("_linalg_gemm2", (2, 3, 4), (2, 4, 5), alpha=2.0)
case("_linalg_gemm2", (3, 2, 4), (4, 2, 5), axis=0)
case("_linalg_syrk", (2, 3, 4), alpha=0.5)
case("_linalg_syrk", (2, 3, 4), transpose=True)
case("_linalg_potrf", definite(2, 3, 3), _rtol=1e-3)
case("_linalg_potri", lower(2, 3, 3), _rtol=1e-3)
case("_linalg_potrf", definite(2, 3, 3), lower=False, _rtol=1e-3)
case("_linalg_potri", Maker((2, 3, 3), lambda rng, shape: np.triu(rng.uniform(0.5, 1, shape))), lower=False, _rtol=1e-3)
for _more in ({}, {"transpose": True}, {"lower": False, "alpha": 2.0}, {"rightside": True}):
    case("_linalg_trmm", lower(2, 3, 3), (2, 3, 3), **_more)
    _upper = fixed(np.triu(np.ones((2, 3, 3))) + np.eye(3), grad=True)
    case("_linalg_trsm", lower(2, 3, 3) if _more.get("lower", True) else _upper, (2, 3, 3), **_more)
case("_linalg_gelqf", (2, 3, 5), _rtol=1e-3, _atol=1e-4)
case("_linalg_syevd", definite(3, 3), _oracle=False)  # the vectors' signs are free
case("_linalg_sumlogdiag", definite(2, 3, 3))
case("_linalg_extractdiag", (2, 3, 3), offset=1)
case("_linalg_makediag", (2, 3), offset=-1)
for _more in ({}, {"offset": 1}, {"offset": -1}, {"lower": False}):
    case("_linalg_extracttrian", (2, 4, 4), **_more)
    case("_linalg_maketrian", (2, 6), **_more)
case("_linalg_inverse", definite(2, 3, 3), _rtol=1e-3)
case("_linalg_det", definite(2, 3, 3), _rtol=1e-3)
case("_linalg_slogdet", definite(2, 3, 3), _rtol=1e-3)

# --- shapes ----------------------------------------------------------------------------------------------------------

case("Reshape", (2, 3, 4), shape=(0, -1))
case("Reshape", (2, 3, 4), shape=(-4, 1, 2, -3), reverse=False)
case("Reshape", (2, 3, 4), shape=(-1, 0), reverse=True)
case("Reshape", (2, 3, 12), shape=(-2, 3, 4, -4), reverse=True)
case("Reshape", (8, 3, 4), shape=(2, -1, -4, 0, 0), reverse=True)
case("Reshape", (2, 3, 4), target_shape=(2, 0), _grad=False)
case("reshape_like", (2, 6), (3, 4), _grad=False)
case("Flatten", (2, 3, 4))
case("expand_dims", (2, 3), axis=1)
case("squeeze", (1, 2, 1))
case("squeeze", (1, 2, 1), axis=(0,))
case("transpose", (2, 3, 4))
case("transpose", (2, 3, 4), axes=(1, 0, 2))
case("SwapAxis", (2, 3, 4), dim1=0, dim2=2)
case("shape_array", (2, 3), _grad=False)
case("size_array", (2, 3), _grad=False)
case("broadcast_to", (1, 3, 1), shape=(2, 0, 4))
case("broadcast_axis", (1, 3, 1), axis=(0, 2), size=(2, 4))
case("broadcast_like", (1, 3), (2, 3), _grad=False)
case("slice", (3, 4, 5), begin=(0, 1), end=(2, None))
case("slice", (3, 4, 5), begin=(None, 3, -1), end=(None, 0, None), step=(2, -1, -2))
case("slice_axis", (3, 4), axis=1, begin=1, end=None)
case("slice_axis", (3, 4), axis=-2, begin=-3, end=-1)
case("slice_like", (3, 4), (2, 3), _grad=False)
case("slice_like", (3, 4), (2, 3), axes=(1,), _grad=False)
case("SliceChannel", (2, 6), num_outputs=3, axis=1)
case("SliceChannel", (2, 3, 2), num_outputs=3, axis=1, squeeze_axis=True)
case("_split_v2", (2, 6), indices=(0, 1, 4), axis=1)
case("_split_v2", (2, 6), indices=(), sections=3, axis=1)
case("Concat", (2, 3), (2, 1), dim=1)
case("_rnn_param_concat", (3,), (2,), dim=0)
case("stack", (2, 3), (2, 3), axis=1)

# --- random numbers: their distributions are tested in tests/mxnet/test_random.py -------------------------------------

for _kind in [
    "uniform",
    "normal",
    "gamma",
    "exponential",
    "poisson",
    "negative_binomial",
    "generalized_negative_binomial",
]:
    case(f"_random_{_kind}", shape=(2, 3), **({"p": 0.5} if _kind == "negative_binomial" else {}), _oracle=False)
    case(f"_random_{_kind}_like", (2, 3), **({"p": 0.5} if _kind == "negative_binomial" else {}), _oracle=False)
case("_random_randint", low=2, high=5, shape=(2, 3), _oracle=False)
case("_sample_unique_zipfian", range_max=9, shape=(2, 3), _oracle=False, _meta=False)
for _kind in ["uniform", "normal", "gamma", "negative_binomial", "generalized_negative_binomial"]:
    case(f"_sample_{_kind}", uniform(2, low=0.3, high=0.5), uniform(2, low=0.6, high=0.9), shape=(3,), _oracle=False)
for _kind in ("exponential", "poisson"):
    case(f"_sample_{_kind}", uniform(2, low=0.3, high=0.5), shape=(3,), _oracle=False)
case("_sample_multinomial", fixed([[0.0, 1.0], [1.0, 0.0]]), shape=(3,), get_prob=True, _grad=False)
case("_shuffle", fixed([[1.0, 2.0]]))
case("Dropout", (3, 4), p=0.3, _train=False)
case("Dropout", (3, 4), p=0.0)

# --- repeating, padding, sequences -----------------------------------------------------------------------------------

case("tile", (2, 3), reps=(2, 1, 2))
case("tile", (2, 3), reps=(2,))
case("repeat", (2, 3), repeats=2)
case("repeat", (2, 3), repeats=2, axis=-1)
case("Pad", (1, 2, 3, 4), mode="constant", pad_width=(0, 0, 0, 0, 1, 2, 0, 1), constant_value=5.0)
case("Pad", (1, 2, 3, 4), mode="edge", pad_width=(0, 0, 0, 0, 1, 2, 0, 1))
case("Pad", (1, 2, 3, 3, 4), mode="reflect", pad_width=(0, 0, 0, 0, 1, 2, 0, 1, 2, 0))
case("reverse", (2, 3, 4), axis=(0, 2))
case("depth_to_space", (2, 8, 2, 3), block_size=2)
case("space_to_depth", (2, 2, 4, 6), block_size=2)
case("diag", (3,), k=1)
case("diag", (3, 4), k=-1)
case("diag", (2, 3, 4), axis1=1, axis2=2)
case("UpSampling", (1, 2, 2, 3), scale=2, sample_type="nearest")
case("UpSampling", (1, 2, 2, 2), (1, 3, 4, 4), scale=2, sample_type="nearest", _grad=False)
case("UpSampling", (1, 2, 2, 2), (1, 2, 4, 4), scale=4, sample_type="nearest", multi_input_mode="sum", _grad=False)
case("UpSampling", (1, 2, 2, 2), (2, 1, 4, 4), scale=2, sample_type="bilinear", num_filter=2, _dtypes=("float32",))
case("im2col", (1, 2, 4, 5), kernel=(2, 3), stride=(2, 1), pad=(1, 0))
case("col2im", (1, 8, 9), output_size=(4, 4), kernel=(2, 2))
case("SequenceMask", (3, 2, 2), fixed([1, 2]), use_sequence_length=True, value=-1.0)
case("SequenceMask", (2, 3, 2), fixed([1, 2]), use_sequence_length=True, axis=1)
case("SequenceMask", (2, 3, 2))
case("SequenceLast", (3, 2, 2), fixed([1, 3]), use_sequence_length=True)
case("SequenceLast", (2, 3, 2), fixed([1, 3]), use_sequence_length=True, axis=1)
case("SequenceLast", (3, 2, 2), _oracle=False)
case("SequenceReverse", (3, 2, 2), fixed([1, 3]), use_sequence_length=True)
case("SequenceReverse", (3, 2))
for _mode, _gates in (("lstm", 4), ("gru", 3), ("rnn_tanh", 1), ("rnn_relu", 1)):
    for _sides in (1, 2):
        _size = _sides * _gates * 4 * (3 + 4 + 2) + _sides * _gates * 4 * (4 * _sides + 4 + 2)
        _states = [normal(2 * _sides, 2, 4)] * (2 if _mode == "lstm" else 1)
        case("RNN", (5, 2, 3), normal(_size, scale=0.3), *_states, state_size=4, num_layers=2, mode=_mode,
             bidirectional=_sides == 2, state_outputs=True, _rtol=1e-3, _atol=1e-4, _dtypes=("float32",))  # fmt: skip

# --- picking, placing, ordering --------------------------------------------------------------------------------------

case("take", (3, 4), fixed([0, 2, 2, 5]))
case("take", (3, 4), fixed([[-1.0, 4.7], [0.0, 1.0]]), axis=1, mode="wrap", _dtypes=("float32",))
case("take", (3, 4), fixed([1, 0], dtype="int32"), axis=-1, mode="raise")
case("batch_take", (3, 4), whole(3, high=4, dtype="int32"), _grad=False)
case("pick", (3, 4), whole(3, low=-2, high=6))
case("pick", (3, 4), whole(4, low=-2, high=5), axis=0, keepdims=True, mode="wrap")
case("pick", (2, 3, 4), whole(2, 3, high=4))
case("gather_nd", (2, 3, 4), fixed([[0, 1, 1], [1, 2, 2]]))
case("gather_nd", (2, 3, 4), fixed([[-1], [1], [2]]), _grad=False)
case("scatter_nd", (3,), fixed([[0, 1, 1], [1, 0, 2]]), shape=(2, 3))
case("Embedding", whole(2, 3, high=4), (4, 5), input_dim=4, output_dim=5)
case("where", whole(2, 3, high=2), (2, 3), (2, 3))
case("where", whole(2, high=2), (2, 3), (2, 3))
case("_contrib_boolean_mask", (4, 3), fixed([0, 1, 1, 0]), _meta=False)
case("_contrib_index_copy", (4, 3), fixed([3, 0]), (2, 3))
case("_contrib_index_array", (2, 3))
case("_contrib_index_array", (2, 3, 4), axes=(2, 0))
case("_ravel_multi_index", fixed([[1, 0], [2, 1]]), shape=(3, 4))
case("_unravel_index", fixed([6, 11]), shape=(3, 4))
case("fill_element_0index", (3, 4), (3,), whole(3, high=4), _grad=False, _dtypes=("float32",))
case("one_hot", fixed([[0, 2], [5, -1]]), depth=3)
case("one_hot", fixed([1, 2]), depth=3, on_value=5.0, off_value=-1.0, dtype="int32")
case("_onehot_encode", fixed([1, 2]), (2, 3), _oracle=False)
case("topk", distinct(3, 4), k=2, _grad=False)
case("topk", distinct(3, 4), k=2, ret_typ="value", axis=0)
case("topk", distinct(3, 4), k=3, ret_typ="both", is_ascend=True, dtype="int32", _grad=False)
case("topk", distinct(3, 4), k=2, ret_typ="mask", _grad=False)
case("topk", distinct(3, 4), k=2, axis=None, _grad=False)
case("topk", whole(3, 4), k=4, _grad=False)
case("sort", distinct(3, 4), axis=0, is_ascend=False)
case("sort", distinct(3, 4), axis=None)
case("argsort", distinct(3, 4), axis=1)
case("argsort", whole(3, 4), axis=0, is_ascend=False, dtype="int32")

# --- updates ---------------------------------------------------------------------------------------------------------

_STEP = {"lr": 0.1, "wd": 0.01, "rescale_grad": 0.5, "clip_gradient": 0.3}
_STATE = uniform(3, low=0.1, high=1)
_RULES = {"sgd": 0, "sgd_mom": 1, "nag_mom": 1, "adam": 2, "rmsprop": 1, "ftrl": 2, "signsgd": 0, "signum": 1}
for _name, _states in _RULES.items():
    _more = {"momentum": 0.9} if "mom" in _name or _name == "signum" else {}
    # Without `out=weight` the oracle's nag_mom_update decays the velocity by the old weight, with it by the new one.
    case(f"{_name}_update", (3,), (3,), *[_STATE] * _states, **_STEP, **_more, _meta=False, _oracle=_name != "nag_mom")
    case(f"{_name}_update", (3,), (3,), *[_STATE] * _states, lr=0.1, **_more, _meta=False)
case("rmspropalex_update", (3,), (3,), fixed([2.0, 2.0, 2.0]), _STATE, _STATE, **_STEP, _meta=False)
case("signum_update", (3,), (3,), _STATE, **_STEP, momentum=0.9, wd_lh=0.1, _meta=False)
_HALF = Maker((3,), lambda rng, shape: rng.standard_normal(shape), False, "float16")
_FULL = Maker((3,), lambda rng, shape: rng.standard_normal(shape), False, "float32")
_FULLS = Maker((3,), lambda rng, shape: rng.uniform(0.1, 1, shape), False, "float32")
case("mp_sgd_update", _HALF, _HALF, _FULL, **_STEP, _dtypes=("float32",), _meta=False)
case("mp_sgd_mom_update", _HALF, _HALF, _FULLS, _FULL, **_STEP, momentum=0.9, _dtypes=("float32",), _meta=False)
case("mp_nag_mom_update", _HALF, _HALF, _FULLS, _FULL, **_STEP, momentum=0.9, _dtypes=("float32",), _meta=False)
_MULTI = {
    "lrs": (0.1, 0.2),
    "wds": (0.0, 0.1),
    "num_weights": 2,
    "_oracle": False,
    "_meta": False,
}  # there it needs `out=`
case("multi_sgd_update", (3,), (3,), (2,), (2,), **_MULTI)
case("multi_sgd_mom_update", (3,), (3,), (3,), (2,), (2,), (2,), **_MULTI, momentum=0.9)
case("multi_mp_sgd_update", _HALF, _HALF, _FULL, _HALF, _HALF, _FULL, **_MULTI)
case("multi_mp_sgd_mom_update", _HALF, _HALF, _FULLS, _FULL, _HALF, _HALF, _FULLS, _FULL, **_MULTI, momentum=0.9)
case("all_finite", fixed([1.0, np.inf]), _dtypes=("float32",))
case("multi_all_finite", (3,), (2,), num_arrays=2, _dtypes=("float32",))
case("multi_sum_sq", (3,), (2,), num_arrays=2, _dtypes=("float32",))
case("reset_arrays", (3,), (2,), num_arrays=2, _oracle=False)

# --- reductions ------------------------------------------------------------------------------------------------------

for _name in ("sum", "mean", "prod", "nansum", "nanprod", "max", "min"):
    for _more in ({}, {"axis": (0, 2)}, {"axis": -1, "keepdims": True}, {"axis": (1,), "exclude": True}):
        case(_name, distinct(2, 3, 4) if "prod" not in _name else uniform(2, 3, 4, low=0.5, high=1.5), **_more)
    case(_name, whole(2, 3, dtype="int32"), axis=1, _grad=False)
case("max", fixed([[1.0, 3.0, 3.0], [2.0, 2.0, 1.0]], grad=True), axis=1)
case("min", fixed([[1.0, 1.0, 3.0], [2.0, 2.0, 2.0]], grad=True), axis=1)
case("nansum", fixed([[1.0, np.nan], [2.0, 3.0]], grad=True), axis=1)
case("nanprod", fixed([[2.0, np.nan], [2.0, 3.0]], grad=True), axis=1)
for _more in ({}, {"ord": 1}, {"axis": (1,)}, {"axis": (0, 2), "keepdims": True}, {"ord": 1, "axis": (1,)}):
    case("norm", apart(2, 3, 4), **_more)
case("moments", (2, 3, 4), axes=(0, 2), _grad=False)
case("moments", (2, 3, 4), axes=(1,), keepdims=True, _grad=False)
for _name in ("argmax", "argmin"):
    case(_name, distinct(3, 4), axis=1)
    case(_name, distinct(3, 4), axis=0, keepdims=True)
    case(_name, distinct(3, 4))
    case(_name, fixed([[1.0, 3.0, 3.0, 1.0]]), axis=1)
case("argmax_channel", distinct(3, 4))
case("cumsum", (2, 3), axis=1)
case("cumsum", (2, 3))
case("cumsum", whole(2, 3, dtype="int32"), axis=0, dtype="float32", _grad=False)
case("_histogram", fixed([1.0, 2.0, 2.0, 8.0, 9.0]), bin_cnt=4, range=(0, 8))
case("_histogram", fixed([1.0, 2.0, 2.0, 8.0, 9.0]), fixed([0.0, 2.0, 3.0, 8.0]))
case("_slice_assign", (3, 4), (2, 2), begin=(0, 1), end=(2, 3), step=(), _grad=False)
case("_slice_assign", (3, 4), (2, 2), begin=(None, 3), end=(2, 0), step=(1, -2), _grad=False)
case("_slice_assign_scalar", (3, 4), scalar=2.5, begin=(0, 1), end=(2, None), step=(), _grad=False)
case("cast_storage", (3, 4), stype="default", _oracle=False)
case("amp_multicast", normal(3), _HALF, num_outputs=2, _oracle=False)

import mxnet_operator_cases_contrib  # noqa: E402, F401 (further cases)
import mxnet_operator_cases_np  # noqa: E402, F401 (further cases)
import mxnet_operator_cases_npx  # noqa: E402, F401 (further cases)
import mxnet_operator_cases_sparse  # noqa: E402, F401 (further cases)
import mxnet_operator_cases_vision  # noqa: E402, F401 (further cases)
