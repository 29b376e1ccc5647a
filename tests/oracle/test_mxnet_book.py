"""Scripts in the style of a textbook on `mx.np`, run in the real MXNet and here: what they compute is the same.

The scripts, in the folder `book`, put their results into `res`.
"""

from pathlib import Path

import pytest

import tandem.mxnet as mx
from mxnet_parity import assert_same, plain, run_here
from oracles import mxnet as oracle

pytestmark = pytest.mark.oracle

BOOK = Path(__file__).resolve().parent / "book"
SCRIPTS = sorted(path.stem for path in BOOK.glob("*.py") if path.stem != "tools")


@pytest.mark.parametrize("name", SCRIPTS)
def test_scripts_compute_what_they_compute_in_mxnet(name, tmp_path):
    code = (BOOK / "tools.py").read_text() + (BOOK / f"{name}.py").read_text() + "\nnpx.waitall()\nnpx.reset_np()\n"
    there = oracle.run(code, ["res"], folder=str(tmp_path))["res"]
    try:
        here = run_here(code, folder=str(tmp_path))["res"]
    finally:
        mx.npx.reset_np()
    assert set(here) == set(there)
    wrong = []
    for key, value in there.items():
        try:
            # Some train for several steps, which makes small differences larger.
            assert_same(plain(here[key]), value, key, rtol=2e-3, atol=5e-4)
        except AssertionError as error:
            wrong.append(str(error).strip())
    assert not wrong, "\n".join(wrong)
