"""Layers that change images: what is drawn by the real Keras, done by ours; laws of what is drawn; data with boxes."""

import copy

import numpy as np
import pytest
import torch
from scipy.stats import ks_2samp

from oracles import real_keras
from tandem import keras
from tandem.engine import record
from tandem.ops import augment

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
    "RandAugment": [{"num_ops": 1}],
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
    for K in (keras, real_keras()):
        K.utils.set_random_seed(7)
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


# Whose result is determined, for each image is changed and by the same factor.
FIXED = [
    ("RandomRotation", {"factor": (0.125, 0.125)}),
    ("RandomTranslation", {"height_factor": (0.2, 0.2), "width_factor": (-0.3, -0.3), "fill_mode": "nearest"}),
    ("RandomZoom", {"height_factor": (0.2, 0.2), "fill_mode": "wrap"}),
    ("RandomContrast", {"factor": (0.0, 0.0)}),
    ("RandomColorDegeneration", {"factor": (0.3, 0.3)}),
    ("RandomHue", {"factor": (0.0, 0.0)}),
    ("RandomSaturation", {"factor": (0.3, 0.3)}),
    ("RandomSharpness", {"factor": (0.8, 0.8)}),
    ("RandomPosterization", {"factor": (3, 3)}),
    ("RandomInvert", {"factor": (1.0, 1.0)}),
    ("RandomGaussianBlur", {"factor": (1.0, 1.0), "sigma": (0.5, 0.5)}),
    ("RandomColorJitter", {"brightness_factor": (0.1, 0.1), "saturation_factor": (0.6, 0.6)}),
    ("AutoContrast", {}),
    ("CenterCrop", {"height": 4, "width": 5}),
    ("Resizing", {"height": 4, "width": 3, "antialias": True}),
    ("Rescaling", {"scale": 0.5, "offset": 3}),
]


@pytest.mark.oracle
@pytest.mark.parametrize(("name", "options"), FIXED)
def test_fixed_factors_give_the_pixels_of_the_real_layer_under_any_policy(name, options):
    images = draw((2, 9, 8, 3))
    exact = real_keras().layers.__dict__[name](**options)
    for x in (images, images[0]):
        wanted = exact(x.clone())
        same(getattr(layers, name)(**options)(x), wanted)
        half = getattr(layers, name)(**options, dtype="float16")(x)
        assert half.dtype == torch.float16
        torch.testing.assert_close(half.float(), wanted, rtol=1e-3, atol=0.1)
        whole = getattr(layers, name)(**options, dtype="uint8")(x)
        assert whole.dtype == torch.uint8
        wanted = getattr(layers, name)(**options)(x.floor()).round().clamp(0, 255)
        torch.testing.assert_close(whole.float(), wanted, rtol=0, atol=1)


LAWS = [case for case in CASES if case[0] not in ("CutMix", "RandAugment", "AugMix", "Resizing", "CenterCrop")]


def leaves(drawn, path=""):
    if isinstance(drawn, dict):
        for key, value in drawn.items():
            yield from leaves(value, f"{path}/{key}")
    elif isinstance(drawn, torch.Tensor) and "fields" not in path:
        yield path, drawn.double().reshape(drawn.shape[0] if drawn.ndim else 1, -1).numpy()


@pytest.mark.oracle
@pytest.mark.parametrize(("name", "options"), LAWS)
def test_what_is_drawn_has_the_law_of_the_real_layer(name, options):
    images = torch.zeros(500, 4, 5, 3)
    ours, theirs = (dict(leaves(layer.get_random_transformation(images))) for layer in pair(name, options))
    assert set(ours) == set(theirs)
    for path, values in ours.items():
        for column in range(min(values.shape[1], 3)):
            assert ks_2samp(values[:, column], theirs[path][:, column]).pvalue > 1e-4, path


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


