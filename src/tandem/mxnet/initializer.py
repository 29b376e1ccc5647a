"""Initializers of weights (`mx.init`): classes, their names, and the rules by which a parameter's name chooses."""

import json
import logging
import math
import re
import warnings

import numpy as np

from tandem.core.dtypes import dtype_name
from tandem.core.errors import explain
from tandem.mxnet import registry
from tandem.mxnet.base import MXNetError
from tandem.mxnet.ndarray.ndarray import NDArray
from tandem.ops import init as formulas
from tandem.ops import random

__all__ = [
    "Bilinear",
    "Constant",
    "FusedRNN",
    "InitDesc",
    "Initializer",
    "LSTMBias",
    "Load",
    "MSRAPrelu",
    "Mixed",
    "Normal",
    "One",
    "Orthogonal",
    "Uniform",
    "Xavier",
    "Zero",
    "alias",
    "create",
    "fill",
    "register",
]


class InitDesc(str):
    """The name of what is initialized, with its attributes.

    attrs: a dict; under '__init__' the parameter's own initializer; global_init: the one for all others.
    """

    def __new__(cls, name, attrs=None, global_init=None):
        """A string with two attributes."""
        new = super().__new__(cls, name)
        new.attrs = attrs or {}
        new.global_init = global_init
        return new


class Initializer:
    """Base of initializers: `initializer(InitDesc(name), array)` fills an array.

    A subclass overrides `_init_weight(name, array)`, or `__call__` to treat all arrays alike. Keyword arguments are
    what `dumps` writes.
    """

    def __init__(self, **kwargs):
        self._kwargs = kwargs
        self._verbose = False
        self._print_func = None

    def set_verbosity(self, verbose=False, print_func=None):
        """Log each array that is initialized, with `print_func(array)`: by default the root of its mean square."""
        self._verbose = verbose
        self._print_func = _root_mean_square if print_func is None else print_func
        return self

    def _verbose_print(self, desc, init, arr):
        if self._verbose and self._print_func:
            logging.info("Initialized %s as %s: %s", desc, init, self._print_func(arr))

    def dumps(self):
        """The initializer as JSON: its name and its arguments."""
        return json.dumps([type(self).__name__.lower(), self._kwargs])

    def __eq__(self, other):
        return (
            type(self) is type(other)
            and self._kwargs.keys() == other._kwargs.keys()
            and all(_same(value, other._kwargs[key]) for key, value in self._kwargs.items())
        )

    __hash__ = object.__hash__

    def __call__(self, desc, arr):
        """Fill an array; a description without '__init__' chooses by the ending of its name."""
        if not isinstance(desc, InitDesc):
            self._legacy_init(desc, arr)
            return
        if desc.global_init is None:
            desc.global_init = self
        own = desc.attrs.get("__init__", "")
        if own:
            create(own)._init_weight(desc, arr)
            self._verbose_print(desc, own, arr)
            return
        for ending, method in _BY_ENDING:
            if desc.endswith(ending):
                getattr(self, method)(desc, arr)
                self._verbose_print(desc, ending, arr)
                return
        self._init_default(desc, arr)

    def _legacy_init(self, name, arr):
        """Fill an array by the plain name alone, as MXNet's early versions did."""
        warnings.warn(
            "Calling initializer with init(str, NDArray) has been deprecated. Please use init(mx.init.InitDesc(...),"
            " NDArray) instead.",
            DeprecationWarning,
            stacklevel=3,
        )
        if not isinstance(name, str):
            raise TypeError(explain("name must be string", given=repr(name)))
        if not isinstance(arr, NDArray):
            raise TypeError(explain("arr must be NDArray", given=type(arr).__name__))
        if name.startswith("upsampling"):
            self._init_bilinear(name, arr)
        elif name.startswith("stn_loc") and name.endswith("weight"):
            self._init_zero(name, arr)
        elif name.startswith("stn_loc") and name.endswith("bias"):
            self._init_loc_bias(name, arr)
        else:
            for ending, method in _BY_ENDING_LEGACY:
                if name.endswith(ending):
                    getattr(self, method)(name, arr)
                    return
            self._init_default(name, arr)

    def _init_bilinear(self, _, arr):
        arr._assign(formulas.bilinear(arr.shape))

    def _init_loc_bias(self, _, arr):
        if arr.shape[0] != 6:
            raise AssertionError(
                explain("The bias of a localisation network has 6 numbers", given=f"shape {arr.shape}")
            )
        arr[:] = np.array([1.0, 0, 0, 0, 1.0, 0])

    def _init_zero(self, _, arr):
        arr[:] = 0.0

    def _init_one(self, _, arr):
        arr[:] = 1.0

    _init_bias = _init_beta = _init_zero
    _init_gamma = _init_one

    def _init_quantized_bias(self, _, arr):
        arr[:] = 0

    def _init_quantized_weight(self, _, arr):
        random_ints = np.random.randint(-127, 128, size=arr.shape)
        arr[:] = random_ints.astype("int8")

    def _init_weight(self, name, arr):
        raise NotImplementedError(
            explain(
                f"{type(self).__name__} does not say how weights are filled", hint="Override _init_weight(name, arr)."
            )
        )

    def _init_default(self, name, _):
        raise ValueError(
            explain(
                f"Unknown initialization pattern for {name}",
                expected='a name that ends in "weight", "bias", "gamma" (1.0) or "beta" (0.0)',
                given=repr(str(name)),
                hint="Give the parameter an initializer of its own: init=mx.init.*.",
            )
        )


