"""Optimizer rules: the real frameworks' weights after several steps, the fused against the plain formula, layouts."""

import math

import numpy as np
import pytest
import torch

import oracles
from tandem.ops import updates, updates_lamb

SHAPES = [(3, 4), (4,), (1, 2, 1)]
STEPS = 5


@pytest.fixture(autouse=True, params=[0, 1 << 16], ids=["fused", "foreach"])
def few_or_many(request, monkeypatch):
    """Every rule as it runs for many elements (torch's fused kernels), and as for few."""
    monkeypatch.setattr(updates, "_WORTH_THREADS", request.param)
    return request.param


def tensors(seed, scale=1.0, dtype=torch.float32, steps=None):
    generator = torch.Generator().manual_seed(seed)

    def draw():
        return [torch.randn(shape, generator=generator, dtype=torch.float64).mul(scale).to(dtype) for shape in SHAPES]

    return draw() if steps is None else [draw() for _ in range(steps)]


def zeros(count=1):
    lists = [[torch.zeros(shape) for shape in SHAPES] for _ in range(count)]
    return lists[0] if count == 1 else lists


def run(rule, params, grads):
    """`rule(params, grads, step)` for each list of gradients; step counts from 0 in an integer tensor."""
    iterations = torch.zeros((), dtype=torch.int64)
    for one in grads:
        before = [g.clone() for g in one]
        rule(params, one, iterations)
        assert all(torch.equal(a, b) for a, b in zip(one, before)), "a rule may not write to the gradients"
        iterations += 1
    return params


LR = torch.tensor(0.05)


def keras_rules():
    def sgd(momentum=0.0, nesterov=False):
        velocities = zeros() if momentum else None
        return lambda p, g, t: updates.sgd(p, g, velocities, lr=LR, momentum=momentum, nesterov=nesterov)

    def adam(amsgrad=False):
        states, table = zeros(3 if amsgrad else 2), updates.bias_table(0.9, 0.999)
        return lambda p, g, t: updates.adam(p, g, *states, rate=updates.bias_rate(LR, t, table))

    def decayed(rule, rate=0.1):
        def step(p, g, t):
            updates.decay_weights(p, LR, rate)
            rule(p, g, t)

        return step

    def adamax():
        states, table = zeros(2), updates.bias_table(0.9)
        return lambda p, g, t: updates.adamax(p, g, *states, rate=updates.bias_rate(LR, t, table))

    def nadam():
        states, product = zeros(2), torch.ones(())
        return lambda p, g, t: updates.nadam(p, g, *states, lr=LR, factors=updates.nadam_factors(t, product))

    def adagrad():
        squares = [torch.full(shape, 0.1) for shape in SHAPES]
        return lambda p, g, t: updates.adagrad(p, g, squares, lr=LR)

    def adadelta():
        states = zeros(2)
        return lambda p, g, t: updates.adadelta(p, g, *states, lr=LR)

    def rmsprop(centered=False, momentum=0.0):
        squares, means, velocities = zeros(3)
        means, velocities = means if centered else None, velocities if momentum else None
        return lambda p, g, t: updates.rmsprop(p, g, squares, means, velocities, lr=LR, momentum=momentum)

    def ftrl(**options):
        squares, linears = [torch.full(shape, 0.1) for shape in SHAPES], zeros()
        return lambda p, g, t: updates.ftrl(p, g, squares, linears, lr=LR, **options)

    def lion():
        means = zeros()
        return lambda p, g, t: updates.lion(p, g, means, lr=LR)

    def lamb():
        states, first, second = zeros(2), updates.bias_table(0.9), updates.bias_table(0.999)
        return lambda p, g, t: updates_lamb.lamb(
            p,
            g,
            *states,
            lr=LR,
            mean_factor=updates.bias_factor(t, first),
            variance_factor=updates.bias_factor(t, second),
        )

    def clipped(clip, rule, *options):
        return lambda p, g, t: rule(p, clip(g, *options), t)

    return {
        "SGD()": sgd(),
        "SGD(momentum=0.9)": sgd(0.9),
        "SGD(momentum=0.9, nesterov=True)": sgd(0.9, True),
        "SGD(momentum=0.9, weight_decay=0.1)": decayed(sgd(0.9)),
        "SGD(clipvalue=0.3)": clipped(updates.clip_by_value, sgd(), 0.3),
        "SGD(clipnorm=0.9)": clipped(updates.clip_by_norm, sgd(), 0.9),
        "SGD(global_clipnorm=0.9)": clipped(lambda g: updates.clip_by_global_norm(g, 0.9)[0], sgd()),
        "Adam()": adam(),
        "Adam(amsgrad=True)": adam(True),
        "AdamW(weight_decay=0.1)": decayed(adam()),
        "Adamax()": adamax(),
        "Nadam()": nadam(),
        "Adagrad()": adagrad(),
        "Adadelta()": adadelta(),
        "RMSprop()": rmsprop(),
        "RMSprop(centered=True)": rmsprop(True),
        "RMSprop(momentum=0.9, centered=True)": rmsprop(True, 0.9),
        "Ftrl()": ftrl(),
        "Ftrl(l1_regularization_strength=0.02, l2_regularization_strength=0.1, beta=0.2)": ftrl(
            l1=0.02, l2=0.1, beta=0.2
        ),
        "Ftrl(l2_shrinkage_regularization_strength=0.1, learning_rate_power=-0.7)": ftrl(shrinkage=0.1, power=-0.7),
        "Lion()": lion(),
        "Lamb()": lamb(),
    }


