"""Several changes of images after one another: jitter, RandAugment, AugMix, and pipelines of layers."""

from tandem.core import graph, scope
from tandem.keras import saving
from tandem.keras.layers.base import Layer
from tandem.keras.layers.preprocessing import colours, geometry, toning
from tandem.keras.layers.preprocessing.image_base import RandomImageLayer
from tandem.ops import augment, random, tones


class RandomColorJitter(RandomImageLayer):
    """Change brightness, contrast, saturation and hue, in this order.

    brightness_factor, contrast_factor, saturation_factor, hue_factor: those of `RandomBrightness`, `RandomContrast`,
    `RandomSaturation` and `RandomHue`, None to leave one out; value_range: least and greatest value; seed: an integer
    repeats the numbers.
    """

    def __init__(
        self,
        value_range=(0, 255),
        brightness_factor=None,
        contrast_factor=None,
        saturation_factor=None,
        hue_factor=None,
        seed=None,
        data_format=None,
        **kwargs,
    ):
        super().__init__(seed=seed, data_format=data_format, **kwargs)
        self.value_range = value_range
        self.brightness_factor = brightness_factor
        self.contrast_factor = contrast_factor
        self.saturation_factor = saturation_factor
        self.hue_factor = hue_factor
        shared = {"value_range": value_range, "seed": seed, "dtype": self.dtype_policy, "data_format": self.data_format}
        self.random_brightness = self._part(colours.RandomBrightness, brightness_factor, shared)
        self.random_contrast = self._part(colours.RandomContrast, contrast_factor, shared)
        self.random_saturation = self._part(colours.RandomSaturation, saturation_factor, shared)
        self.random_hue = self._part(colours.RandomHue, hue_factor, shared)

    @staticmethod
    def _part(kind, factor, shared):
        return None if factor is None else kind(factor, **shared)

    def transform_images(self, images, transformation, training=True):
        """The images, changed by what each of the parts draws."""
        images = self._cast(images)
        if not training:
            return images
        for part in (self.random_brightness, self.random_contrast, self.random_saturation, self.random_hue):
            if part is not None:
                drawn = part.get_random_transformation(images, seed=self.generator)
                images = part.transform_images(images, drawn)
        return images

    def get_config(self):
        """The arguments that make an equal layer."""
        names = ("value_range", "brightness_factor", "contrast_factor", "saturation_factor", "hue_factor")
        return {**super().get_config(), **{name: getattr(self, name) for name in names}}


def _make_parts(layer, names):
    """The changes called `names`, as attributes of a layer with a factor (lower, upper)."""
    factor = layer.factor
    shared = {
        "data_format": layer.data_format,
        "dtype": layer.dtype_policy,
        "bounding_box_format": layer.bounding_box_format,
    }
    seeded = {**shared, "seed": layer.seed}
    ranged = {**seeded, "value_range": layer.value_range}
    warped = {**seeded, "interpolation": layer.interpolation}
    makers = {
        "random_shear": lambda: geometry.RandomShear(factor, factor, **warped),
        "random_translation": lambda: geometry.RandomTranslation(factor, factor, **warped),
        "random_rotation": lambda: geometry.RandomRotation(factor, **warped),
        "random_brightness": lambda: colours.RandomBrightness(factor, **ranged),
        "random_color_degeneration": lambda: colours.RandomColorDegeneration(factor, **ranged),
        "random_contrast": lambda: colours.RandomContrast(factor, **ranged),
        "random_sharpness": lambda: colours.RandomSharpness(factor, **ranged),
        "random_posterization": lambda: colours.RandomPosterization(max(1, int(8 * factor[1])), **ranged),
        "solarization": lambda: toning.Solarization(factor, factor, **ranged),
        "auto_contrast": lambda: toning.AutoContrast(layer.value_range, **shared),
        "equalization": lambda: toning.Equalization(layer.value_range, **shared),
    }
    for name in names:
        setattr(layer, name, makers[name]())


