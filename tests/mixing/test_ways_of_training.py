"""Whatever a model is mixed of, and however it is trained, its weights become what torch alone makes of them."""

import pytest
import torch

from mixing_models import CONTAINERS, WAYS, Pieces, by_torch, data, is_replayed
from tandem import keras


@pytest.fixture(autouse=True)
def float64():
    keras.config.set_floatx("float64")
    keras.utils.set_random_seed(3)
    yield
    keras.config.set_floatx("float32")


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("container", CONTAINERS)
def test_the_weights_are_those_of_torch_alone(container, way):
    pieces = Pieces()
    model = CONTAINERS[container](pieces.all())
    x, y = data()
    before = model.eval()(torch.from_numpy(x))
    reference = pieces.reference()
    torch.testing.assert_close(before, reference.eval()(torch.from_numpy(x)), rtol=1e-9, atol=1e-9)
    trained = WAYS[way](model, x, y, 0.0625, 4)
    by_torch(reference, x, y, 0.0625, 4)
    for mine, theirs in zip(pieces.learned(), reference.parameters(), strict=True):
        torch.testing.assert_close(mine, theirs, rtol=1e-9, atol=1e-9)
    theirs = [module.running_mean for module in reference if hasattr(module, "running_mean")]
    for mine, mean in zip(pieces.means(), theirs, strict=True):
        torch.testing.assert_close(mine, mean, rtol=1e-9, atol=1e-9)
    assert pieces.module[1].num_batches_tracked == 8
    if way == "fit":
        assert is_replayed(trained)
