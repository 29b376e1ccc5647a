"""What people do with a torch module works on models of every mixture."""

import copy
import io
import pickle

import numpy as np
import pytest
import torch

from mixing_models import CONTAINERS, GLUON, KERAS, Pieces, as_gluon, by_fit, by_torch, by_trainer, data, is_replayed
from tandem import keras
from tandem.mxnet import autograd, gluon, nd


@pytest.fixture(autouse=True)
def float64():
    keras.config.set_floatx("float64")
    keras.utils.set_random_seed(5)
    yield
    keras.config.set_floatx("float32")


X, Y = data()
EVERY = pytest.mark.parametrize("container", CONTAINERS)


def _make(container, dropout=None):
    """(model, pieces), called once, in inference."""
    pieces = Pieces(dropout)
    model = CONTAINERS[container](pieces.all()).eval()
    model(torch.from_numpy(X))
    return model, pieces


def _out(model, x=None):
    with torch.no_grad():
        return model(torch.from_numpy(X) if x is None else x)


def _scrambled(model):
    with torch.no_grad():
        for tensor in model.state_dict(keep_vars=True).values():
            tensor.add_(1)
    return model


@EVERY
def test_state_dict_goes_into_another_model(container):
    model, _ = _make(container)
    other, _ = _make(container)
    assert not torch.equal(_out(model), _out(other))
    assert list(model.state_dict()) == list(other.state_dict())
    other.load_state_dict(model.state_dict())
    assert torch.equal(_out(model), _out(other))
    file = io.BytesIO()
    torch.save(model.state_dict(), file)
    file.seek(0)
    _scrambled(other).load_state_dict(torch.load(file, weights_only=True))
    assert torch.equal(_out(model), _out(other))
    # What each front end says of the weights is what was loaded.
    if container in KERAS:
        for one, another in zip(model.get_weights(), other.get_weights(), strict=True):
            np.testing.assert_array_equal(one, another)
    if container in GLUON:
        mine, theirs = model.collect_params().values(), other.collect_params().values()
        for one, another in zip(mine, theirs, strict=True):
            np.testing.assert_array_equal(one.data().asnumpy(), another.data().asnumpy())


@EVERY
def test_each_weight_is_there_once_under_a_name(container):
    model, pieces = _make(container)
    names, tensors = zip(*model.named_parameters())
    assert len(set(names)) == len(names) == 14
    learned = [pieces.first.kernel.tensor, *pieces.learned()[1:]]
    assert {id(tensor) for tensor in tensors} == {id(tensor) for tensor in learned}
    assert len(dict(model.named_buffers())) == 7  # three means, three variances, one count


@EVERY
def test_to_another_dtype(container):
    model, _ = _make(container)
    wanted = _out(model)
    model.to(torch.float32)
    assert all(tensor.dtype == torch.float32 for tensor in model.parameters())
    got = _out(model, torch.from_numpy(X.astype("float32")))
    assert got.dtype == torch.float32
    torch.testing.assert_close(got.double(), wanted, atol=1e-5, rtol=1e-4)
    if container in GLUON:
        got = model(nd.array(X, dtype="float32"))
        assert got.dtype is np.float32
        assert {str(p.dtype) for p in model.collect_params().values()} == {"float32", "int64"}
        by_trainer(model, X.astype("float32"), Y.astype("float32"), 0.1, 4)
    elif container in KERAS:
        by_fit(model, X, Y, 0.1, 4)
        assert model.predict(X, verbose=0).dtype == np.float32
    model.double()
    assert _out(model).dtype == torch.float64


@EVERY
def test_to_meta_and_back(container):
    model, _ = _make(container)
    values, wanted = {key: value.clone() for key, value in model.state_dict().items()}, _out(model)
    model.to("meta")
    assert all(tensor.is_meta for tensor in model.parameters())
    assert _out(model, torch.empty(2, 6, dtype=torch.float64, device="meta")).shape == (2, 3)
    model.to_empty(device="cpu")
    model.load_state_dict(values)
    assert torch.equal(_out(model), wanted)


@EVERY
def test_torch_nn_utils(container):
    model, _ = _make(container)
    (1000 * model.train()(torch.from_numpy(X))).square().mean().backward()
    assert torch.nn.utils.clip_grad_norm_(model.parameters(), 0.5) > 1
    grads = torch.cat([parameter.grad.flatten() for parameter in model.parameters()])
    torch.testing.assert_close(grads.norm(), torch.tensor(0.5, dtype=torch.float64), rtol=1e-5, atol=0)
    vector = torch.nn.utils.parameters_to_vector(model.parameters())
    torch.nn.utils.vector_to_parameters(torch.zeros_like(vector), model.parameters())
    assert (model.eval()(torch.from_numpy(X)) == 0).all()
    torch.nn.utils.vector_to_parameters(vector, model.parameters())
    assert not (model(torch.from_numpy(X)) == 0).any()