class RandAugment(RandomImageLayer):
    """Some of eleven changes after one another, the same ones for all of a batch (Cubuk et al., 2020).

    num_ops: how many; factor: their strength, f for 0 to f, or (lower, upper), from 0 to 1; value_range: least and
    greatest value; interpolation: "nearest" or "bilinear"; seed: an integer repeats the numbers.
    """

    _bounds = (0, 1)
    _parts = (
        "random_shear",
        "random_translation",
        "random_rotation",
        "random_brightness",
        "random_color_degeneration",
        "random_contrast",
        "random_sharpness",
        "random_posterization",
        "solarization",
        "auto_contrast",
        "equalization",
    )

    def __init__(
        self,
        value_range=(0, 255),
        num_ops=2,
        factor=0.5,
        interpolation="bilinear",
        seed=None,
        data_format=None,
        **kwargs,
    ):
        super().__init__(factor, seed, data_format=data_format, **kwargs)
        self.value_range = value_range
        self.num_ops = num_ops
        self.interpolation = interpolation
        _make_parts(self, self._parts)

    def get_random_transformation(self, data, training=True, seed=None):
        """What each of the changes draws, and the numbers of those that are made."""
        if not training:
            return None
        source = self.generator if seed is None else seed
        images = self._images_of(data)
        drawn = {
            name: getattr(self, name).get_random_transformation(data, training=training, seed=source)
            for name in self._parts
        }
        numbers = random.randint(
            (self.num_ops,), 0, len(self._parts), device=images.device, generator=self._generator_for(images, source)
        )
        return {"transforms": drawn, "layer_idxes": numbers.int()}

    def _one_of_all(self, method, x, transformation):
        for number in transformation["layer_idxes"].unbind(0):
            for index, name, drawn in _candidates(number, transformation["transforms"]):
                x = augment.where_index(number, index, getattr(getattr(self, name), method)(x, drawn), x)
        return x

    def transform_images(self, images, transformation, training=True):
        """The images, changed."""
        images = self._cast(images)
        return self._one_of_all("transform_images", images, transformation) if training else images

    def transform_segmentation_masks(self, segmentation_masks, transformation, training=True):
        """The masks of the changed images."""
        if not training:
            return segmentation_masks
        return self._one_of_all("transform_segmentation_masks", segmentation_masks, transformation)

    def transform_bounding_boxes(self, bounding_boxes, transformation, training=True):
        """The boxes in the changed images."""
        if not training:
            return bounding_boxes
        found = dict(bounding_boxes)
        for number in transformation["layer_idxes"].unbind(0):
            for index, name, drawn in _candidates(number, transformation["transforms"]):
                changed = getattr(self, name).transform_bounding_boxes(dict(found), drawn)
                for key in ("boxes", "labels"):
                    found[key] = augment.where_index(number, index, changed[key], found[key])
        return found

    def get_config(self):
        """The arguments that make an equal layer."""
        names = ("value_range", "num_ops", "interpolation")
        return {**super().get_config(), **{name: getattr(self, name) for name in names}}


def _candidates(number, transforms):
    """(index, name, what was drawn) of the changes among which `number`, a 0-d tensor, says which is made.

    All of them where a step is recorded, which cannot read the number back: one is taken then. Else that one.
    """
    found = [(index, name, drawn) for index, (name, drawn) in enumerate(transforms.items())]
    return found if scope.current.recorder is not None or graph.on_meta() else [found[int(number)]]


