"""Layers of several inputs: sums, products, extrema, means, concatenation, dot products."""

import functools
import operator

from tandem.core.errors import explain
from tandem.keras import ops
from tandem.keras.layers.base import Layer
from tandem.keras.tensors import get_mask
from tandem.ops import elementwise, linalg, norm, shape


class _Merge(Layer):
    """The {what} of several inputs, element by element, with broadcasting behind the batch.

    inputs: a list of tensors. Where any has a mask, the output's mask is {mask} of theirs.
    Raises ValueError where there is no list, or the shapes do not fit each other.
    """

    _exactly = None

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.supports_masking = True

    def build(self, input_shape):
        """Check the shapes."""
        self._check(input_shape)

    def _check(self, input_shape):
        if not isinstance(input_shape, list) or not all(isinstance(one, (list, tuple)) for one in input_shape):
            raise ValueError(
                "A merge layer should be called on a list of inputs. "
                f"Received: input_shape={input_shape} (not a list of shapes)"
            )
        if self._exactly is not None and len(input_shape) != self._exactly:
            raise ValueError(
                f"A `{type(self).__name__}` layer should be called on exactly {self._exactly} inputs. "
                f"Received: input_shape={input_shape}"
            )
        batches = {one[0] for one in input_shape if one} - {None}
        if len(batches) > 1:
            raise ValueError(
                f"Cannot merge tensors with different batch sizes. Received tensors with shapes {input_shape}"
            )
        merged = tuple(input_shape[0][1:])
        for one in input_shape[1:]:
            merged = _broadcast(merged, tuple(one[1:]))

    def call(self, inputs):
        """The merged inputs."""
        if not isinstance(inputs, (list, tuple)):
            raise ValueError(
                explain("A merge layer should be called on a list of inputs", expected="a list", given=type(inputs))
            )
        inputs = _same_rank(inputs)
        return self._merge(inputs)

    def compute_output_shape(self, input_shape):
        """The shape that the inputs' shapes broadcast to; unknown where any of them is."""
        self._check(input_shape)
        batches = {one[0] for one in input_shape if one} - {None}
        merged = functools.reduce(_broadcast, (tuple(one[1:]) for one in input_shape))
        return (batches.pop() if batches else None, *merged)

    def _merge(self, inputs):
        return functools.reduce(self._function, inputs)

    def compute_mask(self, inputs, mask=None):
        """Where any input has a mask: the places that are kept in any of them."""
        if mask is None:
            return None
        if not isinstance(mask, (list, tuple)) or len(mask) != len(inputs):
            raise ValueError(
                explain("The masks do not fit the inputs", expected=f"a list of {len(inputs)}", given=mask)
            )
        if any(one is None for one in mask):
            return None
        return functools.reduce(ops.logical_or, mask)

    def get_config(self):
        """The arguments that make an equal layer."""
        return super().get_config()


def _broadcast(a, b):
    if len(a) < len(b):
        a, b = b, a
    merged = list(a[: len(a) - len(b)])
    for left, right in zip(a[len(a) - len(b) :], b):
        if left is None or right is None:
            merged.append(None)
        elif left == 1 or right == 1 or left == right:
            merged.append(max(left, right) if 0 not in (left, right) else 0)
        else:
            raise ValueError(f"Inputs have incompatible shapes. Received shapes {a} and {b}")
    return tuple(merged)


def _same_rank(inputs):
    """Axes of size 1 behind the batch, so that all have as many."""
    rank = max(value.dim() for value in inputs)
    return [
        value if value.dim() == rank else value.reshape(value.shape[0], *(1,) * (rank - value.dim()), *value.shape[1:])
        for value in inputs
    ]


def _doc(what, mask="the union"):
    return _Merge.__doc__.format(what=what, mask=mask)


class Add(_Merge):
    __doc__ = _doc("sum")
    _function = staticmethod(operator.add)


class Subtract(_Merge):
    __doc__ = _doc("difference of two: first - second, instead")
    _function = staticmethod(operator.sub)
    _exactly = 2


class Multiply(_Merge):
    __doc__ = _doc("product") + "\n    Where an input is masked it counts as 1; where all are, the product is 0.\n    "
    _function = staticmethod(operator.mul)

    def call(self, inputs):
        """The product."""
        if not isinstance(inputs, (list, tuple)):
            return super().call(inputs)
        kept = [get_mask(value) for value in inputs]
        product = super().call([_where_kept(value, mask, 1) for value, mask in zip(inputs, kept, strict=True)])
        if any(mask is None for mask in kept):
            return product
        return _where_kept(product, functools.reduce(ops.logical_or, kept), 0)


def _where_kept(value, mask, other):
    if mask is None:
        return value
    ones = (1,) * (value.dim() - mask.dim())
    return ops.where(mask.reshape(*mask.shape, *ones), value, other)


class Average(_Merge):
    __doc__ = _doc("mean")

    def _merge(self, inputs):
        return functools.reduce(operator.add, inputs) / len(inputs)


class Maximum(_Merge):
    __doc__ = _doc("maximum")
    _function = staticmethod(elementwise.maximum)


class Minimum(_Merge):
    __doc__ = _doc("minimum")
    _function = staticmethod(elementwise.minimum)