def test_data_in_a_dict():
    layer = layers.RandomFlip("horizontal", seed=3, bounding_box_format="xyxy")
    images = np.random.default_rng(0).random((8, 6, 10, 3)).astype("float32")
    data = {
        "images": images,
        "labels": np.arange(8),
        "segmentation_masks": (images[..., :1] * 5).astype("uint8"),
        "bounding_boxes": {"boxes": np.tile([[[1.0, 2, 4, 5]]], (8, 1, 1)), "labels": np.ones((8, 1), "int32")},
        "more": np.arange(8),
    }
    found = layer(data)
    turned = (found["images"].numpy() == images[:, :, ::-1]).all((1, 2, 3))
    assert 0 < turned.sum() < 8
    np.testing.assert_array_equal(found["images"][~turned], images[~turned])
    np.testing.assert_array_equal(found["segmentation_masks"][turned], data["segmentation_masks"][turned][:, :, ::-1])
    np.testing.assert_allclose(
        found["bounding_boxes"]["boxes"][turned], np.tile([[6.0, 2, 9, 5]], (turned.sum(), 1, 1))
    )
    np.testing.assert_array_equal(found["labels"], data["labels"])
    np.testing.assert_array_equal(found["more"], data["more"])
    np.testing.assert_array_equal(data["images"], images)
    with pytest.raises(ValueError, match="didn't specify a bounding box format"):
        layers.RandomFlip()(data)


def test_one_image_in_a_dict_and_lists_of_boxes():
    layer = layers.Resizing(6, 4, bounding_box_format="xyxy")
    boxes = {"boxes": np.array([[0.0, 0, 4, 4]]), "labels": np.array([1])}
    found = layer({"images": np.ones((12, 8, 3), "float32"), "bounding_boxes": boxes, "labels": np.array(2)})
    assert found["images"].shape == (6, 4, 3)
    np.testing.assert_allclose(found["bounding_boxes"]["boxes"], [[0, 0, 2, 2]])
    ragged = {"boxes": [[[0.0, 0, 4, 4]], [[1.0, 1, 3, 3], [2, 2, 4, 4]]], "labels": [[1], [2, 3]]}
    layer = layers.MaxNumBoundingBoxes(3, bounding_box_format="xyxy")
    found = layer({"images": np.ones((2, 6, 4, 3), "float32"), "bounding_boxes": ragged})["bounding_boxes"]
    assert found["boxes"].shape == (2, 3, 4)
    assert found["labels"].tolist() == [[1, -1, -1], [2, 3, -1]]


def test_labels_are_mixed_as_images_are():
    images, labels = torch.eye(6).reshape(6, 6, 1, 1).expand(6, 6, 4, 1), torch.eye(6)
    mixed = layers.MixUp(alpha=1.0, seed=2)({"images": images, "labels": labels})
    torch.testing.assert_close(mixed["images"][:, :, 0, 0], mixed["labels"])
    assert not torch.equal(mixed["labels"], labels)
    whole = torch.arange(6.0).reshape(6, 1, 1, 1).expand(6, 8, 8, 1)
    cut = layers.CutMix(seed=2)({"images": whole, "labels": labels})
    torch.testing.assert_close(cut["labels"].sum(1), torch.ones(6))
    for image, label in zip(cut["images"], cut["labels"], strict=True):
        assert {int(value) for value in image.unique()} <= {int(place) for place in label.nonzero()}


@pytest.mark.parametrize("name", ["RandomBrightness", "RandomContrast", "RandomHue", "RandomRotation", "RandomZoom"])
def test_a_seed_repeats_the_numbers_and_goes_on(name):
    images = draw((4, 6, 6, 3))
    one, two = (getattr(layers, name)(0.3, seed=5) for _ in range(2))
    first = one(images)
    torch.testing.assert_close(two(images), first)
    assert not torch.equal(one(images), first)
    assert not torch.equal(getattr(layers, name)(0.3, seed=6)(images), first)


def test_what_is_drawn_has_the_law_that_is_asked_for():
    images = torch.zeros(4000, 2, 2, 1)
    angle = layers.RandomRotation((-0.1, 0.3), seed=1).get_random_transformation(images)["angle"]
    assert -36 <= angle.min() < -35
    assert 107 < angle.max() <= 108
    assert angle.mean() == pytest.approx(36, abs=2)
    zoom = layers.RandomZoom(0.2, (0.5, 0.6), seed=1).get_random_transformation(images)
    assert zoom["height_zoom"].mean() == pytest.approx(1.0, abs=0.01)
    assert zoom["width_zoom"].mean() == pytest.approx(1.55, abs=0.005)
    erased = layers.RandomErasing(0.4, seed=1).get_random_transformation(images)["apply_erasing"]
    assert erased.float().mean() == pytest.approx(0.2, abs=0.03)
    grey = layers.RandomGrayscale(0.3, seed=1).get_random_transformation(images)
    assert grey.float().mean() == pytest.approx(0.3, abs=0.03)
    bits = layers.RandomPosterization((2, 5), seed=1).get_random_transformation(images)["shift_factor"]
    assert set(bits.tolist()) == {4, 5, 6}
    flips = layers.RandomFlip(seed=1).get_random_transformation(images)["flips"]
    assert flips.float().mean() == pytest.approx(0.5, abs=0.03)


