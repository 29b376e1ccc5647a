"""Cases (see `mxnet_operator_cases`) of `contrib`, custom operators, densities, quantization and updates."""

import numpy as np

import tandem.mxnet as mx
from mxnet_operator_cases import _FULL as FULL
from mxnet_operator_cases import _FULLS as POSITIVE
from mxnet_operator_cases import _HALF as HALF
from mxnet_operator_cases import case, fixed, uniform, whole


class _Doubled(mx.operator.CustomOp):
    def forward(self, is_train, req, in_data, out_data, aux):
        self.assign(out_data[0], req[0], in_data[0] * 2)

    def backward(self, req, out_grad, in_data, out_data, in_grad, aux):
        self.assign(in_grad[0], req[0], out_grad[0] * 2)


@mx.operator.register("doubled_in_the_cases")
class _DoubledProp(mx.operator.CustomOpProp):
    def create_operator(self, ctx, in_shapes, in_dtypes):
        return _Doubled()


case("Custom", (2, 3), op_type="doubled_in_the_cases", _oracle=False)  # tests/mxnet/test_operator_custom.py asks it

# --- updates: those of several weights need `out=` in the oracle, which tests/mxnet/test_updates.py asks -------------

_CLIPPED = {"wd": 0.1, "rescale_grad": 0.5, "clip_gradient": 0.3}
_POSITIVE = uniform(3, low=0.1, high=1, grad=False)
_FIXED = {"_meta": False, "_grad": False}
case("ftml_update", (3,), (3,), (3,), _POSITIVE, (3,), lr=0.1, t=3, wd=0.1, rescale_grad=0.5, clip_grad=0.3, **_FIXED)
case("lamb_update_phase1", (3,), (3,), (3,), _POSITIVE, t=2, **_CLIPPED, **_FIXED)
case("lamb_update_phase1", (3,), (3,), (3,), _POSITIVE, t=2, wd=0.0, bias_correction=False, epsilon=1e-3, **_FIXED)
for _r1, _more in ((2.0, {}), (0.0, {}), (2.0, {"lower_bound": 2.5}), (2.0, {"upper_bound": 1.5})):
    case("lamb_update_phase2", (3,), (3,), fixed([_r1]), fixed([3.0]), lr=0.1, **_more, **_FIXED)
case("mp_lamb_update_phase1", HALF, HALF, FULL, POSITIVE, FULL, t=2, **_CLIPPED, **_FIXED, _dtypes=("float32",))
case("mp_lamb_update_phase2", HALF, FULL, fixed([2.0]), fixed([3.0]), FULL, lr=0.1, **_FIXED, _dtypes=("float32",))
case("multi_lars", fixed([0.1, 0.2, 0.3]), fixed([4.0, 0.0, 1.0]), fixed([1.0, 1.0, 0.0]), fixed([0.1, 0.1, 0.1]),
     eta=0.01, eps=1e-6, rescale_grad=0.5, _dtypes=("float32",))  # fmt: skip
_ADAMW = {"lr": 0.1, "eta": 0.7, "wd": 0.1, "clip_gradient": 0.3}
_SCALE = fixed([0.5], "float32")
# The oracle scales and clips the gradient where it is.
case("_adamw_update", (3,), (3,), (3,), _POSITIVE, fixed([1.0], "float32"), lr=0.1, eta=0.7, wd=0.1, **_FIXED)
case("_adamw_update", (3,), (3,), (3,), _POSITIVE, _SCALE, **_ADAMW, **_FIXED, _oracle=False)
case("_mp_adamw_update", HALF, HALF, FULL, POSITIVE, FULL, fixed([2.0]), **_ADAMW, **_FIXED, _dtypes=("float32",))
case("_contrib_group_adagrad_update", (3, 2), (3, 2), _POSITIVE, lr=0.1, **_FIXED, _oracle=False)
_SEVERAL = {"_oracle": False, "_meta": False}
_MANY = {"lrs": (0.1, 0.2), "wds": (0.0, 0.1), "etas": (1.0, 0.5), "num_weights": 2, **_SEVERAL}
case("_multi_adamw_update", *[(3,), (3,), (3,), _POSITIVE] * 2, fixed([0.5]), **_MANY)
case("_multi_mp_adamw_update", *[HALF, HALF, FULL, POSITIVE, FULL] * 2, fixed([0.5]), **_MANY)
_MANY = {"learning_rates": (0.1, 0.2), "wds": (0.0, 0.1), "step_count": (1, 2), "num_tensors": 2, **_SEVERAL}
case("_multi_lamb_update", *[(3,), (3,), (3,), _POSITIVE] * 2, **_MANY)
case("_multi_mp_lamb_update", *[HALF, HALF, FULL, POSITIVE, FULL] * 2, **_MANY)
_RATES = (fixed([0.1, 0.2]), fixed([0.0, 0.1]))
case("preloaded_multi_sgd_update", *[(3,), (3,)] * 2, *_RATES, num_weights=2, **_SEVERAL)
case("preloaded_multi_sgd_mom_update", *[(3,), (3,), (3,)] * 2, *_RATES, num_weights=2, momentum=0.9, **_SEVERAL)
case("preloaded_multi_mp_sgd_update", *[HALF, HALF, FULL] * 2, *_RATES, num_weights=2, **_SEVERAL)
case("preloaded_multi_mp_sgd_mom_update", *[HALF, HALF, FULL, FULL] * 2, *_RATES, num_weights=2, momentum=0.9,
     **_SEVERAL)  # fmt: skip