class AugMix(RandomImageLayer):
    """Images mixed with the results of chains of changes (Hendrycks et al., 2020).

    num_chains: how many chains; chain_depth: how many changes each has at most; factor: their strength, f for 0 to f or
    (lower, upper), from 0 to 1; alpha: of the Dirichlet and beta distributions that the parts are drawn from; all_ops:
    also changes of brightness, colour, contrast and sharpness; the rest as in `RandAugment`.
    """

    _bounds = (0, 1)
    _always = (
        "random_shear",
        "random_translation",
        "random_rotation",
        "random_posterization",
        "solarization",
        "auto_contrast",
        "equalization",
    )
    _more = ("random_brightness", "random_color_degeneration", "random_contrast", "random_sharpness")

    def __init__(
        self,
        value_range=(0, 255),
        num_chains=3,
        chain_depth=3,
        factor=0.3,
        alpha=1.0,
        all_ops=True,
        interpolation="bilinear",
        seed=None,
        data_format=None,
        **kwargs,
    ):
        super().__init__(factor, seed, data_format=data_format, **kwargs)
        self.value_range = value_range
        self.num_chains = num_chains
        self.chain_depth = chain_depth
        self.alpha = alpha
        self.all_ops = all_ops
        self.interpolation = interpolation
        self._parts = self._always + (self._more if all_ops else ())
        _make_parts(self, self._parts)

    def get_random_transformation(self, data, training=True, seed=None):
        """The parts of the chains and of the images themselves, and what each chain's changes draw.

        Which changes a chain has is read back from the device: a model with this layer in it runs eagerly.
        """
        if not training:
            return None
        source = self.generator if seed is None else seed
        images = self._images_of(data)
        generator, device = self._generator_for(images, source), images.device
        gammas = random.gamma((self.num_chains,), self.alpha, device=device, generator=generator)
        weight = random.beta((), self.alpha, self.alpha, device=device, generator=generator)
        shape = (self.num_chains, self.chain_depth)
        if graph.on_meta():  # the changes all give the images' own shape
            choices = [[0] * self.chain_depth] * self.num_chains
        else:
            choices = random.randint(shape, 0, len(self._parts) + 1, device=device, generator=generator).tolist()
        chains = []
        for row in choices:
            names = [self._parts[choice] for choice in row if choice < len(self._parts)]
            chains.append(
                [
                    {
                        "layer_name": name,
                        "transformation": getattr(self, name).get_random_transformation(data, seed=source),
                    }
                    for name in names
                ]
            )
        return {
            "chain_mixing_weights": augment.dirichlet(gammas),
            "weight_sample": weight,
            "chain_transforms": chains,
        }

    def _mix(self, method, x, transformation):
        results = []
        for chain in transformation["chain_transforms"]:
            y = x
            for step in chain:
                y = getattr(getattr(self, step["layer_name"]), method)(y, step["transformation"])
            results.append(y)
        mixed = augment.weighted(results, transformation["chain_mixing_weights"])
        return augment.blend(x, mixed, transformation["weight_sample"].reshape(1))

    def transform_images(self, images, transformation, training=True):
        """The images, mixed with what the chains make of them."""
        images = self._cast(images)
        if not training:
            return images
        return tones.clip(self._mix("transform_images", images, transformation), self.value_range)

    def transform_segmentation_masks(self, segmentation_masks, transformation, training=True):
        """The masks, mixed likewise."""
        if not training:
            return segmentation_masks
        return self._mix("transform_segmentation_masks", segmentation_masks, transformation)

    def get_config(self):
        """The arguments that make an equal layer."""
        names = ("value_range", "num_chains", "chain_depth", "alpha", "all_ops", "interpolation")
        return {**super().get_config(), **{name: getattr(self, name) for name in names}}


class Pipeline(Layer):
    """Layers after one another, each called with what it takes of `training`; layers: a list of layers."""

    _allow_non_tensor_positional_args = True

    def __init__(self, layers, name=None):
        super().__init__(name=name)
        self._pipeline_layers = list(layers)
        self.__dict__["_cast_to"] = None

    @property
    def layers(self):
        """The layers, in order."""
        return list(self._pipeline_layers)

    def call(self, inputs, training=True, mask=None):
        """What the last layer gives."""
        for layer in self._pipeline_layers:
            options = {"training": training} if layer._facts.has_training else {}
            if layer._facts.has_mask and mask is not None:
                options["mask"] = mask
            inputs = layer(inputs, **options)
        return inputs

    def compute_output_spec(self, *args, **kwargs):
        """The shapes and dtypes of the outputs for KerasTensors."""
        return self._infer(args, kwargs)

    def get_config(self):
        """The arguments that make an equal layer."""
        return {
            "layers": [saving.serialize_keras_object(layer) for layer in self._pipeline_layers],
            "name": self.name,
        }

    @classmethod
    def from_config(cls, config):
        """The layer that `get_config` describes."""
        config = dict(config)
        config["layers"] = [saving.deserialize_keras_object(layer) for layer in config["layers"]]
        return cls(**config)
