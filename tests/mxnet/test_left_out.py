"""What of MXNet is left out says why, at its name and in the page of what is left out."""

import functools
import subprocess
import sys
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


def test_scripts_read_the_reason_too(tmp_path):
    script = tmp_path / "script.py"
    script.write_text(
        "import mxnet as mx\n"
        "for module, name in ((mx, 'rtc'), (mx.nd, 'imdecode'), (mx.nd.contrib, 'quantized_rnn')):\n"
        "    try:\n"
        "        getattr(module, name)\n"
        "    except AttributeError as error:\n"
        "        print(error)\n"
    )
    command = [sys.executable, "-m", "tandem", "run", str(script)]
    lines = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    assert [line.partition(". ")[0] for line in lines] == [
        "module 'mxnet' has no attribute 'rtc'",
        "module 'mxnet.ndarray' has no attribute 'imdecode'",
        "module 'mxnet.ndarray.contrib' has no attribute 'quantized_rnn'",
    ]
    assert "torch has extensions" in lines[0] and "mx.image.imdecode" in lines[1] and "stay floats" in lines[2]
