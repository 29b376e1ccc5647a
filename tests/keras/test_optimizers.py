"""`Optimizer` and its base: what is peculiar to it (tests/contract holds every rule to the real Keras's numbers)."""

import warnings

import numpy as np
import pytest
import torch

from tandem import keras
from tandem.keras import optimizers
from tandem.keras.legacy import optimizers as legacy


def _variable(*shape, name="w"):
    return keras.Variable(np.ones(shape or (2,), "float32"), name=name)


def _step(optimizer, variable, gradient=1.0):
    optimizer.apply([torch.full(tuple(variable.shape), gradient)], [variable])
    return variable.numpy()


# --- identifiers -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["adam", "Adam", "ADAM", {"class_name": "Adam", "config": {"learning_rate": 0.25}}])
def test_identifiers(name):
    optimizer = optimizers.get(name)
    assert type(optimizer) is optimizers.Adam
    assert float(optimizer.learning_rate) == (0.25 if isinstance(name, dict) else pytest.approx(1e-3))
    assert optimizers.get(optimizer) is optimizer


def test_unknown_identifiers():
    with pytest.raises(ValueError, match="Did you mean 'RMSprop'"):
        optimizers.get("rmsprob")
    with pytest.raises(ValueError, match="identifier"):
        optimizers.get(3)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"clipnorm": 1, "clipvalue": 2}, "Only one of"),
        ({"gradient_accumulation_steps": 1}, ">= 2"),
        ({"use_ema": True, "ema_momentum": 2}, "ema_momentum"),
        ({"use_ema": True, "ema_overwrite_frequency": 0.5}, "ema_overwrite_frequency"),
        ({"momentum": 1.5}, "momentum"),
        ({"learning_rat": 0.1}, "Did you mean 'learning_rate'"),
    ],
)
def test_wrong_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        optimizers.SGD(**arguments)


# --- steps -----------------------------------------------------------------------------------------------------------


def test_an_optimizer_of_ones_own():
    class Plain(optimizers.Optimizer):
        def build(self, variables):
            if self.built:
                return
            super().build(variables)
            self.seen = [self.add_variable_from_reference(variable, name="seen") for variable in variables]

        def update_step(self, gradient, variable, learning_rate):
            self.assign_add(self.seen[self._get_variable_index(variable)], gradient)
            self.assign_sub(variable, gradient * learning_rate)

    optimizer, variable = Plain(0.5), _variable()
    np.testing.assert_allclose(_step(optimizer, variable), 0.5)
    np.testing.assert_allclose(_step(optimizer, variable), 0.0)
    assert [v.path for v in optimizer.variables] == ["plain/iteration", "plain/learning_rate", "plain/w_seen"]
    np.testing.assert_allclose(optimizer.seen[0].numpy(), 2.0)


def test_a_subclass_may_change_one_variables_step():
    class Half(optimizers.SGD):
        def update_step(self, gradient, variable, learning_rate):
            super().update_step(gradient, variable, learning_rate * 0.5)

    np.testing.assert_allclose(_step(Half(0.5), _variable()), 0.75)


def test_gradients_that_are_missing():
    first, second = _variable(name="first"), _variable(name="second")
    optimizer = optimizers.SGD(0.5, momentum=0.9)
    with pytest.warns(UserWarning, match=r"Gradients do not exist for variables \['second'\]"):
        optimizer.apply([torch.ones(2), None], [first, second])
    np.testing.assert_allclose(first.numpy(), 0.5)
    np.testing.assert_allclose(second.numpy(), 1.0)
    with pytest.raises(ValueError, match="No gradients"):
        optimizer.apply([None, None], [first, second])
    optimizer.apply_gradients([(torch.ones(2), second)])
    np.testing.assert_allclose(second.numpy(), 0.5)


