"""Layers of Keras 2 before a model: `RandomHeight`, `RandomWidth`, and the base of layers that adapt."""

from tandem.keras import ops, random, tensors
from tandem.keras.layers.preprocessing.batches import batches_of
from tandem.keras.layers.preprocessing.data_layer import DataLayer


class PreprocessingLayer(DataLayer):
    """The base of layers that learn from data before training: a subclass gives `update_state`, `reset_state` and
    `finalize_state`, and `adapt` calls them.
    """

    _adapted = False

    @property
    def is_adapted(self):
        """Whether `adapt` was called."""
        return self._adapted

    def adapt(self, data, batch_size=None, steps=None):
        """Learn from an array, a dataset, or an iterable of batches.

        batch_size: how many rows of an array are a batch, by default all; steps: how many batches.
        """
        self.reset_state()
        if batch_size is not None and hasattr(data, "shape"):
            data = [data[start : start + batch_size] for start in range(0, len(data), batch_size)]
        for number, batch in enumerate(batches_of(data)):
            if steps is not None and number >= steps:
                break
            if not self.built:
                self.build((None, *batch.shape[1:]))
                self.built = True
            self.update_state(batch)
        self.finalize_state()
        self._adapted = True

    def reset_state(self):
        """Forget what was learned. A subclass gives it."""
        raise NotImplementedError(f"{type(self).__name__} has no `reset_state`.")

    def update_state(self, data):
        """Learn from a batch. A subclass gives it."""
        raise NotImplementedError(f"{type(self).__name__} has no `update_state`.")

    def finalize_state(self):
        """End learning."""


class _RandomSize(DataLayer):
    """Images stretched to a random size along one axis, in training.

    factor: f for a size between 1 - f and 1 + f times the images', or (lower, upper), both above -1: (0.2, 0.3) makes
    images 20 to 30 percent larger; interpolation: "bilinear", "nearest", …; seed: of the generator.
    The size is drawn anew in each call, and so is the output's: such a model runs eagerly.
    """

    _axis = -3

    def __init__(self, factor, interpolation="bilinear", seed=None, **kwargs):
        super().__init__(**kwargs)
        self.factor = factor
        lower, upper = factor if isinstance(factor, (tuple, list)) else (-factor, factor)
        if upper < lower:
            raise ValueError(
                f"`factor` argument cannot have an upper bound lesser than the lower bound. Received: factor={factor}"
            )
        if lower < -1 or upper < -1:
            raise ValueError(f"`factor` argument must have values larger than -1. Received: factor={factor}")
        self._lower, self._upper = lower, upper
        self.interpolation = interpolation
        self.seed = seed
        self.generator = random.SeedGenerator(seed)

    def call(self, inputs, training=True):
        """The stretched images, (batch, H, W, C) or (H, W, C); outside training the images as they are."""
        images = ops.cast(tensors.convert(inputs), self.compute_dtype)
        if not training:
            return images
        size = list(images.shape[-3:-1])
        drawn = random.uniform((), 1 + self._lower, 1 + self._upper, seed=self.generator)
        size[self._axis + 3] = max(1, int(float(drawn) * size[self._axis + 3]))
        return ops.image.resize(images, size, interpolation=self.interpolation, data_format="channels_last")

    def compute_output_shape(self, input_shape):
        """The shape of the output: one size is not known."""
        shape = list(input_shape)
        shape[self._axis] = None
        return tuple(shape)

    def get_config(self):
        """The arguments that make an equal layer."""
        return {
            **super().get_config(),
            "factor": self.factor,
            "interpolation": self.interpolation,
            "seed": self.seed,
        }


class RandomHeight(_RandomSize):
    __doc__ = _RandomSize.__doc__


class RandomWidth(_RandomSize):
    __doc__ = _RandomSize.__doc__
    _axis = -2