@pytest.mark.oracle
@pytest.mark.parametrize("call", list(keras_rules()))
def test_weights_after_steps_are_kerass(call):
    keras = oracles.real_keras()
    optimizer = eval(f"keras.optimizers.{call}")
    optimizer.learning_rate = 0.05
    start, grads = tensors(1), tensors(2, steps=STEPS)
    variables = [keras.Variable(p.clone()) for p in start]
    for one in grads:
        optimizer.apply([g.clone() for g in one], variables)
    for got, variable in zip(run(keras_rules()[call], start, grads), variables):
        torch.testing.assert_close(got, variable.value.detach(), rtol=1e-4, atol=2e-6)


def mxnet_rules():
    """Every rule with weight decay, rescaling and clipping: the frameworks differ most in their order."""
    rescale = torch.tensor(0.5)
    extra = {"weight_decay": 0.1, "rescale": rescale, "clip": 0.3}

    def sgd(**options):
        velocities = zeros() if options else None
        return lambda p, g, t: updates.sgd(p, g, velocities, lr=LR, **options, **extra)

    def biased(rule, beta2, **options):
        states, table = zeros(2), updates.bias_table(0.9, beta2)
        return lambda p, g, t: rule(p, g, *states, rate=updates.bias_rate(LR, t, table), **options, **extra)

    def nadam():
        states, product = zeros(2), torch.ones(())
        return lambda p, g, t: updates.nadam(
            p,
            g,
            *states,
            lr=LR,
            factors=updates.nadam_factors(t, product, decay=0.004, parameters=3),
            epsilon=1e-8,
            **extra,
        )

    def plain(rule, states, **options):
        lists = zeros(states)
        lists = [lists] if states == 1 else lists
        return lambda p, g, t: rule(p, g, *lists, **{"lr": LR, **extra, **options})

    def rmsprop():
        squares, means, velocities = zeros(3)
        return lambda p, g, t: updates.rmsprop(
            p, g, squares, means, velocities, lr=LR, momentum=0.8, epsilon=1e-8, velocity="change", **extra
        )

    def lamb():
        states, first, second = zeros(2), updates.bias_table(0.9), updates.bias_table(0.999)
        return lambda p, g, t: updates_lamb.lamb(
            p,
            g,
            *states,
            lr=LR,
            mean_factor=updates.bias_factor(t, first),
            variance_factor=updates.bias_factor(t, second),
            epsilon=1e-6,
            lower=0.4,
            upper=1.5,
            **extra,
        )

    ftrl = {"l1": 0.01, "beta": 1.0, "l2": 0.05, "rescale": rescale, "clip": 0.3}
    squares, linears = zeros(2)
    return {
        "SGD()": sgd(),
        "SGD(momentum=0.9)": sgd(momentum=0.9),
        "NAG(momentum=0.9)": plain(updates.nag, 1, momentum=0.9),
        "Adam()": biased(updates.adam, 0.999, epsilon=1e-8),
        "Adamax()": biased(updates.adamax, None, epsilon=0.0),
        "Nadam()": nadam(),
        "AdaGrad()": plain(updates.adagrad, 1),
        "AdaDelta()": plain(updates.adadelta, 2, rho=0.9, epsilon=1e-5, lr=torch.ones(())),
        "RMSProp()": plain(updates.rmsprop, 1, epsilon=1e-8),
        "RMSProp(clip_weights=0.7)": plain(updates.rmsprop, 1, epsilon=1e-8, clip_weights=0.7),
        "RMSProp(centered=True, gamma2=0.8)": rmsprop(),
        "Ftrl()": lambda p, g, t: updates.ftrl(p, g, squares, linears, lr=LR, **ftrl),
        "LAMB(lower_bound=0.4, upper_bound=1.5)": lamb(),
        "Signum()": plain(updates.signum, 1, momentum=0.9),
        # Without momentum MXNet decays the weights beside the sign.
        "Signum(momentum=0.0)": plain(updates.signum, 0, weight_decay=0.0, decoupled_decay=0.1),
        "Signum(wd_lh=0.1)": plain(updates.signum, 1, momentum=0.9, decoupled_decay=0.1),
    }


