"""Names that are not there: Keras's own can be imported and raise when used, others raise at once."""

import inspect

import pytest

from tandem import keras
from tandem.core.errors import Unsupported
from tandem.keras import missing, public_names


def test_a_name_that_keras_has_not_either():
    with pytest.raises(AttributeError, match=r"'keras.layers' has no attribute 'Dens'.*'Dense'.*dir\(keras.layers\)"):
        _ = keras.layers.Dens
    with pytest.raises(AttributeError, match=r"no attribute 'nosuch'.*dir\(keras\)"):
        _ = keras.nosuch


def test_a_class_that_is_not_there_yet():
    layer = missing.absent("keras.utils", "FeatureSpace", ())
    assert inspect.isclass(layer)
    assert not isinstance(keras.layers.Dense(1), layer)

    class Mine(layer):
        """Subclassing happens at import, and is no use yet."""

    for kind in (layer, Mine):
        with pytest.raises(Unsupported, match=r"`keras.utils.FeatureSpace` is not supported yet"):
            kind({})


def test_a_function_that_is_not_there_yet():
    function = missing.absent("keras.ops", "einsum", ())
    with pytest.raises(Unsupported, match=r"`keras.ops.einsum` is not supported yet"):
        function("ij->ji", 1)


@pytest.mark.parametrize("table", [public_names.CLASSES, public_names.OTHERS], ids=["classes", "others"])
def test_every_public_name_can_be_imported(table):
    for namespace, names in table.items():
        home = keras
        for part in namespace.split(".")[1:]:
            home = getattr(home, part)
        for name in names.split():
            assert getattr(home, name) is not None, f"{namespace}.{name}"


def test_what_is_not_there_is_not_listed():
    assert "OrbaxCheckpoint" not in dir(keras.callbacks)
    assert "Dense" in dir(keras.layers)