def test_variables_must_be_known():
    optimizer = optimizers.Adam()
    _step(optimizer, _variable())
    with pytest.raises(ValueError, match=r"Unknown variable.*other"):
        _step(optimizer, _variable(name="other"))
    with pytest.raises(ValueError, match="one-to-one"):
        optimizer.apply([torch.ones(2), torch.ones(2)])
    with pytest.raises(ValueError, match="already be built"):
        optimizers.Adam().apply([torch.ones(2)])


def test_variables_of_several_dtypes():
    variables = [_variable(), keras.Variable(np.ones(3), dtype="float64"), keras.Variable(np.ones(3), dtype="bfloat16")]
    optimizer = optimizers.Adam(0.5)
    optimizer.apply([torch.ones(2), torch.ones(3, dtype=torch.float64), torch.ones(3)], variables)
    for variable in variables:
        np.testing.assert_allclose(variable.numpy(), 0.5, atol=1e-2)


def test_weight_decay_leaves_out_what_it_should():
    optimizer = optimizers.SGD(0.5, weight_decay=0.1)
    bias, kernel, chosen = _variable(name="bias"), _variable(name="kernel"), _variable(name="scale")
    optimizer.exclude_from_weight_decay(var_list=[chosen], var_names=["bias"])
    optimizer.apply([torch.zeros(2)] * 3, [bias, kernel, chosen])
    assert [float(v.numpy()[0]) for v in (bias, kernel, chosen)] == pytest.approx([1.0, 0.95, 1.0])
    with pytest.raises(ValueError, match="before the optimizer is built"):
        optimizer.exclude_from_weight_decay(var_names=["kernel"])


def test_constraints_are_applied():
    variable = _variable()
    variable.constraint = keras.constraints.NonNeg()
    np.testing.assert_allclose(_step(optimizers.SGD(5.0), variable), 0.0)


def test_average_at_the_end():
    optimizer, variable = optimizers.SGD(0.5, use_ema=True, ema_momentum=0.5), _variable()
    _step(optimizer, variable)
    _step(optimizer, variable)
    np.testing.assert_allclose(variable.numpy(), 0.0)
    optimizer.finalize_variable_values([variable])
    np.testing.assert_allclose(variable.numpy(), 0.25)


# --- the learning rate -----------------------------------------------------------------------------------------------


def test_learning_rates():
    optimizer, variable = optimizers.SGD(0.5), _variable()
    optimizer.learning_rate = 0.25
    np.testing.assert_allclose(_step(optimizer, variable), 0.75)
    optimizer.learning_rate.assign(0.5)
    np.testing.assert_allclose(_step(optimizer, variable), 0.25)
    optimizer.learning_rate = optimizers.schedules.PiecewiseConstantDecay([2], [0.25, 100.0])
    assert float(optimizer.learning_rate) == 0.25
    np.testing.assert_allclose(_step(optimizer, variable), 0.0)
    with pytest.raises(TypeError, match="not settable"):
        optimizer.learning_rate = 0.1
    assert len(optimizer.variables) == 1


def test_a_schedule_of_ones_own():
    class Noam(optimizers.schedules.LearningRateSchedule):
        def __init__(self, warm_up):
            self.warm_up = warm_up

        def __call__(self, step):
            step = step + 1.0
            return torch.minimum(torch.rsqrt(step), step * self.warm_up**-1.5)

        def get_config(self):
            return {"warm_up": self.warm_up}

    optimizer = optimizers.SGD(Noam(4))
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    model.compile(optimizer, "mse")
    model.fit(np.ones((12, 2)), np.ones((12, 1)), batch_size=2, verbose=0)
    assert float(optimizer.learning_rate) == pytest.approx(7**-0.5)
    with keras.saving.custom_object_scope({"Noam": Noam}):
        again = optimizers.deserialize(optimizers.serialize(optimizer))
    assert again._learning_rate.warm_up == 4


