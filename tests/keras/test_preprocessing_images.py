"""Layers that change images: what is drawn by the real Keras, done by ours; laws of what is drawn; data with boxes."""

import copy

import numpy as np
import pytest
import torch

from oracles import real_keras
from tandem import keras

layers = keras.layers

# name of a layer -> arguments to try
RANDOM = {
    "RandomFlip": [{}, {"mode": "horizontal"}, {"mode": "vertical"}],
    "RandomRotation": [
        {"factor": 0.2},
        {"factor": (0.1, 0.3), "fill_mode": "constant", "fill_value": 9.0},
        {"factor": 0.4, "fill_mode": "wrap"},
        {"factor": 0.4, "fill_mode": "nearest", "interpolation": "nearest"},
    ],
    "RandomTranslation": [
        {"height_factor": 0.4, "width_factor": 0.3},
        {"height_factor": 0.4, "width_factor": (-0.2, 0.1), "fill_mode": "constant"},
    ],
    "RandomZoom": [{"height_factor": 0.4}, {"height_factor": (-0.3, 0.1), "width_factor": 0.2, "fill_mode": "wrap"}],
    "RandomShear": [{"x_factor": 0.3}, {"x_factor": 0.2, "y_factor": (0.1, 0.3), "fill_mode": "constant"}],
    "RandomPerspective": [{}, {"scale": 0.5, "fill_value": 3.0, "interpolation": "nearest"}],
    "RandomBrightness": [{"factor": 0.3}, {"factor": (0.1, 0.2), "value_range": (0, 1)}],
    "RandomContrast": [{"factor": 0.6}, {"factor": (0.1, 0.2)}],
    "RandomColorDegeneration": [{"factor": 0.7}],
    "RandomHue": [{"factor": 0.7}],
    "RandomSaturation": [{"factor": (0.2, 0.8)}],
    "RandomSharpness": [{"factor": 0.9}],
    "RandomPosterization": [{"factor": 5}, {"factor": (2, 8)}, {"factor": (3, 3)}],
    "RandomGrayscale": [{}, {"factor": 1.0}],
    "RandomInvert": [{}],
    "Solarization": [{"addition_factor": 0.2, "threshold_factor": (0.1, 0.7)}],
    "RandomGaussianBlur": [{}, {"kernel_size": 5, "sigma": (0.5, 0.9)}],
    "AutoContrast": [{}],
    "Equalization": [{}, {"bins": 16}],
    "ContrastLimitedAdaptiveHistogramEqualization": [{"tile_grid_size": (2, 3)}, {"clip_limit": 0.0}],
    "MixUp": [{}],
    "CutMix": [{}],
    "RandomErasing": [{}, {"fill_value": 7, "scale": (0.2, 0.5)}, {"fill_value": (1, 2, 3)}],
    "RandAugment": [{"num_ops": 3}],
    "AugMix": [{}, {"all_ops": False, "num_chains": 2}],
    "Resizing": [
        {"height": 5, "width": 11},
        {"height": 5, "width": 4, "crop_to_aspect_ratio": True},
        {"height": 5, "width": 4, "pad_to_aspect_ratio": True, "fill_value": 2.0},
        {"height": 12, "width": 13, "interpolation": "nearest"},
        {"height": 12, "width": 13, "interpolation": "bicubic"},
        {"height": 4, "width": 5, "interpolation": "bicubic", "antialias": True},
        {"height": 4, "width": 5, "antialias": True},
    ],
    "CenterCrop": [{"height": 4, "width": 5}, {"height": 12, "width": 5}],
    "RandomCrop": [{"height": 4, "width": 5}, {"height": 12, "width": 5}],
}
CASES = [(name, options) for name, several in RANDOM.items() for options in several]
NAMES = [f"{name}-{options}" for name, options in CASES]
BOXES = ["RandomFlip", "RandomTranslation", "RandomZoom", "RandomShear", "CenterCrop", "Resizing"]


def draw(shape, seed=0):
    return torch.from_numpy((np.random.default_rng(seed).random(shape) * 255).astype("float32"))