# --- densities -------------------------------------------------------------------------------------------------------

_PARAMETER = uniform(2, low=0.4, high=0.9)
for _log in (False, True):
    for _name in ("uniform", "normal", "gamma"):
        _second = uniform(2, low=1.2, high=2)
        case(f"_random_pdf_{_name}", uniform(2, 3, low=0.3, high=2), _PARAMETER, _second, is_log=_log)
    case("_random_pdf_exponential", uniform(2, 3, 2), _PARAMETER, is_log=_log)
    case("_random_pdf_poisson", whole(2, 3, high=5), _PARAMETER, is_log=_log)
    case("_random_pdf_negative_binomial", whole(2, 3, high=5), uniform(2, low=1, high=4), _PARAMETER, is_log=_log)
    case("_random_pdf_generalized_negative_binomial", whole(2, 3, high=5), uniform(2, low=1, high=4), _PARAMETER,
         is_log=_log)  # fmt: skip
    case("_random_pdf_dirichlet", uniform(2, 4, 3, low=0.1), uniform(2, 3, low=0.5, high=3), is_log=_log, _rtol=1e-3)

# --- contrib ---------------------------------------------------------------------------------------------------------

case("_contrib_interleaved_matmul_selfatt_qk", (4, 2, 18), heads=3, _dtypes=("float32",))
case("_contrib_interleaved_matmul_selfatt_valatt", (4, 2, 18), (6, 4, 4), heads=3, _dtypes=("float32",))
case("_contrib_interleaved_matmul_encdec_qk", (4, 2, 6), (5, 2, 12), heads=3, _dtypes=("float32",))
case("_contrib_interleaved_matmul_encdec_valatt", (5, 2, 12), (6, 4, 5), heads=3, _dtypes=("float32",))
case(
    "_contrib_hawkesll",
    uniform(2, 3, low=0.2, high=1),
    uniform(3, low=0.1, high=0.9),
    uniform(3, low=0.5, high=2),
    uniform(2, 3),
    uniform(2, 4, grad=False),
    whole(2, 4, dtype="int32"),
    fixed([4, 2]),
    fixed([8.0, 9.0]),
    _rtol=1e-3,
    _dtypes=("float32",),
)
case("_contrib_fft", (2, 4), _oracle=False)  # the oracle has these three on a GPU only
case("_contrib_ifft", (2, 8), _oracle=False)
case("_contrib_count_sketch", (2, 4), fixed([[0, 2, 0, 1]]), fixed([[1, -1, -1, 1]]), out_dim=3, _oracle=False)
case(
    "_contrib_SparseEmbedding", whole(2, 3, high=4), (4, 5), input_dim=4, output_dim=5, _grad=False
)  # sparse gradients only
_BATCH = (uniform(3, low=0.5), (3,), fixed([0.1, 0.2, 0.3]), fixed([1.0, 0.5, 2.0]))
case("_contrib_BatchNormWithReLU", (4, 3, 2, 2), *_BATCH, fix_gamma=False, _oracle=False)
case("IdentityAttachKLSparseReg", uniform(4, 3, low=0.1, high=0.9), fixed([0.5, 0.25, 0.1]), sparseness_target=0.2,
     penalty=0.1, momentum=0.7, _dtypes=("float32",))  # fmt: skip
case("_linspace", start=0.5, stop=2.0, num=4)
case("_linspace", start=0, stop=2, num=4, endpoint=False)
case("_zeros_without_dtype", shape=(2, 3), _oracle=False)
case("_scatter_set_nd", (2, 3), (2,), fixed([[0, 1], [1, 2]]), shape=(2, 3), _grad=False, _oracle=False)

# --- quantization ----------------------------------------------------------------------------------------------------


def _int8(*shape):
    return whole(*shape, low=-127, high=128, dtype="int8")


def _uint8(*shape):
    return whole(*shape, high=256, dtype="uint8")


def _range(end, low=None):
    return fixed([-end if low is None else low], "float32"), fixed([end], "float32")


_ONCE = {"_dtypes": ("float32",)}
_CALIBRATED = {"min_calib_range": -1.0, "max_calib_range": 2.0}
for _type in ("int8", "uint8"):
    case("_contrib_quantize", uniform(3, 4, low=-3, high=3), *_range(2.0), out_type=_type, **_ONCE)
    case("_contrib_quantize_v2", uniform(3, 4, low=-3, high=3), out_type=_type, **_CALIBRATED, **_ONCE)
