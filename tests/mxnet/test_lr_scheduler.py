"""Schedules: what they refuse. (Their numbers are compared with the oracle's.)"""

import pytest

from tandem.mxnet import lr_scheduler as schedules


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: schedules.FactorScheduler(0, 0.5), ValueError, "at least 1 update"),
        (lambda: schedules.FactorScheduler(1, 1.5), ValueError, "factor <= 1"),
        (lambda: schedules.MultiFactorScheduler([], 0.5), AssertionError, "list"),
        (lambda: schedules.MultiFactorScheduler((1, 2), 0.5), AssertionError, "list"),
        (lambda: schedules.MultiFactorScheduler([3, 2], 0.5), ValueError, "increase"),
        (lambda: schedules.MultiFactorScheduler([0, 2], 0.5), ValueError, "at least 1"),
        (lambda: schedules.PolyScheduler(0), ValueError, "max_update"),
        (lambda: schedules.CosineScheduler(1.5), AssertionError, "an int"),
        (lambda: schedules.LRScheduler(warmup_mode="x"), ValueError, "linear or constant"),
        (lambda: schedules.LRScheduler(warmup_begin_lr=1), ValueError, "above the base"),
        (lambda: schedules.LRScheduler(warmup_steps=-1), ValueError, "fewer than 0"),
        (lambda: schedules.LRScheduler()(3), NotImplementedError, "Override"),
    ],
)
def test_wrong_arguments(make, error, message):
    with pytest.raises(error, match=message):
        make()


def test_a_schedule_of_ones_own_drives_the_trainer():
    import tandem.mxnet as mx

    class Halving(schedules.LRScheduler):
        def __call__(self, num_update):
            return self.base_lr / 2**num_update

    net = mx.gluon.nn.Dense(1, in_units=1, use_bias=False)
    net.initialize(mx.init.One())
    trainer = mx.gluon.Trainer(net.collect_params(), "sgd", {"lr_scheduler": Halving(base_lr=1.0)})
    for wanted in (0.5, 0.25, 0.125):
        with mx.autograd.record():
            y = net(mx.nd.ones((1, 1)))
        y.backward()
        trainer.step(1)
        assert net.weight.data().asscalar() == wanted