_BY_ENDING = [
    ("weight", "_init_weight"),
    ("bias", "_init_bias"),
    ("gamma", "_init_gamma"),
    ("beta", "_init_beta"),
    ("min", "_init_zero"),
    ("max", "_init_one"),
    ("weight_quantize", "_init_quantized_weight"),
    ("bias_quantize", "_init_quantized_bias"),
]
# Names of statistics choose only where the name is all that is given.
_BY_ENDING_LEGACY = [
    *_BY_ENDING[:4],
    ("moving_mean", "_init_zero"),
    ("moving_var", "_init_one"),
    ("moving_inv_var", "_init_zero"),
    ("moving_avg", "_init_zero"),
    ("min", "_init_zero"),
    ("max", "_init_one"),
]

register = registry.get_register_func(Initializer, "initializer")
alias = registry.get_alias_func(Initializer, "initializer")
create = registry.get_create_func(Initializer, "initializer")


def fill(desc, arr, init):
    """Fill an array as a description's own initializer says, or else `init` (an initializer, its name, Load, Mixed)."""
    own = desc.attrs.get("__init__")
    if own is init and not isinstance(init, (Initializer, str)):
        # `Load` and `Mixed` look at the name alone.
        init(InitDesc(str(desc)), arr)
        return
    if not isinstance(init, (Initializer, str)):
        init = own
    create(init)(desc, arr)


def _same(a, b):
    return a is b or bool(np.all(_plain(a) == _plain(b)))


def _plain(value):
    return value.asnumpy() if isinstance(value, NDArray) else value


def _root_mean_square(arr):
    values = arr.asnumpy().astype("float64")
    return str(math.sqrt((values**2).sum()) / math.sqrt(values.size))


class Load:
    """Fills arrays from a dict (or a file that `mx.nd.save` wrote), by name.

    param: name -> array, "arg:" and "aux:" before names are dropped; default_init: for names that are not in it;
    verbose: log what is done.
    Raises AssertionError for an array of another shape or a name that is not there.
    """

    def __init__(self, param, default_init=None, verbose=False):
        if isinstance(param, str):
            from tandem.mxnet import ndarray

            param = ndarray.load(param)
        if not isinstance(param, dict):
            raise AssertionError(
                explain("Load takes a dict or the name of a file that holds one", given=repr(type(param)))
            )
        self.param = {key[4:] if key.startswith(("arg:", "aux:")) else key: value for key, value in param.items()}
        self.default_init = default_init
        self.verbose = verbose

    def __call__(self, name, arr):
        """Fill the array of that name."""
        if name in self.param:
            if arr.shape != self.param[name].shape:
                raise AssertionError(
                    explain(
                        f"Parameter {name} cannot be initialized from loading: shape mismatch",
                        expected=f"{arr.shape}",
                        given=f"loaded {self.param[name].shape}",
                    )
                )
            arr[:] = self.param[name]
            if self.verbose:
                logging.info("Initialized %s by loading", name)
            return
        if self.default_init is None:
            raise AssertionError(
                explain(f"Cannot Initialize {name}. Not found in loaded param and no default Initializer is provided")
            )
        self.default_init(name, arr)
        if self.verbose:
            logging.info("Initialized %s by default", name)


