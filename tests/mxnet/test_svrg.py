"""`SVRGModule` against the real MXNet: the same weights after some epochs."""

import numpy as np
import pytest

import tandem.mxnet as mx
from mxnet_parity import same_code

# Runs in both.
TRAIN = """
import importlib
SVRGModule = importlib.import_module(f"{mx.__name__}.contrib.svrg_optimization.svrg_module").SVRGModule
data, label = mx.sym.Variable("data"), mx.sym.Variable("label")
net = mx.sym.LinearRegressionOutput(mx.sym.FullyConnected(data, num_hidden=1, name="fc"), label, name="out")
batches = mx.io.NDArrayIter({"data": x}, {"label": y}, batch_size=4)
module = SVRGModule(net, data_names=["data"], label_names=["label"], update_freq=2)
module.fit(
    batches, eval_metric="mse", num_epoch=5, initializer=mx.init.Zero(), kvstore=kvstore,
    optimizer_params=(("learning_rate", 0.05),))
weights = {name: value.asnumpy() for name, value in module.get_params()[0].items()}
"""


@pytest.mark.parametrize("kvstore", [None, "local"])
def test_weights_after_some_epochs_are_those_of_mxnet(kvstore):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(20, 3)).astype("f")
    y = (x @ np.array([1.0, -2.0, 0.5]) + 0.1 * rng.normal(size=20)).astype("f")
    same_code(TRAIN, ["weights"], x=x, y=y, kvstore=kvstore)


@pytest.mark.parametrize("update_freq", [None, 0, 1.5, True])
def test_a_frequency_is_a_whole_number(update_freq):
    net = mx.sym.LinearRegressionOutput(mx.sym.Variable("data"), name="out")
    with pytest.raises(ValueError, match="positive integer"):
        mx.contrib.svrg_optimization.svrg_module.SVRGModule(net, label_names=["out_label"], update_freq=update_freq)
