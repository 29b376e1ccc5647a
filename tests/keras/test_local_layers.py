"""Locally connected layers of Keras 2 against the sum that defines them; layers of other frameworks."""

import itertools

import numpy as np
import pytest

from tandem import keras
from tandem.core.errors import Unsupported


@pytest.mark.parametrize("data_format", ["channels_last", "channels_first"])
@pytest.mark.parametrize(("rank", "window", "strides"), [(1, 3, 1), (1, 2, 2), (2, (2, 3), (1, 2)), (2, 2, 1)])
def test_every_place_has_its_own_weights(rank, window, strides, data_format):
    layer = getattr(keras.layers, f"LocallyConnected{rank}D")(4, window, strides=strides, data_format=data_format)
    space = (7, 6)[:rank]
    shape = (2, *space, 3) if data_format == "channels_last" else (2, 3, *space)
    rng = np.random.default_rng(0)
    x = rng.normal(size=shape).astype("float32")
    layer.build(shape)
    weights = [rng.normal(size=weight.shape).astype("float32") for weight in layer.weights]
    layer.set_weights(weights)
    found = layer(x).detach().numpy()
    assert found.shape == layer.compute_output_shape(shape)
    places = layer.bias.shape[:-1]
    kernel = weights[0].reshape(*places, -1, 4)
    for place in itertools.product(*map(range, places)):
        cut = tuple(slice(p * s, p * s + k) for p, s, k in zip(place, layer.strides, layer.kernel_size, strict=True))
        patch = x[(slice(None), *cut)] if data_format == "channels_last" else x[(slice(None), slice(None), *cut)]
        wanted = patch.reshape(2, -1) @ kernel[place] + weights[1][place]
        at = (slice(None), *place) if data_format == "channels_last" else (slice(None), slice(None), *place)
        np.testing.assert_allclose(found[at], wanted, rtol=1e-4, atol=1e-4)


def test_arguments_and_configs():
    layer = keras.layers.LocallyConnected2D(4, 3, activation="relu", kernel_regularizer="l2", name="local")
    assert type(layer).from_config(layer.get_config()).get_config() == layer.get_config()
    assert keras.layers.deserialize(keras.layers.serialize(layer)).get_config() == layer.get_config()
    with pytest.raises(ValueError, match="only 'valid'"):
        keras.layers.LocallyConnected1D(4, 3, padding="same")
    with pytest.raises(ValueError, match="must be known"):
        layer.build((None, None, 6, 3))
    model = keras.Sequential([keras.Input((6, 6, 3)), layer, keras.layers.Flatten(), keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    history = model.fit(np.ones((8, 6, 6, 3)), np.ones((8, 1)), epochs=3, verbose=0).history["loss"]
    assert history[-1] < history[0]


@pytest.mark.parametrize("name", ["JaxLayer", "FlaxLayer", "TFSMLayer"])
def test_layers_of_other_frameworks_say_why_they_are_not_there(name):
    with pytest.raises(Unsupported, match=rf"`keras.layers.{name}` is not supported: it (wraps|runs)"):
        getattr(keras.layers, name)("file")