def pair(name, options, **more):
    return [getattr(K.layers, name)(**options, **more) for K in (keras, real_keras())]


def same(a, b, tolerance=2e-3):
    assert a.dtype == b.dtype
    np.testing.assert_allclose(a.numpy(), b.numpy(), rtol=1e-4, atol=tolerance)


@pytest.mark.oracle
@pytest.mark.parametrize("data_format", ["channels_last", "channels_first"])
@pytest.mark.parametrize(("name", "options"), CASES, ids=NAMES)
def test_does_what_the_real_layer_draws(name, options, data_format):
    if name in ("AutoContrast",) and data_format == "channels_first":
        pytest.skip("Keras stretches over the axes 1 and 2 whatever the layout; so do we.")
    if name == "RandomErasing" and isinstance(options.get("fill_value"), tuple) and data_format == "channels_first":
        pytest.skip("Keras cannot do it.")
    mine, real = pair(name, options, data_format=data_format)
    shape = (4, 9, 8, 3) if data_format == "channels_last" else (4, 3, 9, 8)
    images = draw(shape)
    drawn = real.get_random_transformation(images, training=True)
    if name == "RandAugment":  # the real one brightens its images where they are, whether it is asked to or not
        drawn["transforms"]["random_brightness"]["rgb_delta"].zero_()
    kept = copy.deepcopy(drawn)  # the real ones change what they are given, at times
    wanted = real.transform_images(images.clone(), kept, training=True)
    same(mine.transform_images(images.clone(), drawn, training=True), wanted)
    own = mine.get_random_transformation(images, training=True)
    assert type(own) is type(drawn)
    if isinstance(drawn, dict):
        assert set(own) - {"fields"} == set(drawn)
        for key, value in drawn.items():
            if isinstance(value, torch.Tensor):
                assert own[key].shape == value.shape, key
                assert own[key].dtype == value.dtype, key


@pytest.mark.oracle
@pytest.mark.parametrize(("name", "options"), CASES, ids=NAMES)
def test_outside_training_as_the_real_layer(name, options):
    if name in ("MixUp", "RandAugment", "AugMix"):
        options = {**options, "seed": 1}
    mine, real = pair(name, options)
    for images in (draw((4, 9, 8, 3)), draw((9, 8, 3))):
        same(mine(images.clone(), training=False), real(images.clone(), training=False))
        assert mine(images, training=True).shape == real(images, training=True).shape


@pytest.mark.oracle
@pytest.mark.parametrize("form", ["xyxy", "rel_xyxy", "xywh", "center_xywh"])
@pytest.mark.parametrize(("name", "options"), [case for case in CASES if case[0] in BOXES])
def test_boxes_and_masks_follow_as_in_the_real_layer(name, options, form):
    mine, real = pair(name, options, bounding_box_format=form)
    images = draw((2, 9, 8, 3))
    corners = torch.tensor([[[1.0, 2, 5, 7], [0, 0, 8, 9], [2, 3, 3, 4]], [[0, 1, 2, 3], [4, 4, 8, 8], [6, 1, 7, 9]]])
    boxes = keras.utils.bounding_boxes.convert_format(corners, "xyxy", form, 9, 8)
    labels = torch.tensor([[1, 2, 3], [4, 5, 6]])
    drawn = real.get_random_transformation(images, training=True)
    found, wanted = (
        layer.transform_bounding_boxes(
            {"boxes": boxes.clone(), "labels": labels.clone()}, copy.deepcopy(drawn), training=True
        )
        for layer in (mine, real)
    )
    np.testing.assert_allclose(found["boxes"].numpy(), wanted["boxes"].numpy(), rtol=1e-4, atol=1e-4)
    np.testing.assert_array_equal(found["labels"].numpy(), wanted["labels"].numpy())
    masks = torch.from_numpy(np.random.default_rng(1).integers(0, 5, (2, 9, 8, 1)).astype("float32"))
    same(
        mine.transform_segmentation_masks(masks, drawn, training=True),
        real.transform_segmentation_masks(masks.clone(), copy.deepcopy(drawn), training=True),
    )