MXNET = """
    optimizer = mx.optimizer.{name}({arguments}learning_rate=0.05, wd=0.1, rescale_grad=0.5, clip_gradient=0.3)
    updater = mx.optimizer.get_updater(optimizer)
    weights = [nd.array(w) for w in start]
    for one in grads:
        for i, (g, w) in enumerate(zip(one, weights)):
            updater(i, nd.array(g), w)
"""


@pytest.mark.oracle
@pytest.mark.parametrize("call", list(mxnet_rules()))
def test_weights_after_steps_are_mxnets(call):
    name, _, arguments = call[:-1].partition("(")
    start, grads = tensors(1), tensors(2, steps=STEPS)
    code = MXNET.format(name=name, arguments=arguments and arguments + ", ")
    expected = oracles.mxnet.run(code, returns=["weights"], start=start, grads=grads)["weights"]
    for got, theirs in zip(run(mxnet_rules()[call], start, grads), expected):
        np.testing.assert_allclose(got.numpy(), theirs, rtol=2e-4, atol=5e-6)


@pytest.mark.oracle
def test_clip_by_global_norm_is_gluons():
    grads = tensors(3)
    code = "arrays = [nd.array(g) for g in grads]; norm = gluon.utils.clip_global_norm(arrays, 0.7)"
    answer = oracles.mxnet.run(code, returns=["arrays", "norm"], grads=grads)
    got, norm = updates.clip_by_global_norm(grads, 0.7, epsilon=1e-8)
    assert float(norm) == pytest.approx(float(answer["norm"]), rel=1e-5)
    for g, theirs in zip(got, answer["arrays"]):
        np.testing.assert_allclose(g.numpy(), theirs, rtol=1e-5)


# --- the formula itself -----------------------------------------------------------------------------------------------


def strided(values):
    """The same numbers in a memory layout that the fused kernels must not walk."""
    return [torch.empty(*v.shape, 2, dtype=v.dtype)[..., 0].copy_(v) for v in values]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("which", ["all", "grads", "params"])
