"""Convolution and pooling."""

from tandem.core.errors import explain
from tandem.mxnet.base import MXNetError
from tandem.mxnet.gluon import extensions
from tandem.mxnet.gluon.block import HybridBlock
from tandem.mxnet.gluon.nn.activations import Activation
from tandem.mxnet.operators import learned

__all__ = [
    "AvgPool1D",
    "AvgPool2D",
    "AvgPool3D",
    "Conv1D",
    "Conv1DTranspose",
    "Conv2D",
    "Conv2DTranspose",
    "Conv3D",
    "Conv3DTranspose",
    "GlobalAvgPool1D",
    "GlobalAvgPool2D",
    "GlobalAvgPool3D",
    "GlobalMaxPool1D",
    "GlobalMaxPool2D",
    "GlobalMaxPool3D",
    "MaxPool1D",
    "MaxPool2D",
    "MaxPool3D",
    "ReflectionPad2D",
]

_CONV_LAYOUTS = {1: ("NCW",), 2: ("NCHW", "NHWC"), 3: ("NCDHW", "NDHWC")}
_POOL_LAYOUTS = {1: ("NCW", "NWC"), 2: ("NCHW", "NHWC"), 3: ("NCDHW", "NDHWC")}
_CHANNELS_LAST = {1: "NWC", 2: "NHWC", 3: "NDHWC"}


def _sizes(name, value, rank):
    """A tuple of `rank` integers from one or several."""
    sizes = (value,) * rank if isinstance(value, int) else tuple(value)
    if len(sizes) != rank:
        raise AssertionError(explain(f"{name} must be a number or a list of {rank} ints", given=repr(value)))
    return sizes


def _check_layout(layout, allowed):
    if layout not in allowed:
        names = " and ".join(repr(name) for name in allowed)
        raise AssertionError(explain(f"Only supports {names} layout for now", given=repr(layout)))


class _Conv(HybridBlock):
    """Convolution of any rank, transposed or not."""

    _rank = 2
    _op_name = "Convolution"

    def __init__(
        self,
        channels,
        kernel_size,
        strides,
        padding,
        dilation,
        groups,
        layout,
        activation,
        use_bias,
        weight_initializer,
        bias_initializer,
        in_channels,
        output_padding=None,
        prefix=None,
        params=None,
        **kwargs,
    ):
        rank = self._rank
        _check_layout(layout, _CONV_LAYOUTS[rank])
        kwargs = extensions.take_input_shape(self, kwargs)
        if kwargs:
            raise TypeError(
                explain(f"{type(self).__name__} got an unexpected keyword argument", given=", ".join(kwargs))
            )
        super().__init__(prefix=prefix, params=params)
        self._channels = channels
        self._in_channels = in_channels
        self._kwargs = {
            "kernel": _sizes("kernel_size", kernel_size, rank),
            "stride": _sizes("strides", strides, rank),
            "dilate": _sizes("dilation", dilation, rank),
            "pad": _sizes("padding", padding, rank),
            "num_filter": channels,
            "num_group": groups,
            "no_bias": not use_bias,
            "layout": layout,
        }
        if output_padding is not None:
            self._kwargs["adj"] = _sizes("output_padding", output_padding, rank)
        if channels % groups:
            raise MXNetError(
                explain("channels must be divisible by groups", given=f"channels={channels}, groups={groups}")
            )
        with self.name_scope():
            self.weight = self.params.get(
                "weight", shape=self._weight_shape(), init=weight_initializer, allow_deferred_init=True
            )
            self.bias = (
                self.params.get("bias", shape=(channels,), init=bias_initializer, allow_deferred_init=True)
                if use_bias
                else None
            )
            self.act = None if activation is None else Activation(activation, prefix=f"{activation}_")
        extensions.made(self)

    def _weight_shape(self):
        """The weight's shape, 0 where the channels of the input are not known."""
        groups = self._kwargs["num_group"]
        outer, inner = self._channels, self._in_channels // groups
        if self._op_name == "Deconvolution":
            outer, inner = self._in_channels, self._channels // groups
        kernel = self._kwargs["kernel"]
        return (outer, *kernel, inner) if self._kwargs["layout"][-1] == "C" else (outer, inner, *kernel)

    def _read_channels_last(self):
        """Take data with the channels at the end; see `extensions`."""
        if self._kwargs["layout"][-1] == "C":
            return
        self._kwargs["layout"] = _CHANNELS_LAST[self._rank]
        if self.weight._data is None:
            self.weight._shape = self._weight_shape()

    def _shapes_from_data(self, x):
        return learned.shapes(self._op_name, x.shape, self._kwargs)

    def hybrid_forward(self, F, x, weight, bias=None):
        """act(convolution(x))."""
        y = getattr(F, self._op_name)(x, weight, bias, name="fwd", **self._kwargs)
        return y if self.act is None else self.act(y)

    def _alias(self):
        return "conv"

    def __repr__(self):
        a, rank = self._kwargs, self._rank
        content = f"{self.weight.shape[1] or (None if self._op_name == 'Convolution' else 0)} -> {self.weight.shape[0]}"
        content += f", kernel_size={a['kernel']}, stride={a['stride']}"
        if a["pad"] != (0,) * rank:
            content += f", padding={a['pad']}"
        if a["dilate"] != (1,) * rank:
            content += f", dilation={a['dilate']}"
        if a["num_group"] != 1:
            content += f", groups={a['num_group']}"
        if self.bias is None:
            content += ", bias=False"
        if self.act is not None:
            content += f", {self.act}"
        return f"{type(self).__name__}({content})"


