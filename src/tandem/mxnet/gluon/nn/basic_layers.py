"""Dense, normalisation, dropout, embedding and small layers (and, from here, `Sequential`)."""

from tandem.core.errors import explain
from tandem.mxnet import ndarray
from tandem.mxnet.gluon import extensions
from tandem.mxnet.gluon.block import Block, HybridBlock
from tandem.mxnet.gluon.nn.activations import Activation
from tandem.mxnet.gluon.nn.containers import HybridSequential, Sequential
from tandem.mxnet.gluon.utils import namespace_of
from tandem.mxnet.operators import learned

__all__ = [
    "BatchNorm",
    "BatchNormReLU",
    "Concatenate",
    "Dense",
    "Dropout",
    "Embedding",
    "Flatten",
    "GroupNorm",
    "HybridConcatenate",
    "HybridLambda",
    "HybridSequential",
    "Identity",
    "InstanceNorm",
    "Lambda",
    "LayerNorm",
    "Sequential",
]


class Dense(HybridBlock):
    """Affine map: act(x·Wᵀ + b).

    units: outputs; activation: its name, none where None; use_bias; flatten: whether all axes but the first are one
    (otherwise only the last axis is mapped); dtype; weight_initializer, bias_initializer; in_units: inputs, from the
    first input where 0. weight: (units, in_units).
    """

    def __init__(
        self,
        units,
        activation=None,
        use_bias=True,
        flatten=True,
        dtype="float32",
        weight_initializer=None,
        bias_initializer="zeros",
        in_units=0,
        **kwargs,
    ):
        kwargs = extensions.take_input_shape(self, kwargs)
        super().__init__(**kwargs)
        self._flatten = flatten
        with self.name_scope():
            self._units = units
            self._in_units = in_units
            self.weight = self.params.get(
                "weight", shape=(units, in_units), init=weight_initializer, dtype=dtype, allow_deferred_init=True
            )
            self.bias = (
                self.params.get("bias", shape=(units,), init=bias_initializer, dtype=dtype, allow_deferred_init=True)
                if use_bias
                else None
            )
            self.act = None if activation is None else Activation(activation, prefix=f"{activation}_")

    def _shapes_from_data(self, x):
        attributes = {"num_hidden": self._units, "no_bias": self.bias is None, "flatten": self._flatten}
        return learned.shapes("FullyConnected", x.shape, attributes)

    def hybrid_forward(self, F, x, weight, bias=None):
        """act(x·Wᵀ + b)."""
        y = F.FullyConnected(
            x, weight, bias, no_bias=bias is None, num_hidden=self._units, flatten=self._flatten, name="fwd"
        )
        return y if self.act is None else self.act(y)

    def __repr__(self):
        shape = self.weight.shape
        return f"{type(self).__name__}({shape[1] or None} -> {shape[0]}, {self.act or 'linear'})"


class Dropout(HybridBlock):
    """In training, zeroes elements with probability `rate` and divides the others by 1 − rate.

    axes: axes along which an element and its neighbours go together. Source: Srivastava et al. 2014.
    """

    def __init__(self, rate, axes=(), **kwargs):
        super().__init__(**kwargs)
        self._rate = rate
        self._axes = axes

    def hybrid_forward(self, F, x):
        """dropout(x)."""
        return F.Dropout(x, p=self._rate, axes=self._axes, name="fwd") if self._rate > 0 else F.identity(x)

    def __repr__(self):
        return f"{type(self).__name__}(p = {self._rate}, axes={self._axes})"


