"""Training or inference: dropouts and batch normalisations of every kind follow whoever calls the model."""

import numpy as np
import pytest
import torch

from mixing_models import CONTAINERS, GLUON, KERAS, as_keras, is_replayed
from tandem import keras
from tandem.mxnet import autograd, nd
from tandem.mxnet.gluon import nn

WIDTH = 300
DROPOUTS = {
    "keras": lambda: keras.layers.Dropout(0.5),
    "gluon": lambda: nn.Dropout(0.5),
    "torch": lambda: torch.nn.Dropout(0.5),
}
NORMS = {
    "keras": lambda: keras.layers.BatchNormalization(momentum=0.75),
    "gluon": lambda: nn.BatchNorm(momentum=0.75),
    "torch": lambda: torch.nn.BatchNorm1d(WIDTH, momentum=0.25),
}


@pytest.fixture(autouse=True)
def small_inputs(monkeypatch):
    monkeypatch.setattr("mixing_models.FEATURES", WIDTH)
    keras.utils.set_random_seed(1)


def _identity():
    return keras.layers.Dense(WIDTH, kernel_initializer="identity", use_bias=False)


def _ones(rows=4):
    return np.ones((rows, WIDTH), "float32")


def _is_dropped(values):
    """Whether about half of the values are 0 and the others 2; they must be all 1 otherwise."""
    values = np.asarray(values)
    if (values == 1).all():
        return False
    assert set(np.unique(values)) == {0.0, 2.0}
    assert 0.4 < (values == 0).mean() < 0.6
    return True


@pytest.mark.parametrize("eager", [False, True])
@pytest.mark.parametrize("kind", DROPOUTS)
@pytest.mark.parametrize("container", CONTAINERS)
def test_dropout_follows_fit_evaluate_and_predict(container, kind, eager):
    model = as_keras(CONTAINERS[container]([_identity(), DROPOUTS[kind]()]))
    model.compile(keras.optimizers.SGD(0.0), "mse", run_eagerly=eager)
    x, zeros = _ones(), np.zeros((4, WIDTH), "float32")
    for _ in range(2):
        losses = model.fit(x, zeros, batch_size=2, epochs=3, verbose=0).history["loss"]
        assert all(1.7 < loss < 2.3 for loss in losses)
        assert len(set(losses)) == 3
        assert model.evaluate(x, zeros, verbose=0) == 1
        assert not _is_dropped(model.predict(x, verbose=0))
        assert not _is_dropped(model(x).detach())
        assert _is_dropped(model(x, training=True).detach())
    assert is_replayed(model) is not eager


@pytest.mark.parametrize("kind", DROPOUTS)
@pytest.mark.parametrize("container", GLUON)
def test_dropout_follows_autograd(container, kind):
    net = CONTAINERS[container]([_identity(), DROPOUTS[kind]()])
    net.initialize()
    x = nd.array(_ones())
    for _ in range(4):
        assert not _is_dropped(net(x).asnumpy())
        with autograd.record():
            assert _is_dropped(net(x).asnumpy())
            with autograd.predict_mode():
                assert not _is_dropped(net(x).asnumpy())
            with autograd.pause():
                assert not _is_dropped(net(x).asnumpy())
        with autograd.record(train_mode=False):
            assert not _is_dropped(net(x).asnumpy())
        with autograd.train_mode():
            assert _is_dropped(net(x).asnumpy())


@pytest.mark.parametrize("kind", DROPOUTS)
@pytest.mark.parametrize("container", CONTAINERS)
def test_dropout_follows_train_and_eval(container, kind):
    model = CONTAINERS[container]([_identity(), DROPOUTS[kind]()]).eval()
    x = torch.from_numpy(_ones())
    for _ in range(3):
        assert not _is_dropped(model(x).detach())
        assert _is_dropped(model.train()(x).detach())
        model.eval()
    with autograd.train_mode():
        model(x)
    assert not _is_dropped(model(x).detach())


def test_a_call_leaves_a_plain_modules_own_mode_as_it_was():
    frozen = torch.nn.BatchNorm1d(WIDTH).eval()
    module = torch.nn.Sequential(torch.nn.Dropout(0.5), frozen)
    model = keras.Sequential([_identity(), module])
    model.compile("sgd", "mse")
    model.fit(_ones(), _ones(), verbose=0)
    model.predict(_ones(), verbose=0)
    assert [module.training, module[0].training, frozen.training] == [True, True, False]
    assert frozen.num_batches_tracked == 0
    net = nn.Sequential()
    net.add(module.eval())
    with autograd.record():
        net(nd.array(_ones()))
    assert [module.training, module[0].training, frozen.training] == [False, False, False]


def _mean(norm):
    for name in ("moving_mean", "running_mean"):
        found = getattr(norm, name, None)
        if found is not None:
            return getattr(found, "tensor", found).detach().numpy()
    raise AssertionError("no running mean")


def _expected(start, updates, value):
    for _ in range(updates):
        start = 0.75 * start + 0.25 * value
    return start


@pytest.mark.parametrize("eager", [False, True])
@pytest.mark.parametrize("kind", NORMS)
@pytest.mark.parametrize("container", KERAS)
def test_statistics_change_once_a_step_of_fit(container, kind, eager):
    norm = NORMS[kind]()
    model = KERAS[container]([_identity(), norm])
    model.compile(keras.optimizers.SGD(0.0), "mse", run_eagerly=eager)
    x = 3 * _ones(8)
    model.predict(x, verbose=0)
    assert (_mean(norm) == 0).all()
    model.fit(x, x, batch_size=2, epochs=2, verbose=0)
    model.fit(x[:6], x[:6], batch_size=4, epochs=2, verbose=0)  # a smaller batch at the end
    model.evaluate(x, x, verbose=0)
    model.train_on_batch(x, x)
    model.test_on_batch(x, x)
    np.testing.assert_allclose(_mean(norm), _expected(0.0, 13, 3.0), rtol=1e-6)
    assert is_replayed(model) is not eager


@pytest.mark.parametrize("kind", NORMS)
@pytest.mark.parametrize("container", GLUON)
def test_statistics_change_once_a_recorded_call(container, kind):
    norm = NORMS[kind]()
    net = CONTAINERS[container]([_identity(), norm])
    net.initialize()
    x = nd.array(3 * _ones())
    for count in range(1, 8):
        net(x)
        with autograd.record():
            y = net(x)
        with autograd.record(train_mode=False):
            net(x)
        y.backward()
        np.testing.assert_allclose(_mean(norm), _expected(0.0, count, 3.0), rtol=1e-6)
    net.eval()
    net(torch.from_numpy(3 * _ones()))
    np.testing.assert_allclose(_mean(norm), _expected(0.0, 7, 3.0), rtol=1e-6)


@pytest.mark.parametrize("container", CONTAINERS)
def test_statistics_change_once_a_step_of_a_torch_loop(container):
    norms = [make() for make in NORMS.values()]
    model = CONTAINERS[container]([_identity(), *norms])
    x = torch.from_numpy(3 * _ones(8))
    model.eval()(x)
    means = [_expected(0.0, 5, 3.0), 0, 0]
    for _ in range(5):
        model.train()(x).sum().backward()
        model.eval()(x)
        with torch.no_grad():
            model(x)
    for norm, mean in zip(norms, means, strict=True):
        np.testing.assert_allclose(_mean(norm), mean, atol=1e-5)