def _conv_class(name, rank, transposed):
    """`Conv1D` ... `Conv3DTranspose`: they differ in rank, defaults and operator."""
    one, zero = (1 if rank == 1 else (1,) * rank), (0 if rank == 1 else (0,) * rank)
    first_layout = _CONV_LAYOUTS[rank][0]

    if transposed:

        def __init__(
            self,
            channels,
            kernel_size,
            strides=one,
            padding=zero,
            output_padding=zero,
            dilation=one,
            groups=1,
            layout=first_layout,
            activation=None,
            use_bias=True,
            weight_initializer=None,
            bias_initializer="zeros",
            in_channels=0,
            **kwargs,
        ):
            _Conv.__init__(
                self,
                channels,
                kernel_size,
                strides,
                padding,
                dilation,
                groups,
                layout,
                activation,
                use_bias,
                weight_initializer,
                bias_initializer,
                in_channels,
                output_padding,
                **kwargs,
            )
    else:

        def __init__(
            self,
            channels,
            kernel_size,
            strides=one,
            padding=zero,
            dilation=one,
            groups=1,
            layout=first_layout,
            activation=None,
            use_bias=True,
            weight_initializer=None,
            bias_initializer="zeros",
            in_channels=0,
            **kwargs,
        ):
            _Conv.__init__(
                self,
                channels,
                kernel_size,
                strides,
                padding,
                dilation,
                groups,
                layout,
                activation,
                use_bias,
                weight_initializer,
                bias_initializer,
                in_channels,
                **kwargs,
            )

    what = "Transposed convolution (the gradient of a convolution)" if transposed else "Convolution"
    adj = " output_padding: sizes added at the end of the output;" if transposed else ""
    doc = f"""{what} over {rank} spatial {"axis" if rank == 1 else "axes"}.

    channels: of the output; kernel_size, strides, padding, dilation: an int or {rank};{adj} groups; layout:
    {" or ".join(repr(layout) for layout in _CONV_LAYOUTS[rank])}; activation: its name; use_bias;
    weight_initializer, bias_initializer; in_channels: from the first input where 0.
    Raises AssertionError for sizes of another number or another layout.
    """
    fields = {"__init__": __init__, "__doc__": doc, "_rank": rank, "__module__": __name__}
    fields["_op_name"] = "Deconvolution" if transposed else "Convolution"
    __init__.__qualname__ = f"{name}.__init__"
    return type(name, (_Conv,), fields)


Conv1D = _conv_class("Conv1D", 1, False)
Conv2D = _conv_class("Conv2D", 2, False)
Conv3D = _conv_class("Conv3D", 3, False)
Conv1DTranspose = _conv_class("Conv1DTranspose", 1, True)
Conv2DTranspose = _conv_class("Conv2DTranspose", 2, True)
Conv3DTranspose = _conv_class("Conv3DTranspose", 3, True)


class _Pooling(HybridBlock):
    """Pooling of any rank and kind."""

    _rank = 2

    def __init__(
        self,
        pool_size,
        strides,
        padding,
        ceil_mode,
        global_pool,
        pool_type,
        layout,
        count_include_pad=None,
        prefix=None,
        params=None,
        **kwargs,
    ):
        rank = self._rank
        _check_layout(layout, _POOL_LAYOUTS[rank])
        kwargs = extensions.take_input_shape(self, kwargs)
        if kwargs:
            raise TypeError(
                explain(f"{type(self).__name__} got an unexpected keyword argument", given=", ".join(kwargs))
            )
        super().__init__(prefix=prefix, params=params)
        pool_size = _sizes("pool_size", pool_size, rank)
        self._kwargs = {
            "kernel": pool_size,
            "stride": pool_size if strides is None else _sizes("strides", strides, rank),
            "pad": _sizes("padding", padding, rank),
            "global_pool": global_pool,
            "pool_type": pool_type,
            "layout": layout,
            "pooling_convention": "full" if ceil_mode else "valid",
        }
        if count_include_pad is not None:
            self._kwargs["count_include_pad"] = count_include_pad
        extensions.made(self)

    def _read_channels_last(self):
        """Take data with the channels at the end; see `extensions`."""
        self._kwargs["layout"] = _CHANNELS_LAST[self._rank]

    def hybrid_forward(self, F, x):
        """pool(x)."""
        return F.Pooling(x, name="fwd", **self._kwargs)

    def _alias(self):
        return "pool"

    def __repr__(self):
        a = self._kwargs
        return (
            f"{type(self).__name__}(size={a['kernel']}, stride={a['stride']}, padding={a['pad']},"
            f" ceil_mode={a['pooling_convention'] == 'full'}, global_pool={a['global_pool']},"
            f" pool_type={a['pool_type']}, layout={a['layout']})"
        )