class _BatchNorm(HybridBlock):
    """Batch normalisation and what varies it."""

    def __init__(
        self,
        axis=1,
        momentum=0.9,
        epsilon=1e-5,
        center=True,
        scale=True,
        use_global_stats=False,
        beta_initializer="zeros",
        gamma_initializer="ones",
        running_mean_initializer="zeros",
        running_variance_initializer="ones",
        in_channels=0,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self._kwargs = {
            "axis": axis,
            "eps": epsilon,
            "momentum": momentum,
            "fix_gamma": not scale,
            "use_global_stats": use_global_stats,
        }
        self._axis = axis
        self._fused_relu = False
        if in_channels:
            self.in_channels = in_channels
        get, shape = self.params.get, (in_channels,)
        self.gamma = get(
            "gamma",
            grad_req="write" if scale else "null",
            shape=shape,
            init=gamma_initializer,
            allow_deferred_init=True,
            differentiable=scale,
        )
        self.beta = get(
            "beta",
            grad_req="write" if center else "null",
            shape=shape,
            init=beta_initializer,
            allow_deferred_init=True,
            differentiable=center,
        )
        self.running_mean = get(
            "running_mean",
            grad_req="null",
            shape=shape,
            init=running_mean_initializer,
            allow_deferred_init=True,
            differentiable=False,
        )
        self.running_var = get(
            "running_var",
            grad_req="null",
            shape=shape,
            init=running_variance_initializer,
            allow_deferred_init=True,
            differentiable=False,
        )

    def _shapes_from_data(self, x):
        shapes = learned.shapes("BatchNorm", x.shape, self._kwargs)
        return {**shapes, "running_mean": shapes["moving_mean"], "running_var": shapes["moving_var"]}

    def cast(self, dtype):
        """Change the dtype; with float16 the statistics stay in float32."""
        super().cast("float32" if str(getattr(dtype, "__name__", dtype)) == "float16" else dtype)

    def _read_channels_last(self):
        """Normalise the last axis; see `extensions`."""
        self._axis = self._kwargs["axis"] = -1

    def hybrid_forward(self, F, x, gamma, beta, running_mean, running_var):
        """gamma·(x − mean)/√(var + eps) + beta; the backward pass of training moves the running statistics."""
        y = F.BatchNorm(x, gamma, beta, running_mean, running_var, name="fwd", **self._kwargs)
        return F.relu(y) if self._fused_relu else y

    def __repr__(self):
        content = ", ".join(
            f"{name}={self._kwargs[name]!r}" for name in ("axis", "eps", "momentum", "fix_gamma", "use_global_stats")
        )
        return f"{type(self).__name__}({content}, in_channels={self.gamma.shape[0] or None})"


class BatchNorm(_BatchNorm):
    """Normalises each channel over the batch: gamma·(x − mean)/√(var + epsilon) + beta.

    axis: the channels' axis; momentum: share of the old running statistics, which inference uses; epsilon; center,
    scale: whether there is a beta, a gamma; use_global_stats: use the running statistics in training too;
    *_initializer; in_channels: from the first input where 0. Source: Ioffe & Szegedy 2015.
    """


class BatchNormReLU(_BatchNorm):
    """BatchNorm followed by max(x, 0). Arguments as BatchNorm."""

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self._fused_relu = True


class Embedding(HybridBlock):
    """Rows of a learned table: weight[x].

    input_dim: rows; output_dim: length of a row; dtype; weight_initializer; sparse_grad: whether the gradient is
    row_sparse, with the rows that were picked only.
    """

    def __init__(self, input_dim, output_dim, dtype="float32", weight_initializer=None, sparse_grad=False, **kwargs):
        kwargs = extensions.take_input_shape(self, kwargs)
        super().__init__(**kwargs)
        self._input_dim = input_dim
        self._output_dim = output_dim
        self._kwargs = {"input_dim": input_dim, "output_dim": output_dim, "dtype": dtype, "sparse_grad": sparse_grad}
        with self.name_scope():
            self.weight = self.params.get(
                "weight",
                shape=(input_dim, output_dim),
                init=weight_initializer,
                dtype=dtype,
                allow_deferred_init=True,
                grad_stype="row_sparse" if sparse_grad else "default",
            )

    def hybrid_forward(self, F, x, weight):
        """weight[x]."""
        return F.Embedding(x, weight, name="fwd", **self._kwargs)

    def __repr__(self):
        return "{}({input_dim} -> {output_dim}, {dtype})".format(type(self).__name__, **self._kwargs)


class Flatten(HybridBlock):
    """All axes but the first become one."""

    def __init__(self, **kwargs):
        super().__init__(**extensions.take_input_shape(self, kwargs))

    def hybrid_forward(self, F, x):
        """x as (batch, everything else)."""
        return F.Flatten(x)

    def __repr__(self):
        return type(self).__name__


class _ScaleAndShift(HybridBlock):
    """Normalisations with a learned gamma and beta of one shape."""

    _operator = ""

    def _make(self, size, center, scale, beta_initializer, gamma_initializer):
        get = self.params.get
        self.gamma = get(
            "gamma",
            grad_req="write" if scale else "null",
            shape=(size,),
            init=gamma_initializer,
            allow_deferred_init=True,
        )
        self.beta = get(
            "beta",
            grad_req="write" if center else "null",
            shape=(size,),
            init=beta_initializer,
            allow_deferred_init=True,
        )

    def __repr__(self):
        content = [f"{name}={value!r}" for name, value in self._kwargs.items()]
        if self._operator != "GroupNorm":
            content.append(f"in_channels={self.gamma.shape[0]}")
        return f"{type(self).__name__}({', '.join(content)})"


class InstanceNorm(_ScaleAndShift):
    """Normalises each channel of each sample over its positions: gamma·(x − mean)/√(var + epsilon) + beta.

    axis: the channels' axis. Source: Ulyanov et al. 2016.
    """

    _operator = "InstanceNorm"

    def __init__(
        self,
        axis=1,
        epsilon=1e-5,
        center=True,
        scale=False,
        beta_initializer="zeros",
        gamma_initializer="ones",
        in_channels=0,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self._kwargs = {"eps": epsilon, "axis": axis, "center": center, "scale": scale}
        self._axis, self._epsilon = axis, epsilon
        self._make(in_channels, center, scale, beta_initializer, gamma_initializer)

    def _shapes_from_data(self, x):
        return {"gamma": (x.shape[self._axis],), "beta": (x.shape[self._axis],)}

    def _read_channels_last(self):
        self._axis = self._kwargs["axis"] = -1

    def hybrid_forward(self, F, x, gamma, beta):
        """gamma·(x − mean)/√(var + eps) + beta."""
        if self._axis == 1:
            return F.InstanceNorm(x, gamma, beta, eps=self._epsilon)
        x = x.swapaxes(1, self._axis)
        return F.InstanceNorm(x, gamma, beta, eps=self._epsilon).swapaxes(1, self._axis)


class LayerNorm(_ScaleAndShift):
    """Normalises along one axis of each position: gamma·(x − mean)/√(var + epsilon) + beta.

    Source: Ba et al. 2016.
    """

    _operator = "LayerNorm"

    def __init__(
        self,
        axis=-1,
        epsilon=1e-5,
        center=True,
        scale=True,
        beta_initializer="zeros",
        gamma_initializer="ones",
        in_channels=0,
        prefix=None,
        params=None,
    ):
        super().__init__(prefix=prefix, params=params)
        self._kwargs = {"eps": epsilon, "axis": axis, "center": center, "scale": scale}
        self._axis, self._epsilon, self._center, self._scale = axis, epsilon, center, scale
        self._make(in_channels, center, scale, beta_initializer, gamma_initializer)

    def _shapes_from_data(self, x):
        return learned.shapes("LayerNorm", x.shape, {"axis": self._axis})

    def hybrid_forward(self, F, data, gamma, beta):
        """gamma·(x − mean)/√(var + eps) + beta."""
        return F.LayerNorm(data, gamma, beta, axis=self._axis, eps=self._epsilon)


class GroupNorm(_ScaleAndShift):
    """Normalises groups of channels of each sample: gamma·(x − mean)/√(var + epsilon) + beta, one gamma to a group.

    Source: Wu & He 2018.
    """

    _operator = "GroupNorm"

    def __init__(
        self,
        num_groups=1,
        epsilon=1e-5,
        center=True,
        scale=True,
        beta_initializer="zeros",
        gamma_initializer="ones",
        prefix=None,
        params=None,
    ):
        super().__init__(prefix=prefix, params=params)
        self._kwargs = {"eps": epsilon, "num_groups": num_groups, "center": center, "scale": scale}
        self._num_groups, self._epsilon, self._center, self._scale = num_groups, epsilon, center, scale
        self._make(num_groups, center, scale, beta_initializer, gamma_initializer)

    def hybrid_forward(self, F, data, gamma, beta):
        """gamma·(x − mean)/√(var + eps) + beta."""
        return F.GroupNorm(data, gamma, beta, num_groups=self._num_groups, eps=self._epsilon)


class Lambda(Block):
    """A function of arrays as a block.

    function: the function, or the name of one of `mx.nd`.
    Raises AssertionError for an unknown name, ValueError for what is no function.
    """

    def __init__(self, function, prefix=None):
        super().__init__(prefix=prefix)
        if isinstance(function, str):
            _check_name(function)
            self._func_impl = lambda x, *args: getattr(namespace_of(x), function)(x, *args)
            self._func_name = function
        elif callable(function):
            self._func_impl = function
            self._func_name = getattr(function, "__name__", type(function).__name__)
        else:
            raise _no_function(function)

    def forward(self, *args):
        """function(*args)."""
        return self._func_impl(*args)

    def __repr__(self):
        return f"{type(self).__name__}({self._func_name})"


class HybridLambda(HybridBlock):
    """A function of `F` and arrays as a HybridBlock.

    function: a function `function(F, x, ...)`, or the name of one of `mx.nd`.
    Raises AssertionError for an unknown name, ValueError for what is no function.
    """

    def __init__(self, function, prefix=None):
        super().__init__(prefix=prefix)
        if isinstance(function, str):
            _check_name(function)
            self._func = lambda F, *args: getattr(F, function)(*args)
            self._func_name = function
        elif callable(function):
            self._func = function
            self._func_name = getattr(function, "__name__", type(function).__name__)
        else:
            raise _no_function(function)

    def hybrid_forward(self, F, x, *args):
        """function(F, x, ...)."""
        return self._func(F, x, *args)

    def __repr__(self):
        return f"{type(self).__name__}({self._func_name})"


def _check_name(name):
    if not hasattr(ndarray, name):
        raise AssertionError(explain(f"Function name {name} is not found in ndarray", expected="a name of mx.nd"))


def _no_function(given):
    return ValueError(
        explain("Unrecognized function in lambda", expected="a function or a name", given=f"{given!r} of {type(given)}")
    )


class Identity(HybridBlock):
    """Answers its input."""

    def hybrid_forward(self, F, x):
        """x."""
        return x


class Concatenate(Sequential):
    """Calls every block in it with the same input and joins what they answer along `axis`."""

    def __init__(self, axis=-1, prefix=None, params=None):
        super().__init__(prefix=prefix, params=params)
        self.axis = axis

    def forward(self, x):
        """concat(block(x) for each block)."""
        return namespace_of(x).concat(*(block(x) for block in self._children.values()), dim=self.axis)


class HybridConcatenate(HybridSequential):
    """Calls every HybridBlock in it with the same input and joins what they answer along `axis`."""

    def __init__(self, axis=-1, prefix=None, params=None):
        super().__init__(prefix=prefix, params=params)
        self.axis = axis

    def forward(self, x):
        """concat(block(x) for each block)."""
        return namespace_of(x).concat(*(block(x) for block in self._children.values()), dim=self.axis)

    def hybrid_forward(self, F, x):
        """concat(block(x) for each block)."""
        return F.concat(*(block(x) for block in self._children.values()), dim=self.axis)