@pytest.mark.parametrize("rule", ["sgd", "decayed", "momentum", "nesterov", "adam", "amsgrad", "clipped adam"])
def test_fused_kernels_and_any_layout_agree_with_the_formula(rule, which, dtype):
    lr = torch.tensor(0.1, dtype=dtype)
    start, grads = tensors(1, dtype=dtype), tensors(2, dtype=dtype, steps=3)
    params = strided(start) if which in ("all", "params") else [p.clone() for p in start]
    a, b, c = ([torch.zeros_like(p) for p in start] for _ in range(3))
    adam = {"rate": lr, "beta1": 0.8, "beta2": 0.9, "epsilon": 1e-3, "weight_decay": 0.2}
    expected = [p.numpy().copy() for p in start]
    m, v, largest = ([np.zeros_like(p) for p in expected] for _ in range(3))
    for one in grads:
        given = strided(one) if which in ("all", "grads") else one
        if rule == "sgd":
            updates.sgd(params, given, lr=lr)
        elif rule == "decayed":
            updates.sgd(params, given, lr=lr, weight_decay=0.2)
        elif rule in ("momentum", "nesterov"):
            updates.sgd(params, given, a, lr=lr, momentum=0.7, nesterov=rule == "nesterov", weight_decay=0.2)
        else:
            states = (a, b, c) if rule == "amsgrad" else (a, b)
            updates.adam(params, given, *states, clip=0.3 if rule == "clipped adam" else None, **adam)
        for i, g in enumerate(one):
            g, p = g.numpy(), expected[i]
            g = g + 0.2 * p if rule != "sgd" else g
            if rule in ("sgd", "decayed"):
                expected[i] = p - 0.1 * g
            elif rule in ("momentum", "nesterov"):
                v[i] = 0.7 * v[i] - 0.1 * g
                expected[i] = p + (0.7 * v[i] - 0.1 * g if rule == "nesterov" else v[i])
            else:
                g = np.clip(g, -0.3, 0.3) if rule == "clipped adam" else g
                m[i], v[i] = 0.8 * m[i] + 0.2 * g, 0.9 * v[i] + 0.1 * g * g
                largest[i] = np.maximum(largest[i], v[i])
                expected[i] = p - 0.1 * m[i] / (np.sqrt(largest[i] if rule == "amsgrad" else v[i]) + 1e-3)
    for got, wanted in zip(params, expected):
        np.testing.assert_allclose(got.numpy(), wanted, rtol=1e-5 if dtype == torch.float32 else 1e-7)


def test_expanded_and_shared_gradients():
    """Autograd hands out expanded gradients (of a sum) and one tensor for two parameters."""
    shared = torch.tensor(2.0).expand(3, 4)
    params, velocities, means, squares = (
        [torch.ones(3, 4), torch.ones(3, 4)],
        *([torch.zeros(3, 4), torch.zeros(3, 4)] for _ in range(3)),
    )
    updates.sgd(params, [shared, shared], lr=torch.tensor(0.1))
    torch.testing.assert_close(params[0], torch.full((3, 4), 0.8))
    updates.sgd(params, [shared, shared], velocities, lr=torch.tensor(0.1), momentum=0.9)
    torch.testing.assert_close(params[1], torch.full((3, 4), 0.6))
    updates.adam(params, [shared, shared], means, squares, rate=torch.tensor(0.1))
    assert params[0].isfinite().all()
    assert shared.unique().tolist() == [2.0]


def test_permuted_parameters_keep_their_layout():
    """Convolution weights are stored in another order than their shape says."""
    param = torch.randn(3, 3, 2, 5).permute(3, 2, 0, 1)
    grad, before = torch.randn(5, 2, 3, 3), param.clone()
    states = [torch.zeros_like(param)], [torch.zeros_like(param)]
    updates.adam([param], [grad], *states, rate=torch.tensor(0.1), beta1=0.0, beta2=0.0, epsilon=1.0)
    torch.testing.assert_close(param, before - 0.1 * grad / (grad.abs() + 1))


@pytest.mark.parametrize(("beta1", "beta2"), [(0.9, 0.999), (0.9, None), (None, 0.99), (0.0, 0.5)])
def test_bias_table_is_the_formula_at_every_step(beta1, beta2):
    table = updates.bias_table(beta1, beta2, dtype=torch.float64)
    lr = torch.tensor(0.3, dtype=torch.float64)
    for step in (1, 2, 10, 1000, 10**7):
        expected = 0.3
        if beta2 is not None:
            expected *= math.sqrt(1 - beta2**step)
        if beta1 is not None:
            expected /= 1 - beta1**step
        iterations = torch.tensor(step - 1)
        assert float(updates.bias_rate(lr, iterations, table)) == pytest.approx(expected, rel=1e-12)
        assert float(updates.bias_rate(lr, iterations, None, beta1, beta2)) == pytest.approx(expected, rel=1e-6)


