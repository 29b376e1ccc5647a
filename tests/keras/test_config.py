"""`keras.utils.Config`: the same answers as the real one's."""

import copy

import pytest

from oracles import real_keras
from tandem import keras

pytestmark = pytest.mark.oracle


@pytest.fixture(params=["ours", "real"])
def make(request):
    return keras.utils.Config if request.param == "ours" else real_keras().utils.Config


def test_entries_are_attributes_and_items(make):
    config = make(units=3)
    config.rate = 0.1
    config["name"] = "net"
    assert (config.units, config["rate"], config.get("x", 5), len(config)) == (3, 0.1, 5, 3)
    assert list(config) == ["name", "rate", "units"] and "units" in config
    assert config.as_dict() == dict(config.items()) == {"units": 3, "rate": 0.1, "name": "net"}
    assert config.to_json() == '{"units": 3, "rate": 0.1, "name": "net"}'
    config.update({"a": 1}, b=2)
    assert config.pop("a") == 1 and config.pop("a", None) is None
    del config["b"], config["rate"]
    assert list(config.keys()) == ["units", "name"] and list(config.values()) == [3, "net"]
    assert repr(config) == "<Config {'units': 3, 'name': 'net'}>"
    with pytest.raises(AttributeError, match="Unknown attribute: 'unit'"):
        config.unit  # noqa: B018


def test_frozen_ones_do_not_change(make):
    config = make(units=3)
    config.freeze()
    assert config.frozen
    for change in (
        lambda: setattr(config, "units", 4),
        lambda: config.update(units=4),
        lambda: config.pop("units"),
        lambda: config.__setitem__("units", 4),
        lambda: config.__delitem__("units"),
    ):
        with pytest.raises(ValueError, match="frozen"):
            change()
    config.unfreeze()
    config.units = 4
    assert config.units == 4


def test_copies_are_their_own():
    config = keras.utils.Config(units=[3])
    other = copy.deepcopy(config)
    other.units.append(4)
    assert config.units == [3] and other.units == [3, 4]