class Mixed:
    """Chooses an initializer by the first regular expression that matches the name.

    patterns, initializers: lists of equal length.
    Raises ValueError for a name that none matches.
    """

    def __init__(self, patterns, initializers):
        if len(patterns) != len(initializers):
            raise AssertionError(
                explain("One initializer to each pattern", given=f"{len(patterns)} and {len(initializers)}")
            )
        self.map = [(re.compile(pattern), init) for pattern, init in zip(patterns, initializers)]

    def set_verbosity(self, verbose=False, print_func=None):
        """Log each array that is initialized."""
        for _, init in self.map:
            init.set_verbosity(verbose, print_func)
        return self

    def __call__(self, name, arr):
        """Fill the array with the initializer that its name chooses."""
        for pattern, init in self.map:
            if pattern.match(name):
                init(name, arr)
                return
        raise ValueError(
            explain(
                f"Parameter name {name} did not match any pattern",
                expected=", ".join(repr(pattern.pattern) for pattern, _ in self.map),
                hint='Consider adding a ".*" pattern at the end with a default initializer.',
            )
        )


@register
@alias("zeros")
class Zero(Initializer):
    """Fills with 0."""

    def __init__(self):
        super().__init__()

    def _init_weight(self, _, arr):
        arr[:] = 0


@register
@alias("ones")
class One(Initializer):
    """Fills with 1."""

    def __init__(self):
        super().__init__()

    def _init_weight(self, _, arr):
        arr[:] = 1


@register
class Constant(Initializer):
    """Fills with a number, or copies an array of the same shape."""

    def __init__(self, value):
        super().__init__(value=value)
        self.value = value

    def _init_weight(self, _, arr):
        arr[:] = np.array(self.value) if isinstance(self.value, (list, tuple)) else self.value

    def dumps(self):
        """The initializer as JSON."""
        value = _plain(self._kwargs["value"])
        if isinstance(value, np.ndarray):
            value = value.tolist()
        return json.dumps([type(self).__name__.lower(), {"value": value}])


@register
class Uniform(Initializer):
    """Uniform in (−scale, scale)."""

    def __init__(self, scale=0.07):
        super().__init__(scale=scale)
        self.scale = scale

    def _init_weight(self, _, arr):
        _uniform(arr, self.scale)


@register
class Normal(Initializer):
    """Normal with mean 0 and standard deviation sigma."""

    def __init__(self, sigma=0.01):
        super().__init__(sigma=sigma)
        self.sigma = sigma

    def _init_weight(self, _, arr):
        _normal(arr, self.sigma)


@register
class Orthogonal(Initializer):
    """scale times a matrix with orthonormal rows or columns; axes after the first are one.

    rand_type: 'uniform' or 'normal', what it is made from. Source: Saxe et al. 2014.
    """

    def __init__(self, scale=1.414, rand_type="uniform"):
        super().__init__(scale=scale, rand_type=rand_type)
        self.scale = scale
        self.rand_type = rand_type

    def _init_weight(self, _, arr):
        arr._assign(
            formulas.orthogonal(
                arr.shape,
                self.scale,
                rows="first",
                distribution=self.rand_type,
                **_floating(arr),
            )
        )


@register
class Xavier(Initializer):
    """Random with a scale that keeps the variance: √(magnitude / n).

    rnd_type: 'uniform' in (−scale, scale) or 'gaussian' with that standard deviation; factor_type: n is the number of
    inputs ('in'), of outputs ('out') or their mean ('avg').
    Raises ValueError for a vector or an unknown type. Source: Glorot & Bengio 2010.
    """

    def __init__(self, rnd_type="uniform", factor_type="avg", magnitude=3):
        super().__init__(rnd_type=rnd_type, factor_type=factor_type, magnitude=magnitude)
        self.rnd_type = rnd_type
        self.factor_type = factor_type
        self.magnitude = float(magnitude)

    def _init_weight(self, name, arr):
        if len(arr.shape) < 2:
            raise ValueError(
                explain(
                    f"Xavier initializer cannot be applied to vector {name}",
                    expected="at least 2 axes",
                    given=f"shape {arr.shape}",
                )
            )
        fan_in, fan_out = formulas.fans(arr.shape, "oi_spatial")
        factors = {"avg": (fan_in + fan_out) / 2.0, "in": fan_in, "out": fan_out}
        if self.factor_type not in factors:
            raise ValueError(explain("Incorrect factor type", expected=", ".join(factors), given=self.factor_type))
        scale = math.sqrt(self.magnitude / factors[self.factor_type])
        if self.rnd_type == "uniform":
            _uniform(arr, scale)
        elif self.rnd_type == "gaussian":
            _normal(arr, scale)
        else:
            raise ValueError(explain("Unknown random type", expected="uniform, gaussian", given=self.rnd_type))