@EVERY
def test_weight_norm_of_a_torch_module_inside(container):
    model, pieces = _make(container)
    wanted = _out(model)
    torch.nn.utils.parametrizations.weight_norm(pieces.module[0])
    torch.testing.assert_close(_out(model), wanted)
    direction = pieces.module[0].parametrizations.weight.original1
    for train in [by_torch, *([by_fit] if container in KERAS else []), *([by_trainer] if container in GLUON else [])]:
        before = direction.detach().clone()
        train(model, X, Y, 0.1, 4)
        assert not torch.equal(direction, before)


@EVERY
def test_deep_copies_are_independent(container):
    model, _ = _make(container)
    wanted = _out(model)
    copies = [copy.deepcopy(model), pickle.loads(pickle.dumps(copy.deepcopy(model)))]
    for other in copies:
        assert torch.equal(_out(other), wanted)
        by_torch(other, X, Y, 0.1, 4)
        assert not torch.equal(_out(other), wanted)
        assert torch.equal(_out(model), wanted)
    first, second = copies
    assert torch.equal(_out(first), _out(second))
    for train in [*([by_fit] if container in KERAS else []), *([by_trainer] if container in GLUON else [])]:
        train(first, X, Y, 0.1, 4)
        assert not torch.equal(_out(first), _out(second))
        assert torch.equal(_out(model), wanted)


@pytest.mark.parametrize("container", KERAS)
def test_a_copy_of_a_trained_keras_model_goes_on(container):
    model, _ = _make(container)
    model.compile("adam", "mse", metrics=["mae"])
    model.fit(X, Y, batch_size=4, epochs=2, shuffle=False, verbose=0)
    other = copy.deepcopy(model)
    histories = [one.fit(X, Y, batch_size=4, epochs=2, shuffle=False, verbose=0).history for one in (model, other)]
    assert histories[0] == histories[1]


@EVERY
def test_forward_hooks_see_every_piece(container):
    model, pieces = _make(container)
    seen = []
    for name, module in model.named_modules():
        module.register_forward_hook(lambda module, inputs, outputs, name=name: seen.append((name, module)))
    _out(model)
    names = [name for name, _ in seen]
    assert len(names) == len(set(names))
    modules = [module for _, module in seen]
    for piece in [pieces.first, pieces.module, pieces.module[0], pieces.norm]:
        assert any(piece is module for module in modules)
    assert any(getattr(module, "_foreign", module) is pieces.last for module in modules)


def test_a_hook_runs_in_every_step_of_fit():
    model, pieces = _make("functional")
    model.compile("sgd", "mse")
    model.fit(X, Y, batch_size=4, epochs=2, verbose=0)
    for module in (pieces.first, pieces.module[0], pieces.last):
        seen = []
        handle = module.register_forward_hook(lambda *args, seen=seen: seen.append(1))
        with pytest.warns(UserWarning, match=r"a layer has a hook.*test_as_torch\.py, line \d+"):
            model.compile("sgd", "mse")
            model.fit(X, Y, batch_size=4, epochs=2, verbose=0)
        assert len(seen) == 9  # the first, when the shapes of the outputs are looked for, has no values
        getattr(handle, "remove", getattr(handle, "detach", None))()
        model.fit(X, Y, batch_size=4, epochs=2, verbose=0)
        assert len(seen) == 9
        assert is_replayed(model)


@EVERY
def test_inputs_get_gradients(container):
    model, pieces = _make(container)
    x = torch.from_numpy(X).requires_grad_()
    model(x).sum().backward()
    y = torch.from_numpy(X).requires_grad_()
    pieces.reference().eval()(y).sum().backward()
    torch.testing.assert_close(x.grad, y.grad, rtol=1e-9, atol=1e-9)
    assert model(torch.from_numpy(X)).requires_grad
    with torch.no_grad():
        assert not model(torch.from_numpy(X)).requires_grad


@EVERY
def test_arrays_of_either_front_end_come_back_as_they_came(container):
    model, _ = _make(container)
    wanted = _out(model).numpy()
    if container != "torch":
        got = model(nd.array(X, dtype="float64"))
        assert isinstance(got, nd.NDArray)
        np.testing.assert_array_equal(got.asnumpy(), wanted)
    if container in KERAS:
        got = model(X)
        assert isinstance(got, torch.Tensor)
        np.testing.assert_array_equal(got.detach().numpy(), wanted)


@pytest.mark.parametrize("container", KERAS)
def test_a_keras_model_called_with_arrays_is_recorded_by_autograd(container):
    model, pieces = _make(container)
    net = as_gluon(model)
    x = nd.array(X, dtype="float64")
    x.attach_grad()
    with autograd.record(train_mode=False):
        y = model(x).sum()
    y.backward()
    reference = torch.from_numpy(X).requires_grad_()
    pieces.reference().eval()(reference).sum().backward()
    np.testing.assert_allclose(x.grad.asnumpy(), reference.grad.numpy(), rtol=1e-9, atol=1e-9)
    assert isinstance(net, gluon.Block)
