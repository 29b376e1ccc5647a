"""`mx.autograd` beside plain torch: one gradient for both, and nothing that stays behind."""

import gc
import threading

import pytest
import torch

import tandem.mxnet as mx
from mxnet_parity import same_code
from tandem.mxnet import autograd, nd


def variable(*values, req="write"):
    x = nd.array(values)
    x.attach_grad(req)
    return x


def test_the_gradient_is_one_array_that_follows():
    x = variable(1, 2)
    grad = x.grad
    for factor in (2, 3):
        with autograd.record():
            y = x * factor
        y.backward()
        assert grad is x.grad
        assert grad.asnumpy().tolist() == [factor, factor]
        assert x._tensor.grad.tolist() == [factor, factor]


def test_torch_accumulates_where_mxnet_overwrites():
    x = variable(1, 2)
    for _ in range(2):
        with torch.enable_grad():
            (x._tensor * 2).sum().backward()
    assert x.grad.asnumpy().tolist() == [4, 4]
    with autograd.record():
        y = x * 2
    y.backward()
    assert x.grad.asnumpy().tolist() == [2, 2]


def test_torch_optimizers_see_the_gradients():
    x = variable(1, 2)
    optimizer = torch.optim.SGD([x._tensor], lr=0.5)
    with autograd.record():
        y = x * x
    y.backward()
    torch.nn.utils.clip_grad_norm_([x._tensor], 1.0)
    optimizer.step()
    assert x.asnumpy() == pytest.approx([1 - 0.5 * 2 / 20**0.5, 2 - 0.5 * 4 / 20**0.5])


def test_a_marked_buffer_receives_the_gradient():
    x, buffer = nd.ones(2), nd.ones(2) * 7
    view = buffer[0:1]
    autograd.mark_variables([x], [buffer])
    for factor in (2, 3):
        with autograd.record():
            y = x * factor
        y.backward()
    assert x.grad is buffer
    assert view.asscalar() == 3


def test_what_is_written_into_a_gradient_is_added_to():
    x = variable(1, 2, req="add")
    x.grad[:] = 5
    with autograd.record():
        y = x * 2
    y.backward()
    assert x.grad.asnumpy().tolist() == [7, 7]


def test_nothing_is_recorded_outside_record():
    x = variable(1, 2)
    y = nd.exp(x) * x + x[0]
    assert not y._tensor.requires_grad
    with autograd.record(), autograd.pause():
        assert not (x * 2)._tensor.requires_grad


def test_recording_ends_with_its_block_whatever_happens():
    with pytest.raises(ZeroDivisionError), autograd.record():
        raise ZeroDivisionError
    assert not autograd.is_recording()
    assert torch.is_grad_enabled()
    with torch.no_grad():
        with autograd.record():
            assert torch.is_grad_enabled()
        assert not torch.is_grad_enabled()


def test_gradients_of_grad_leave_the_arrays_alone():
    x = variable(1, 2)
    with autograd.record():
        y = x * x
    (found,) = autograd.grad(y, [x])
    assert found.asnumpy().tolist() == [2, 4]
    assert x._tensor.grad is None
    assert not x._fresh_grad


def test_fresh_gradients_are_marked():
    x, unused = variable(1, 2), variable(1, 2)
    with autograd.record():
        y = x * 2
    y.backward()
    assert (x._fresh_grad, unused._fresh_grad) == (True, False)
    x._fresh_grad = False
    assert not x._fresh_grad


def test_training_steps_leave_no_cycles():
    x, w = nd.ones((4, 3)), variable(1, 2, 3)

    class Scaled(autograd.Function):
        def forward(self, x):
            y = x * 2
            self.save_for_backward(x, y)
            return y

        def backward(self, dy):
            return dy * 2

    def step():
        with autograd.record():
            y = Scaled()(nd.BlockGrad(x) * w)
            loss = nd.SoftmaxOutput(y, nd.zeros(4)) + y.max(axis=1, keepdims=True)
        loss.backward()
        fresh = variable(1, 2)
        with autograd.record():
            z = fresh * 2
        z.backward()
        w[:] = w - 0.1 * w.grad

    step()
    gc.collect()
    gc.disable()
    try:
        for _ in range(5):
            step()
        assert gc.collect() == 0
    finally:
        gc.enable()