@register
class MSRAPrelu(Xavier):
    """Xavier for layers before a PReLU of this slope: gaussian, magnitude 2/(1 + slope²). Source: He et al. 2015."""

    def __init__(self, factor_type="avg", slope=0.25):
        super().__init__("gaussian", factor_type, 2.0 / (1 + slope**2))
        self._kwargs = {"factor_type": factor_type, "slope": slope}


@register
class Bilinear(Initializer):
    """Weights of a transposed convolution that upsamples by linear interpolation."""

    def __init__(self):
        super().__init__()

    def _init_weight(self, _, arr):
        self._init_bilinear(_, arr)


@register
class LSTMBias(Initializer):
    """Biases of an LSTM: forget_bias for the forget gate (the second quarter), else 0."""

    def __init__(self, forget_bias=1.0):
        super().__init__(forget_bias=forget_bias)
        self.forget_bias = forget_bias

    def _init_weight(self, name, arr):
        arr._assign(formulas.gate_bias(arr.shape, self.forget_bias))


@register
class FusedRNN(Initializer):
    """Fills the one packed vector of weights of a fused RNN: each gate's matrix and bias with `init`, by its name.

    init: an initializer or its JSON form, or None for the model's; num_hidden, num_layers, mode ('rnn_relu',
    'rnn_tanh', 'lstm', 'gru'), bidirectional: as of the RNN; forget_bias: the bias of an LSTM's forget gate.
    """

    def __init__(self, init, num_hidden, num_layers, mode, bidirectional=False, forget_bias=1.0):
        if isinstance(init, str):
            init = create(init)
        super().__init__(
            init=init.dumps() if init is not None else None,
            num_hidden=num_hidden,
            num_layers=num_layers,
            mode=mode,
            bidirectional=bidirectional,
            forget_bias=forget_bias,
        )
        self._init = init
        self._num_hidden, self._num_layers, self._mode = num_hidden, num_layers, mode
        self._bidirectional = bidirectional
        self._forget_bias = forget_bias

    def _init_weight(self, desc, arr):
        from tandem.mxnet.rnn import FusedRNNCell  # which needs this module

        cell = FusedRNNCell(
            self._num_hidden,
            self._num_layers,
            self._mode,
            self._bidirectional,
            forget_bias=self._forget_bias,
            prefix="",
        )
        fallback = getattr(desc, "global_init", None)
        init = self._init if self._init is not None else fallback
        parts = cell.unpack_weights({"parameters": arr})
        for name, part in parts.items():
            if self._mode == "lstm" and name.endswith("_f_bias"):
                part[:] = self._forget_bias  # both biases of a gate are added; MXNet fills both
            else:
                init(InitDesc(name, global_init=fallback), part)
        arr[:] = cell.pack_weights(parts)["parameters"]


def _uniform(arr, scale):
    arr._assign(random.uniform(arr.shape, -scale, scale, **_floating(arr)))


def _normal(arr, sigma):
    arr._assign(random.normal(arr.shape, 0.0, sigma, **_floating(arr)))


def _floating(arr):
    """The dtype and device of an array for random numbers.

    Raises MXNetError for an array of integers.
    """
    tensor = arr._tensor if arr.stype == "default" else arr._held.values
    if not tensor.is_floating_point():
        raise MXNetError(
            explain(
                "Random initial values are no integers",
                expected="a floating point dtype, or an initializer such as Zero or Constant",
                given=f"dtype {dtype_name(tensor.dtype)}",
            )
        )
    return {"dtype": tensor.dtype, "device": tensor.device}
