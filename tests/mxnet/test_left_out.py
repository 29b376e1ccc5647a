"""What of MXNet is left out says why, at its name and in the page of what is left out."""

import functools
from pathlib import Path

import pytest

import tandem.mxnet as mx
from tandem.mxnet.left_out import REASONS

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "mxnet.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("path", REASONS)
def test_a_name_that_is_left_out_says_why(path):
    *modules, name = path.split(".")[1:]
    with pytest.raises(AttributeError) as raised:
        getattr(functools.reduce(getattr, modules, mx), name)
    assert REASONS[path] in str(raised.value)
    assert f"`{name}`" in PAGE


def test_operators_are_left_out_of_symbols_too():
    with pytest.raises(AttributeError, match="stay floats"):
        mx.sym.contrib.quantized_rnn  # noqa: B018 - the name is what is asked for
