"""RegNet and ResNet-RS, which only Keras 2 has: names, sizes and files. The figures are the real Keras 2's."""

import numpy as np
import pytest

from tandem import keras
from tandem.keras.utils import files

applications = keras.applications


@pytest.mark.parametrize(
    ("name", "options", "parameters", "layers", "shape", "first", "last"),
    [
        ("RegNetX002", {}, 2705640, 89, (1000,), "regnetx002_stem_conv", "1head_dense"),
        ("RegNetY002", {}, 3183844, 115, (1000,), "regnety002_stem_conv", "1head_dense"),
        (
            "RegNetX004",
            {"include_top": False, "pooling": "avg", "input_shape": (64, 64, 3)},
            4809184, 142, (384,), "regnetx004_stem_conv", "regnetx004_Stage_3_XBlock_11_conv_1x1_2_bn",
        ),
        (
            "ResNetRS50", {"input_shape": (64, 64, 3)},
            35745288, 145, (1000,), "stem_1_stem_conv_1", "predictions",
        ),
        (
            "ResNetRS50",
            {"include_top": False, "input_shape": (64, 64, 3), "include_preprocessing": False},
            33696288, 144, (2, 2, 2048), "stem_1_stem_conv_1", "BlockGroup5__block_2__se_se_expand",
        ),
    ],
)  # fmt: skip
def test_layers_and_sizes(name, options, parameters, layers, shape, first, last):
    keras.utils.clear_session()
    model = getattr(applications, name)(weights=None, **options)
    weighted = [layer.name for layer in model.layers if layer.weights]
    assert (model.count_params(), len(weighted), weighted[0], weighted[-1]) == (parameters, layers, first, last)
    assert model.output_shape == (None, *shape)


def test_every_size_has_its_function():
    names = [name for name in dir(applications) if name.startswith(("RegNet", "ResNetRS"))]
    assert len(names) == 31
    for name in names:
        module = applications.resnet_rs if "RS" in name else applications.regnet
        assert getattr(module, name) is getattr(applications, name)
    x = np.ones((1, 2, 2, 3))
    assert applications.regnet.preprocess_input(x) is applications.resnet_rs.preprocess_input(x) is x


class Asked(Exception):
    """Which file was asked for."""


@pytest.mark.parametrize(
    ("name", "options", "wanted"),
    [
        ("RegNetX002", {}, ("regnetx002.h5", "49fb46e5")),
        ("RegNetX002", {"include_top": False}, ("regnetx002_notop.h5", "5445b66c")),
        ("ResNetRS50", {}, ("resnet-rs-50-i160.h5", "69d9d925")),
        ("ResNetRS50", {"include_top": False, "weights": "imagenet-i160"}, ("resnet-rs-50-i160_notop.h5", "90daa68c")),
    ],
)
def test_published_weights(monkeypatch, name, options, wanted):
    def get_file(fname, origin, cache_subdir, file_hash):
        raise Asked(fname, file_hash[:8], origin)

    monkeypatch.setattr(files, "get_file", get_file)
    with pytest.raises(Asked) as asked:
        getattr(applications, name)(**options)
    assert asked.value.args[:2] == wanted
    assert asked.value.args[2].endswith(wanted[0])


def test_other_weights_are_refused():
    with pytest.raises(ValueError, match="'imagenet' or 'imagenet-i160'"):
        applications.ResNetRS50(weights="imagenet-i192")
