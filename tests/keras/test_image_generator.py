"""`ImageDataGenerator` against the real one: the same draws, the same pixels, the same batches."""

import importlib
import warnings

import numpy as np
import pytest
from PIL import Image
from tests.oracles import real_keras

from tandem.keras.legacy.image_generator import ImageDataGenerator
from tandem.keras.preprocessing import image as functions

SETTINGS = {
    "geometry": {"rotation_range": 30, "width_shift_range": 0.2, "height_shift_range": 0.3, "shear_range": 12},
    "zoom": {"zoom_range": 0.4, "horizontal_flip": True, "vertical_flip": True},
    "lists": {"width_shift_range": [-2, 1, 3], "height_shift_range": 2, "zoom_range": (0.7, 1.1)},
    "pixels": {"width_shift_range": 3.0, "fill_mode": "constant", "cval": 7.0},
    "reflect": {"rotation_range": 80, "fill_mode": "reflect"},
    "wrap": {"rotation_range": 80, "fill_mode": "wrap"},
    "mirror": {"rotation_range": 80, "fill_mode": "mirror"},
    "grid": {"rotation_range": 80, "fill_mode": "grid-wrap"},
    "nearest_pixel": {"rotation_range": 45, "interpolation_order": 0},
    "colour": {"channel_shift_range": 40.0, "brightness_range": (0.4, 1.6)},
    "all": {
        "rotation_range": 9,
        "shear_range": 3,
        "zoom_range": 0.1,
        "channel_shift_range": 9.0,
        "brightness_range": (1, 2),
    },
    "rescale": {"rescale": 1 / 255, "samplewise_center": True, "samplewise_std_normalization": True},
    "function": {"preprocessing_function": lambda x: x * 2 + 1, "rescale": 0.5},
    "first": {"data_format": "channels_first", "rotation_range": 20, "horizontal_flip": True},
}


def _real():
    real_keras()
    return importlib.import_module("keras.src.legacy.preprocessing.image")


def _images(count=7, first=False):
    x = np.random.default_rng(0).integers(0, 256, (count, 9, 12, 3)).astype("float32")
    return x.transpose(0, 3, 1, 2) if first else x


@pytest.mark.oracle
@pytest.mark.parametrize("name", SETTINGS)
def test_batches_are_kerass(name):
    settings = SETTINGS[name]
    x = _images(first=settings.get("data_format") == "channels_first")
    y = np.arange(7)
    batches = []
    for kind in (_real().ImageDataGenerator, ImageDataGenerator):
        flow = kind(**settings).flow(x, y, batch_size=3, seed=3)
        batches.append([next(flow) for _ in range(5)] + [flow[1]])
    for (images, labels), (ours, our_labels) in zip(*batches, strict=True):
        np.testing.assert_array_equal(labels, our_labels)
        np.testing.assert_allclose(ours, images, atol=2e-3 * max(1, abs(images).max() / 255), rtol=1e-4)
        assert ours.dtype == images.dtype


@pytest.mark.oracle
@pytest.mark.parametrize("settings", [{"featurewise_std_normalization": True}, {"zca_whitening": True}])
@pytest.mark.filterwarnings("ignore")
def test_statistics_of_fit(settings):
    x = _images(120)[:, :4, :4] / 255.0
    results = []
    for kind in (_real().ImageDataGenerator, ImageDataGenerator):
        generator = kind(**settings)
        generator.fit(x, augment=True, rounds=2, seed=1)
        results.append(generator.standardize(x[:5].copy()))
    np.testing.assert_allclose(results[1], results[0], atol=2e-3)


@pytest.mark.oracle
@pytest.mark.parametrize(
    ("settings", "in_place"),
    [
        ({}, True),
        ({"rescale": 0.5}, True),
        ({"samplewise_center": True, "samplewise_std_normalization": True}, True),
        ({"featurewise_center": True, "featurewise_std_normalization": True}, True),
        ({"preprocessing_function": lambda x: x.mean(0) + 1}, False),
    ],
)
@pytest.mark.parametrize("rank", [3, 4])
def test_standardize_changes_an_array_in_place_and_takes_it_as_one(settings, in_place, rank):
    results = []
    for kind in (_real().ImageDataGenerator, ImageDataGenerator):
        generator = kind(**settings)
        if "featurewise_center" in settings:
            generator.fit(_images() / 255)
        x = _images() if rank == 4 else _images()[0]
        y = generator.standardize(x)
        assert (y is x) == in_place
        results.append((x, y))
    for ours, theirs in zip(results[1], results[0], strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-4)


@pytest.mark.oracle
@pytest.mark.parametrize(
    "parameters", [{"brightness": 0.5}, {"channel_shift_intensity": 30.5}, {"flip_vertical": True}, {"theta": 20}]
)
@pytest.mark.parametrize("dtype", ["uint8", "float64", "float32"])
@pytest.mark.parametrize("channels", [1, 3, 4])
def test_one_image_of_any_dtype(parameters, dtype, channels):
    x = np.random.default_rng(2).integers(0, 256, (6, 7, channels)).astype(dtype)
    expected, given = (
        kind().apply_transform(x.copy(), parameters) for kind in (_real().ImageDataGenerator, ImageDataGenerator)
    )
    assert given.dtype == expected.dtype
    np.testing.assert_allclose(given, expected, atol=1e-3)