class Concatenate(_Merge):
    """The inputs one after the other along `axis`.

    inputs: a list of tensors whose other axes agree. Raises ValueError where they do not.
    """

    compute_output_shape = Layer.compute_output_shape

    def __init__(self, axis=-1, **kwargs):
        super().__init__(**kwargs)
        self.axis = axis

    def build(self, input_shape):
        """Check the shapes."""
        if not isinstance(input_shape, list) or not all(isinstance(one, (list, tuple)) for one in input_shape):
            raise ValueError(
                "A `Concatenate` layer should be called on a list of at least 1 input. "
                f"Received: input_shape={input_shape}"
            )
        ranks = {len(one) for one in input_shape}
        wrong = len(ranks) > 1
        if not wrong:
            rank = ranks.pop()
            for axis in range(rank):
                sizes = {one[axis] for one in input_shape} - {None}
                wrong = wrong or (axis != self.axis % max(rank, 1) and len(sizes) > 1)
        if wrong:
            raise ValueError(
                "A `Concatenate` layer requires inputs with matching shapes except for the concatenation axis. "
                f"Received: input_shape={input_shape} (layer '{self.name}', axis={self.axis})"
            )

    def call(self, inputs):
        """The concatenated inputs."""
        return shape.concat(inputs, self.axis)

    def compute_mask(self, inputs, mask=None):
        """The masks one after the other, along the same axis; along the last, what is kept in any of them."""
        if mask is None or all(one is None for one in mask):
            return None
        whole = []
        for value, one in zip(inputs, mask):
            if one is None:
                whole.append(ops.ones_like(value, dtype="bool"))
                continue
            while len(one.shape) < len(value.shape):
                one = ops.expand_dims(one, -1)
            whole.append(ops.logical_or(one, ops.zeros_like(value, dtype="bool")))
        return ops.any(ops.concatenate(whole, axis=self.axis), axis=-1)

    def get_config(self):
        """The arguments that make an equal layer."""
        return {**super().get_config(), "axis": self.axis}


class Dot(_Merge):
    """Products of two inputs summed over one axis of each, sample by sample.

    axes: one for both, or one for each, not that of the batch; normalize: whether the inputs are first divided by their
    norms along these axes (cosines). Raises ValueError where the sizes differ.
    """

    compute_output_shape = Layer.compute_output_shape

    def __init__(self, axes, normalize=False, **kwargs):
        super().__init__(**kwargs)
        if not isinstance(axes, int):
            if not isinstance(axes, (list, tuple)):
                raise TypeError(
                    f"Invalid type for argument `axes`: it should be a list or an int. Received: axes={axes}"
                )
            if len(axes) != 2 or not all(isinstance(axis, int) for axis in axes):
                raise ValueError(
                    explain("Invalid value for argument `axes`", expected="two integers", given=f"axes={axes}")
                )
        self.axes = axes
        self.normalize = normalize
        self.supports_masking = True

    def _both(self, shapes):
        axes = (self.axes, self.axes) if isinstance(self.axes, int) else self.axes
        return [axis % len(one) for axis, one in zip(axes, shapes)]

    def build(self, input_shape):
        """Check the shapes."""
        if not isinstance(input_shape, list) or len(input_shape) != 2:
            raise ValueError(
                f"A `Dot` layer should be called on a list of 2 inputs. Received: input_shape={input_shape}"
            )
        first, second = self._both(input_shape)
        left, right = input_shape[0][first], input_shape[1][second]
        if left != right and None not in (left, right):
            raise ValueError(
                f"Incompatible input shapes: axis values {left} (at axis {first}) != {right} (at axis {second}). "
                f"Full input shapes: {tuple(input_shape[0])}, {tuple(input_shape[1])}"
            )

    def call(self, inputs):
        """The products."""
        first, second = inputs
        axes = self._both([first.shape, second.shape])
        if self.normalize:
            first, second = (norm.normalize(x, axis) for x, axis in zip((first, second), axes))
        return linalg.batch_tensordot(first, second, axes)

    def compute_mask(self, inputs, mask=None):
        """None."""
        return

    def get_config(self):
        """The arguments that make an equal layer."""
        return {**super().get_config(), "axes": self.axes, "normalize": self.normalize}


def add(inputs, **kwargs):
    """`Add` of a list of tensors."""
    return Add(**kwargs)(inputs)


def subtract(inputs, **kwargs):
    """`Subtract` of a list of two tensors."""
    return Subtract(**kwargs)(inputs)


def multiply(inputs, **kwargs):
    """`Multiply` of a list of tensors."""
    return Multiply(**kwargs)(inputs)


def average(inputs, **kwargs):
    """`Average` of a list of tensors."""
    return Average(**kwargs)(inputs)


def maximum(inputs, **kwargs):
    """`Maximum` of a list of tensors."""
    return Maximum(**kwargs)(inputs)


def minimum(inputs, **kwargs):
    """`Minimum` of a list of tensors."""
    return Minimum(**kwargs)(inputs)


def concatenate(inputs, axis=-1, **kwargs):
    """`Concatenate` of a list of tensors."""
    return Concatenate(axis=axis, **kwargs)(inputs)


def dot(inputs, axes, **kwargs):
    """`Dot` of a list of two tensors."""
    return Dot(axes=axes, **kwargs)(inputs)