def test_bends_are_as_strong_as_asked_and_masks_bend_alike():
    column = torch.arange(32.0).expand(2, 32, 32).unsqueeze(-1)
    layer = layers.RandomElasticTransform((1.0, 1.0), scale=(0.5, 0.5), fill_mode="nearest", seed=1)
    found = layer({"images": column, "segmentation_masks": column})
    moved = found["images"] - column
    assert 0.05 < moved.abs().mean() < 4
    torch.testing.assert_close(found["segmentation_masks"], found["images"], rtol=0, atol=0.51)
    assert torch.equal(layers.RandomElasticTransform(scale=0.0)(column), column)


def test_outside_of_recordings_only_the_drawn_changes_are_computed(monkeypatch):
    layer = layers.RandAugment(num_ops=2, seed=1)
    images = draw((2, 9, 8, 3))
    drawn = layer.get_random_transformation(images, training=True)
    chosen, made = augment.where_index, []
    monkeypatch.setattr(augment, "where_index", lambda *given: (made.append(given[1]), chosen(*given))[1])
    found = layer.transform_images(images, drawn)
    assert made == drawn["layer_idxes"].tolist()
    with record.Recorder():
        recorded = layer.transform_images(images, drawn)
    assert len(made) > 20
    np.testing.assert_array_equal(recorded, found)


def test_pipelines_and_models():
    steps = [layers.RandomFlip(seed=1), layers.Rescaling(1 / 255), layers.CenterCrop(4, 4)]
    pipeline = layers.Pipeline(steps)
    images = draw((2, 6, 6, 3))
    found = pipeline(images, training=False)
    torch.testing.assert_close(found, images[:, 1:5, 1:5] / 255)
    again = keras.layers.deserialize(keras.layers.serialize(pipeline))
    torch.testing.assert_close(again(images, training=False), found)
    model = keras.Sequential([keras.Input((6, 6, 3)), *steps, layers.Flatten(), layers.Dense(1)])
    model.compile("sgd", "mse")
    model.fit(images, np.ones((2, 1)), epochs=2, verbose=0)
    assert model.predict(images, verbose=0).shape == (2, 1)


@pytest.mark.parametrize(
    ("make", "kind"),
    [
        (lambda: layers.RandomBrightness(2.0), ValueError),
        (lambda: layers.RandomContrast(-0.1), ValueError),
        (lambda: layers.RandomZoom(-1.0), ValueError),
        (lambda: layers.RandomTranslation(0.1, "a"), ValueError),
        (lambda: layers.RandomRotation(0.1, fill_mode="x"), NotImplementedError),
        (lambda: layers.RandomRotation(0.1, interpolation="x"), NotImplementedError),
        (lambda: layers.RandomShear(-0.2), ValueError),
        (lambda: layers.RandomPerspective(scale=2.0), ValueError),
        (lambda: layers.RandomGaussianBlur(kernel_size=4), ValueError),
        (lambda: layers.RandomBrightness(0.1, value_range=(1, 2, 3)), ValueError),
        (lambda: layers.RandomGrayscale(1.5), ValueError),
        (lambda: layers.RandomErasing(fill_value=(1, 2)), ValueError),
        (lambda: layers.RandomFlip("up"), ValueError),
        (lambda: layers.RandomFlip()(torch.zeros(2, 3)), ValueError),
        (
            lambda: layers.Resizing(2, 2, crop_to_aspect_ratio=True, pad_to_aspect_ratio=True)(draw((4, 4, 1))),
            ValueError,
        ),
    ],
)
def test_what_does_not_fit_raises(make, kind):
    with pytest.raises(kind):
        make()