@pytest.mark.oracle
def test_single_functions():
    real, x = _real(), _images()[0]
    axes = {"row_axis": 0, "col_axis": 1, "channel_axis": 2}
    for name, args in (
        ("random_rotation", (30,)),
        ("random_shift", (0.2, 0.3)),
        ("random_shear", (20,)),
        ("random_zoom", ((0.5, 1.5),)),
    ):
        results = []
        for module in (real, functions):
            np.random.seed(1)
            results.append(getattr(module, name)(x.copy(), *args, **axes))
        np.testing.assert_allclose(results[1], results[0], atol=1e-2, err_msg=name)
    np.testing.assert_allclose(
        functions.apply_channel_shift(x, 30.0, channel_axis=2), real.apply_channel_shift(x, 30.0, channel_axis=2)
    )
    np.testing.assert_allclose(functions.apply_brightness_shift(x, 1.3), real.apply_brightness_shift(x, 1.3))


@pytest.fixture
def folder(tmp_path):
    rng = np.random.default_rng(1)
    for name in ("cat", "dog", "emu"):
        (tmp_path / name / "more").mkdir(parents=True)
        for number in range(4):
            path = tmp_path / name / ("more" if number == 3 else "") / f"{number}.png"
            Image.fromarray(rng.integers(0, 256, (10, 8, 3), dtype=np.uint8)).save(path)
    (tmp_path / "cat" / "notes.txt").write_text("no image")
    return tmp_path


@pytest.mark.oracle
@pytest.mark.parametrize("class_mode", ["categorical", "sparse", "input", None])
@pytest.mark.parametrize("color_mode", ["rgb", "grayscale", "rgba"])
def test_directories_are_read_as_keras_reads_them(folder, class_mode, color_mode):
    flows = [
        kind(validation_split=0.5, rescale=1 / 255).flow_from_directory(
            folder,
            target_size=(6, 6),
            class_mode=class_mode,
            color_mode=color_mode,
            batch_size=4,
            shuffle=False,
            subset="training",
            interpolation="bilinear",
        )
        for kind in (_real().ImageDataGenerator, ImageDataGenerator)
    ]
    real, ours = flows
    assert ours.class_indices == real.class_indices
    assert sorted(ours.filenames) == sorted(real.filenames)
    assert (len(ours), ours.samples, ours.num_classes, ours.image_shape) == (
        len(real),
        real.samples,
        real.num_classes,
        real.image_shape,
    )
    np.testing.assert_array_equal(ours.classes, real.classes)
    for _ in range(3):
        one, other = next(real), next(ours)
        one, other = (one, other) if class_mode else ((one,), (other,))
        for a, b in zip(one, other, strict=True):
            np.testing.assert_allclose(b, a, atol=1e-5)


@pytest.mark.oracle
@pytest.mark.parametrize("class_mode", ["categorical", "sparse", "raw", "multi_output"])
def test_tables_are_read_as_keras_reads_them(folder, class_mode):
    pandas = pytest.importorskip("pandas")
    files = sorted(str(path.relative_to(folder)) for path in folder.rglob("*.png"))
    table = pandas.DataFrame({"filename": [*files, "gone.png"], "class": [*[f[:3] for f in files], "cat"]})
    table["size"] = np.arange(len(table), dtype="float32")
    table["weight"] = np.linspace(0, 1, len(table))
    y_col = {"raw": "size", "multi_output": ["size", "weight"]}.get(class_mode, "class")
    flows = []
    for kind in (_real().ImageDataGenerator, ImageDataGenerator):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            flows.append(
                kind().flow_from_dataframe(
                    table,
                    str(folder),
                    y_col=y_col,
                    weight_col="weight",
                    class_mode=class_mode,
                    shuffle=False,
                    batch_size=5,
                )
            )
    for one, other in zip(next(flows[0]), next(flows[1]), strict=True):
        for a, b in zip(*((x if isinstance(x, list) else [x]) for x in (one, other)), strict=True):
            np.testing.assert_allclose(b, a)


def test_a_broken_image_is_named_and_may_be_skipped(folder):
    (folder / "dog" / "1.png").write_bytes(b"\x89PNG no more")
    generator = ImageDataGenerator()
    with pytest.raises(OSError, match=r"1\.png.*broken_images="):
        generator.flow_from_directory(folder, batch_size=12)[0]
    flow = generator.flow_from_directory(folder, batch_size=12, broken_images="skip")
    with pytest.warns(UserWarning, match=r"Skipped.*1\.png"):
        images, labels = flow[0]
    assert images.shape == (11, 256, 256, 3)
    assert labels.shape == (11, 3)


def test_grey_images_for_a_model_of_one_channel(folder):
    flow = ImageDataGenerator().flow_from_directory(folder, target_size=(6, 6))
    with pytest.warns(UserWarning, match="read as grey"):
        flow.match_channels(1)
    assert next(flow)[0].shape == (12, 6, 6, 1)
    given = ImageDataGenerator().flow_from_directory(folder, target_size=(6, 6), color_mode="rgb")
    given.match_channels(1)
    assert next(given)[0].shape == (12, 6, 6, 3)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"zoom_range": "a"}, "zoom_range"),
        ({"fill_mode": "same"}, "fill_mode"),
        ({"validation_split": 2}, "validation_split"),
        ({"brightness_range": 3}, "brightness_range"),
        ({"data_format": "last"}, "data_format"),
        ({"interpolation_order": 3}, "interpolation_order"),
    ],
)
def test_bad_settings(settings, message):
    with pytest.raises(ValueError, match=message):
        ImageDataGenerator(**settings)
