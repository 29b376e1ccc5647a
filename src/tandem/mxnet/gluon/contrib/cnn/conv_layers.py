"""Deformable convolutions: an ordinary convolution says where each point of their window reads."""

from tandem.core.errors import explain
from tandem.mxnet.base import MXNetError
from tandem.mxnet.gluon.block import HybridBlock
from tandem.mxnet.gluon.nn.activations import Activation
from tandem.mxnet.operators import learned

__all__ = ["DeformableConvolution", "ModulatedDeformableConvolution"]


def _pair(name, value):
    sizes = (value, value) if isinstance(value, int) else tuple(value)
    if len(sizes) != 2:
        raise MXNetError(explain(f"{name} does not fit two axes", expected="an int or two of them", given=repr(value)))
    return sizes


class DeformableConvolution(HybridBlock):
    """Convolution of images (N, C, H, W) whose window's points move by offsets, which a convolution learns.

    channels: of the output; kernel_size, strides, padding, dilation: an int or two; groups; num_deformable_group: how
    many groups of channels have offsets of their own; layout: "NCHW"; use_bias; in_channels: from the first input
    where 0; activation: its name; weight_initializer, bias_initializer, and offset_weight_initializer,
    offset_bias_initializer, offset_use_bias for the convolution that gives the offsets (zeros: it begins as an ordinary
    convolution); op_name: the operator in `contrib`; adj: of transposed ones, which there are none of.
    Dai et al., 2017.
    """

    _offsets = 2  # numbers that the first convolution gives for each point of the window

    def __init__(
        self,
        channels,
        kernel_size=(1, 1),
        strides=(1, 1),
        padding=(0, 0),
        dilation=(1, 1),
        groups=1,
        num_deformable_group=1,
        layout="NCHW",
        use_bias=True,
        in_channels=0,
        activation=None,
        weight_initializer=None,
        bias_initializer="zeros",
        offset_weight_initializer="zeros",
        offset_bias_initializer="zeros",
        offset_use_bias=True,
        op_name="DeformableConvolution",
        adj=None,
        prefix=None,
        params=None,
    ):
        super().__init__(prefix=prefix, params=params)
        if channels % groups or in_channels % groups:
            raise MXNetError(
                explain(
                    "The groups do not divide the channels",
                    expected=f"multiples of groups={groups}",
                    given=f"channels={channels}, in_channels={in_channels}",
                )
            )
        kernel = _pair("kernel_size", kernel_size)
        self._op_name, self._channels, self._in_channels = op_name, channels, in_channels
        window = {
            "kernel": kernel,
            "stride": _pair("strides", strides),
            "dilate": _pair("dilation", dilation),
            "pad": _pair("padding", padding),
            "num_group": groups,
            "layout": layout,
        }
        points = kernel[0] * kernel[1] * num_deformable_group
        self._kwargs_offset = {**window, "num_filter": self._offsets * points, "no_bias": not offset_use_bias}
        self._kwargs_deformable_conv = {
            **window,
            "num_filter": channels,
            "num_deformable_group": num_deformable_group,
            "no_bias": not use_bias,
        }
        if adj:
            self._kwargs_offset["adj"] = self._kwargs_deformable_conv["adj"] = adj
        self._split = 2 * points
        inner = in_channels // groups
        parts = {
            "offset": (self._offsets * points, offset_use_bias, offset_weight_initializer, offset_bias_initializer),
            "deformable_conv": (channels, use_bias, weight_initializer, bias_initializer),
        }
        with self.name_scope():
            for name in self._order():
                rows, biased, weight_init, bias_init = parts[name]
                weight = self.params.get(
                    f"{name}_weight", shape=(rows, inner, *kernel), init=weight_init, allow_deferred_init=True
                )
                setattr(self, f"{name}_weight", weight)
                bias = None
                if biased:
                    bias = self.params.get(f"{name}_bias", shape=(rows,), init=bias_init, allow_deferred_init=True)
                setattr(self, f"{name}_bias", bias)
            self.act = Activation(activation, prefix=f"{activation}_") if activation else None

    def _order(self):
        return ("offset", "deformable_conv")

    def _alias(self):
        return "deformable_conv"

    def _shapes_from_data(self, x):
        found = {}
        for name, given in (("offset", self._kwargs_offset), ("deformable_conv", self._kwargs_deformable_conv)):
            shapes = learned.shapes("Convolution", x.shape, given)
            found.update({f"{name}_{part}": shape for part, shape in shapes.items()})
        return found

    def hybrid_forward(self, F, x, offset_weight, deformable_conv_weight, offset_bias=None, deformable_conv_bias=None):
        """act(convolution(x)), with offsets from a convolution of x."""
        moved = F.Convolution(x, offset_weight, offset_bias, **self._kwargs_offset)
        operator = getattr(F.contrib, self._op_name)
        y = operator(*self._inputs(F, x, moved), deformable_conv_weight, deformable_conv_bias, **self._arguments())
        return y if self.act is None else self.act(y)

    def _inputs(self, F, x, moved):
        return x, moved

    def _arguments(self):
        return self._kwargs_deformable_conv

    def __repr__(self):
        a = self._kwargs_deformable_conv
        rows, inner = self.deformable_conv_weight.shape[:2]
        content = f"{inner or None} -> {rows}, kernel_size={a['kernel']}, stride={a['stride']}"
        if a["pad"] != (0, 0):
            content += f", padding={a['pad']}"
        if a["dilate"] != (1, 1):
            content += f", dilation={a['dilate']}"
        if a["num_group"] != 1:
            content += f", groups={a['num_group']}"
        if self.deformable_conv_bias is None:
            content += ", bias=False"
        if self.act is not None:
            content += f", {self.act}"
        return f"{type(self).__name__}({content})"


class ModulatedDeformableConvolution(DeformableConvolution):
    """`DeformableConvolution` that also weights each point of the window, by twice a sigmoid of what it learns.

    The arguments are DeformableConvolution's. Zhu et al., 2018.
    """

    _offsets = 3

    def __init__(
        self,
        channels,
        kernel_size=(1, 1),
        strides=(1, 1),
        padding=(0, 0),
        dilation=(1, 1),
        groups=1,
        num_deformable_group=1,
        layout="NCHW",
        use_bias=True,
        in_channels=0,
        activation=None,
        weight_initializer=None,
        bias_initializer="zeros",
        offset_weight_initializer="zeros",
        offset_bias_initializer="zeros",
        offset_use_bias=True,
        op_name="ModulatedDeformableConvolution",
        adj=None,
        prefix=None,
        params=None,
    ):
        super().__init__(
            channels,
            kernel_size,
            strides,
            padding,
            dilation,
            groups,
            num_deformable_group,
            layout,
            use_bias,
            in_channels,
            activation,
            weight_initializer,
            bias_initializer,
            offset_weight_initializer,
            offset_bias_initializer,
            offset_use_bias,
            op_name,
            adj,
            prefix,
            params,
        )

    def _order(self):
        return ("deformable_conv", "offset")

    def _alias(self):
        return "modulated_deformable_conv"

    def _inputs(self, F, x, moved):
        offset = F.slice_axis(moved, axis=1, begin=0, end=self._split)
        mask = F.slice_axis(moved, axis=1, begin=self._split, end=None)
        return x, offset, F.sigmoid(mask) * 2