@pytest.mark.parametrize(
    ("name", "arguments"),
    [("ExponentialDecay", (0.1, 0, 0.5)), ("PolynomialDecay", (0.1, 0)), ("PiecewiseConstantDecay", ([1], [0.1]))],
)
def test_schedules_that_cannot_be(name, arguments):
    with pytest.raises(ValueError, match=r"> 0|1 less"):
        getattr(optimizers.schedules, name)(*arguments)


# --- Keras 1 and 2 ---------------------------------------------------------------------------------------------------


def test_old_arguments(monkeypatch):
    monkeypatch.setattr(legacy, "_told", set())
    with pytest.warns(DeprecationWarning, match="write `learning_rate` for `lr`"):
        optimizer = optimizers.SGD(lr=0.5)
    assert float(optimizer.lr) == 0.5
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        optimizers.SGD(lr=0.1)  # said once
    with pytest.warns(DeprecationWarning, match=r"InverseTimeDecay\(0\.5, 1, 0\.25\)"):
        optimizer = optimizers.SGD(learning_rate=0.5, decay=0.25)
    variable = _variable()
    steps = [1.0, *(float(_step(optimizer, variable)[0]) for _ in range(3))]
    np.testing.assert_allclose(-np.diff(steps), [0.5 / (1 + 0.25 * t) for t in range(3)], rtol=1e-6)
    optimizer.lr = 1.0  # as Keras 2's callbacks do
    assert float(optimizer.learning_rate) == 1.0


# --- weights ---------------------------------------------------------------------------------------------------------


def test_state_can_be_kept():
    first, second = optimizers.Adam(0.1), optimizers.Adam(0.5)
    a, b = _variable(), _variable()
    _step(first, a)
    second.build([b])
    b.assign(a)
    store = {}
    first.save_own_variables(store)
    second.load_own_variables(store)
    np.testing.assert_array_equal(_step(first, a, 2.0), _step(second, b, 2.0))
    third = optimizers.Adam()
    with pytest.raises(ValueError, match="not yet been built"):
        third.set_weights([])
    third.build([_variable()])
    third.set_weights(first.get_weights())
    assert int(third.iterations) == 2
    with pytest.warns(UserWarning, match="Skipping variable loading"):
        third.load_own_variables({"0": np.zeros(())})


def test_loss_scale():
    optimizer = optimizers.LossScaleOptimizer(optimizers.SGD(0.5), initial_scale=8.0, dynamic_growth_steps=2)
    variable = _variable()
    assert float(optimizer.scale_loss(torch.tensor(2.0))) == 16.0
    np.testing.assert_allclose(_step(optimizer, variable, 8.0), 0.5)
    np.testing.assert_allclose(_step(optimizer, variable, float("inf")), 0.5)
    assert float(optimizer.dynamic_scale) == 4.0
    assert int(optimizer.iterations) == 1
    _step(optimizer, variable, 0.0)
    _step(optimizer, variable, 0.0)
    assert float(optimizer.dynamic_scale) == 8.0
    optimizer.learning_rate = 0.25
    assert float(optimizer.inner_optimizer.learning_rate) == 0.25
    with pytest.raises(ValueError, match="loss_scale_factor"):
        optimizers.LossScaleOptimizer(optimizers.SGD(loss_scale_factor=2.0))


def test_loss_scale_and_gathered_gradients_over_two_fits():
    def losses(eagerly):
        keras.utils.set_random_seed(0)
        inner = optimizers.SGD(0.1, gradient_accumulation_steps=2)
        model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
        optimizer = optimizers.LossScaleOptimizer(inner, dynamic_growth_steps=3)
        model.compile(optimizer, "mse", run_eagerly=eagerly)
        x = np.random.default_rng(0).normal(size=(20, 2)).astype("float32")
        x[8] = 1e30  # one step whose gradients are not finite
        fits = [model.fit(x, x[:, :1], batch_size=4, shuffle=False, verbose=0, epochs=2) for _ in range(2)]
        return [model.get_weights()[0].tolist(), int(inner.counter), *(fit.history["loss"][0] for fit in fits)]

    assert losses(False) == losses(True)
