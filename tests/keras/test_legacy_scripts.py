"""Whole scripts as they were written for Keras 1 and 2 run unchanged; what they must find they assert themselves."""

import subprocess
import sys
from pathlib import Path

import pytest

SCRIPTS = sorted((Path(__file__).parent / "old_scripts").glob("*.py"))


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.stem)
def test_an_old_script_runs(path, tmp_path):
    if path.stem == "grid_search":
        pytest.importorskip("sklearn")
    done = subprocess.run(
        [sys.executable, "-m", "tandem", "run", str(path)], capture_output=True, text=True, cwd=tmp_path, timeout=120
    )
    assert done.returncode == 0, done.stderr[-3000:]