def test_attaching_again_begins_anew():
    x = variable(1, 2)
    with autograd.record():
        y = x * 2
    y.backward()
    x.attach_grad("add")
    assert x.grad.asnumpy().tolist() == [0, 0]
    assert len(x._tensor._backward_hooks) == 1
    x.attach_grad("null")
    assert x.grad is None
    assert not x._tensor.requires_grad


def test_the_gradient_of_integers_is_made_of_integers():
    x = nd.array([1, 2], dtype="int32")
    x.attach_grad()
    w = variable(3, 4)
    with autograd.record():
        y = w * x.astype("float32")
    y.backward()
    assert x.grad.dtype.__name__ == "int32" and x.grad.asnumpy().tolist() == [3, 4]
    x[:] = [5, 6]  # a new value of the same variable
    with autograd.record():
        y = x * x + x[0] - x.reshape((2,))
    assert autograd.grad(y, x, retain_graph=True)[0].asnumpy().tolist() == [11, 11]
    y.backward()
    assert x.grad.asnumpy().tolist() == [11, 11]
    assert w.grad.asnumpy().tolist() == [1, 2]


def test_backward_in_threads():
    results = {}

    def work(number):
        x = nd.full((3,), number)
        x.attach_grad()
        for _ in range(20):
            with autograd.record():
                y = x * x
            y.backward()
        results[number] = x.grad.asnumpy().tolist()

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == {number: [2.0 * number] * 3 for number in range(4)}


def test_a_function_answers_one_gradient_to_each_input():
    class Wrong(autograd.Function):
        def forward(self, x, y):
            return x + y

        def backward(self, dy):
            return dy

    x, y = variable(1, 2), variable(3, 4)
    with autograd.record():
        z = Wrong()(x, y)
    with pytest.raises(mx.MXNetError, match="one gradient to each input"):
        z.backward()


def test_symbols_are_not_there():
    with pytest.raises(NotImplementedError, match="symbols"):
        autograd.get_symbol(nd.ones(2))


@pytest.mark.oracle
@pytest.mark.parametrize(
    ("function", "low", "high", "order"),
    [
        ("nd.radians(x)", 0, 1, 2),
        ("nd.abs(x)", -1, 1, 3),
        ("nd.relu(x)", -1, 1, 3),
        ("nd.clip(x, 0.3, 0.6)", 0, 1, 3),
        ("nd.Dropout(x, p=0)", 0, 1, 2),
        ("nd.FullyConnected(x, nd.ones((4, 3)), num_hidden=4, no_bias=True)", 0, 1, 2),
        ("nd.arcsinh(x)", 0, 1, 2),
        ("nd.arccosh(x)", 1.2, 3, 2),
        ("nd.sin(x)", 0, 1, 3),
        ("nd.log(x)", 0.5, 1, 3),
        ("nd.sigmoid(x)", -1, 1, 3),
    ],
)
def test_higher_derivatives_also_where_they_are_zero_or_have_mxnets_sign(function, low, high, order):
    same_code(
        f"""
        x = nd.array(np.linspace({low}, {high}, 6).reshape(2, 3) + 0.01)
        x.attach_grad()
        found = []
        with autograd.record():
            y = {function}
            for number in range({order} - 1):
                y = autograd.grad(y, x, head_grads=nd.ones(y.shape) * 2, create_graph=True, retain_graph=True)[0]
                found.append(y)
        y.backward()
        found.append(x.grad)
        """,
        ["found"],
        rtol=1e-4,
    )
    x = nd.array([0.5])
    x.attach_grad()
    with autograd.record():
        y = autograd.grad(nd.abs(x), x, create_graph=True)[0]
    y.backward()
    x.grad[:] = 1  # zeros with memory of their own
    assert x.grad.asscalar() == 1