case("_contrib_quantize_v2", fixed([1.0, 2.0, -0.51, 4.0, -3.3]), **_ONCE)
case("_contrib_quantize_v2", uniform(3, 4, high=3), out_type="auto", min_calib_range=0.0, max_calib_range=2.0, **_ONCE)
case("_contrib_dequantize", _int8(3, 4), *_range(2.0), **_ONCE)
case("_contrib_dequantize", _uint8(3, 4), *_range(2.0, 0.0), **_ONCE)
_INT32 = whole(3, 4, low=-(2**31), high=2**31 - 1, dtype="int32")
case("_contrib_requantize", _INT32, *_range(3000.0), min_calib_range=-1000.0, max_calib_range=2000.0, **_ONCE)
case("_contrib_requantize", _INT32, *_range(3.0), out_type="auto", min_calib_range=0.0, max_calib_range=2.0, **_ONCE)
case("_contrib_requantize", _INT32, *_range(3.0), _oracle=False)  # it finds no range in the data there
_WEIGHT, _BIAS = (_range(1.0), _range(0.5))
for _data in (_int8(3, 5), _uint8(3, 5)):
    case("_contrib_quantized_fully_connected", _data, _int8(4, 5), _int8(4), *_range(2.0), *_WEIGHT, *_BIAS,
         num_hidden=4, **_ONCE)  # fmt: skip
    case("_contrib_quantized_fully_connected", _data, _int8(4, 5), *_range(2.0), *_WEIGHT, num_hidden=4, no_bias=True,
         **_ONCE)  # fmt: skip
case("_contrib_quantized_conv", _uint8(2, 4, 5, 5), _int8(3, 4, 3, 3), _int8(3), *_range(1.3), *_WEIGHT, *_BIAS,
     kernel=(3, 3), num_filter=3, layout="NCHW", **_ONCE)  # fmt: skip
case("_contrib_quantized_conv", _uint8(2, 4, 5, 5), _int8(3, 4, 3, 3), *_range(1.3), *_WEIGHT, kernel=(3, 3),
     num_filter=3, no_bias=True, stride=(2, 2), pad=(1, 1), layout="NCHW", **_ONCE)  # fmt: skip
for _kind in ("max", "avg"):
    case(
        "_contrib_quantized_pooling",
        _int8(2, 3, 5, 5),
        *_range(2.0),
        kernel=(2, 2),
        pool_type=_kind,
        _train=False,
        **_ONCE,
    )
    case("_contrib_quantized_pooling", _uint8(2, 3, 5, 5), *_range(2.0), kernel=(3, 3), stride=(2, 2), pad=(1, 1),
         pool_type=_kind, _train=False, **_ONCE)  # fmt: skip
case("_contrib_quantized_flatten", _int8(2, 3, 4), *_range(2.0), **_ONCE)
case("_contrib_quantized_act", _int8(3, 4), *_range(2.0), act_type="relu", **_ONCE)
for _other in (_int8(3, 4), _uint8(3, 4)):
    case("_contrib_quantized_concat", _int8(3, 4), _other, *_range(2.0), *_range(2.6), num_args=2, dim=1, **_ONCE)
case("_contrib_quantized_elemwise_add", _int8(3, 4), _int8(3, 4), *_range(2.0), *_range(4.0), **_ONCE)
# The real ones only run as symbols, or not at all (quantize_asym).
for _options in ({}, {"enable_float_output": True}, _CALIBRATED):
    case("_contrib_quantized_elemwise_mul", _int8(3, 4), _int8(3, 4), *_range(2.0), *_range(4.0), _oracle=False,
         **_options, **_ONCE)  # fmt: skip
for _options in ({}, _CALIBRATED):
    case("_contrib_quantize_asym", uniform(3, 4, low=-3, high=3), _oracle=False, **_options, **_ONCE)
case("_contrib_quantized_elemwise_add", _int8(3, 4), _int8(3, 4), *_range(2.0), *_range(4.0), **_CALIBRATED, **_ONCE)
# Some of the oracle's results are one step away.
case("_contrib_quantized_batch_norm", _int8(2, 3, 4, 4), (3,), (3,), (3,), uniform(3, low=0.5), *_range(2.0),
     _atol=1.01, **_CALIBRATED, **_ONCE)  # fmt: skip
case("_contrib_quantized_embedding", whole(2, 3, high=4), _int8(4, 5), *_range(1.0), input_dim=4, output_dim=5, **_ONCE)

# Its divergence is within some percent of MXNet's; the thresholds agree (tests/mxnet/test_quantization.py).
case(
    "_contrib_calibrate_entropy",
    fixed(np.histogram(np.random.default_rng(0).normal(size=500), bins=41, range=(-4, 4))[0]),
    fixed(np.linspace(-4, 4, 42)),
    num_quantized_bins=15,
    _oracle=False,
    _grad=False,
    _meta=False,
)