def test_no_table_is_made_that_would_be_too_long():
    assert updates.bias_table(0.9, 1 - 1e-7) is None


def test_clipping_of_small_zero_and_lost_gradients():
    small = [torch.tensor([0.3, 0.4])]
    torch.testing.assert_close(updates.clip_by_norm(small, 1.0), small)
    torch.testing.assert_close(updates.clip_by_global_norm(small, 1.0)[0], small)
    zero = [torch.zeros(2)]
    assert torch.equal(updates.clip_by_global_norm(zero, 1.0)[0][0], torch.zeros(2))
    assert torch.equal(updates.clip_by_norm(zero, 1.0)[0], torch.zeros(2))
    lost = [torch.tensor([1.0, math.nan]), torch.ones(1)]
    assert all(g.isnan().all() for g in updates.clip_by_global_norm(lost, 1.0)[0])


def test_averages_and_sums():
    averages, params = [torch.ones(2)], [torch.tensor([0.0, 3.0])]
    updates.ema(averages, params, 0.75)
    torch.testing.assert_close(averages[0], torch.tensor([0.75, 1.5]))
    updates.accumulate(averages, params)
    torch.testing.assert_close(averages[0], torch.tensor([0.75, 4.5]))
    updates.assign(averages, params)
    assert torch.equal(averages[0], params[0])
    assert averages[0].data_ptr() != params[0].data_ptr()


def test_lamb_takes_zero_weights_along():
    params = [torch.zeros(3)]
    updates_lamb.lamb(params, [torch.ones(3)], [torch.zeros(3)], [torch.zeros(3)], lr=torch.tensor(0.1), epsilon=0.0)
    torch.testing.assert_close(params[0], torch.full((3,), -0.1 * 0.1 / math.sqrt(0.001)))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_parameters_take_single_precision_rates(dtype):
    start, grads = tensors(1, dtype=dtype), tensors(2, dtype=dtype)
    states = [[torch.zeros_like(p) for p in start] for _ in range(2)]
    exact, exact_states = [p.float() for p in start], [[p.float() for p in one] for one in states]
    updates.adam(start, grads, *states, rate=LR, epsilon=1e-3)
    updates.adam(exact, [g.float() for g in grads], *exact_states, rate=LR, epsilon=1e-3)
    updates.sgd(start, grads, states[0], lr=LR, momentum=0.9)
    updates.sgd(exact, [g.float() for g in grads], exact_states[0], lr=LR, momentum=0.9)
    for got, wanted in zip(start, exact):
        assert got.dtype == dtype
        torch.testing.assert_close(got.float(), wanted, rtol=2e-2, atol=2e-2)


@pytest.mark.parametrize("rules", [keras_rules, mxnet_rules])
def test_no_rule_reads_a_tensor_back(rules, names_of_calls):
    """torch's bindings read a 0-d tensor given where they would rather have a number (``_foreach_add``)."""
    for call, rule in rules().items():
        steps = torch.zeros((), dtype=torch.int64)
        assert "_local_scalar_dense" not in names_of_calls(lambda: rule(tensors(1), tensors(2), steps)), call  # noqa: B023


def test_the_calls_of_common_rules(count_calls, few_or_many):
    if few_or_many:
        pytest.skip("counts the calls of the fused kernels")
    params, grads = tensors(1), tensors(2)
    velocities, means, squares = zeros(3)
    table, iterations = updates.bias_table(0.9, 0.999), torch.zeros((), dtype=torch.int64)

    def adam():
        updates.adam(params, grads, means, squares, rate=updates.bias_rate(LR, iterations, table))

    assert count_calls(lambda: updates.sgd(params, grads, lr=LR)) == 1
    assert count_calls(lambda: updates.sgd(params, grads, velocities, lr=LR, momentum=0.9, nesterov=True)) == 2
    assert count_calls(adam) == 5  # a step count, the rate (three), the rule