def _pool_class(name, rank, kind):
    """`MaxPool1D` ... `AvgPool3D`: they differ in rank, defaults and kind."""
    two, first_layout = (2 if rank == 1 else (2,) * rank), _POOL_LAYOUTS[rank][0]

    if kind == "avg":

        def __init__(
            self,
            pool_size=two,
            strides=None,
            padding=0,
            ceil_mode=False,
            layout=first_layout,
            count_include_pad=True,
            **kwargs,
        ):
            _Pooling.__init__(
                self, pool_size, strides, padding, ceil_mode, False, kind, layout, count_include_pad, **kwargs
            )
    elif rank == 3:

        def __init__(self, pool_size=two, strides=None, padding=0, ceil_mode=False, layout=first_layout, **kwargs):
            _Pooling.__init__(self, pool_size, strides, padding, ceil_mode, False, kind, layout, **kwargs)
    else:

        def __init__(self, pool_size=two, strides=None, padding=0, layout=first_layout, ceil_mode=False, **kwargs):
            _Pooling.__init__(self, pool_size, strides, padding, ceil_mode, False, kind, layout, **kwargs)

    what = {"max": "The largest", "avg": "The mean"}[kind]
    counted = "; count_include_pad: whether padding counts as zeros" if kind == "avg" else ""
    doc = f"""{what} value of each window over {rank} spatial {"axis" if rank == 1 else "axes"}.

    pool_size, strides (pool_size where None), padding: an int or {rank}; ceil_mode: whether a last, incomplete window
    counts; layout: {" or ".join(repr(layout) for layout in _POOL_LAYOUTS[rank])}{counted}.
    """
    return _class(name, rank, doc, __init__)


def _global_pool_class(name, rank, kind):
    """`GlobalMaxPool1D` ... `GlobalAvgPool3D`."""
    first_layout = _POOL_LAYOUTS[rank][0]

    def __init__(self, layout=first_layout, **kwargs):
        _Pooling.__init__(self, (1,) * rank, None, 0, True, True, kind, layout, **kwargs)

    what = {"max": "The largest", "avg": "The mean"}[kind]
    return _class(name, rank, f"{what} value of each channel; the spatial axes become 1.", __init__)


def _class(name, rank, doc, init):
    init.__qualname__ = f"{name}.__init__"
    return type(name, (_Pooling,), {"__init__": init, "__doc__": doc, "_rank": rank, "__module__": __name__})


MaxPool1D = _pool_class("MaxPool1D", 1, "max")
MaxPool2D = _pool_class("MaxPool2D", 2, "max")
MaxPool3D = _pool_class("MaxPool3D", 3, "max")
AvgPool1D = _pool_class("AvgPool1D", 1, "avg")
AvgPool2D = _pool_class("AvgPool2D", 2, "avg")
AvgPool3D = _pool_class("AvgPool3D", 3, "avg")
GlobalMaxPool1D = _global_pool_class("GlobalMaxPool1D", 1, "max")
GlobalMaxPool2D = _global_pool_class("GlobalMaxPool2D", 2, "max")
GlobalMaxPool3D = _global_pool_class("GlobalMaxPool3D", 3, "max")
GlobalAvgPool1D = _global_pool_class("GlobalAvgPool1D", 1, "avg")
GlobalAvgPool2D = _global_pool_class("GlobalAvgPool2D", 2, "avg")
GlobalAvgPool3D = _global_pool_class("GlobalAvgPool3D", 3, "avg")


class ReflectionPad2D(HybridBlock):
    """Pads height and width with the values mirrored at the border.

    padding: an int for all sides, or the 8 numbers that `nd.pad` takes.
    """

    def __init__(self, padding=0, **kwargs):
        super().__init__(**kwargs)
        self._padding = (0, 0, 0, 0, *(padding,) * 4) if isinstance(padding, int) else tuple(padding)
        if len(self._padding) != 8:
            raise AssertionError(explain("padding is one int or 8 numbers", given=repr(padding)))

    def hybrid_forward(self, F, x):
        """pad(x)."""
        return F.pad(x, mode="reflect", pad_width=self._padding)
