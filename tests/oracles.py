"""The real frameworks, for tests: `mxnet.run(code, returns=[...], **inputs)` and `real_keras()`.

`make oracles` builds their environments. Where one is missing the test is skipped, unless TANDEM_REQUIRE_ORACLES
names it (continuous integration sets it to "keras,mxnet"): then it fails.
"""

import atexit
import importlib.util
import os
import select
import subprocess
import tempfile
import textwrap
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
WORKER = Path(__file__).resolve().parent / "oracle" / "mxnet_worker.py"


def _load_worker_module():
    spec = importlib.util.spec_from_file_location("_oracle_wire", WORKER)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


_wire = _load_worker_module()


class OracleError(Exception):
    """The code raised in the oracle: `type` is the exception's class name, `text` its message."""

    def __init__(self, type, text, traceback=""):
        super().__init__(f"{type}: {text}\n{traceback}")
        self.type, self.text, self.traceback = type, text, traceback


def _missing(name, reason):
    if name in os.environ.get("TANDEM_REQUIRE_ORACLES", "").split(","):
        pytest.fail(reason, pytrace=False)
    pytest.skip(reason)


class _MXNet:
    """One worker process in the environment that has MXNet, started at the first use and kept until the tests end."""

    def __init__(self, folder):
        self.python = folder / "bin" / "python"
        self._process = None
        self._log = None

    def available(self):
        """Whether the environment exists, for code that would rather choose than skip."""
        return self.python.exists()

    def run(self, code, returns=(), *, fresh=False, timeout=120, **inputs):
        """Run `code` in the real MXNet and give the values of the names in `returns` as a dict.

        code: Python source (indented as one likes); it sees mx, nd, np (numpy), autograd, gluon and the inputs.
        inputs: numpy arrays, torch tensors (both arrive as numpy arrays), plain values, lists, dicts.
        returns: names; NDArrays come back as numpy arrays, lists, tuples, dicts and plain values as themselves.
        fresh: start a new process first: name counters ("dense0_"), random state and the like begin anew.
        Raises OracleError with `.type` and `.text` where the code raises.
        """
        if not self.available():
            _missing("mxnet", "the environment with the real MXNet is not here; `make oracles` builds it")
        if isinstance(returns, str):
            returns = [returns]
        if fresh:
            self.close()
        self._start(timeout)
        request = {
            "code": textwrap.dedent(code),
            "returns": list(returns),
            "inputs": {name: _wire.encode(value, name) for name, value in inputs.items()},
        }
        try:
            _wire.send(self._process.stdin, request)
        except BrokenPipeError:
            self._died()
        answer = self._receive(timeout)
        if "error" in answer:
            raise OracleError(**answer["error"])
        return {name: _wire.decode(value) for name, value in answer["values"].items()}

    def close(self):
        process, self._process = self._process, None
        if process is not None:
            process.stdin.close()
            try:
                process.wait(5)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            process.stdout.close()
        if self._log is not None:
            self._log.close()
            self._log = None

    def _start(self, timeout):
        if self._process is not None and self._process.poll() is None:
            return
        self.close()
        self._log = tempfile.TemporaryFile()  # noqa: SIM115 (lives as long as the process)
        clean = {key: value for key, value in os.environ.items() if not key.startswith(("PYTHON", "TANDEM_", "MXNET_"))}
        self._process = subprocess.Popen(
            [str(self.python), "-u", str(WORKER)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            env={**clean, "OMP_NUM_THREADS": "1", "MXNET_CPU_WORKER_NTHREADS": "1"},
        )
        self._receive(timeout)

    def _receive(self, timeout):
        # The frame's first bytes come when the code has run; only they are waited for with a limit.
        if not select.select([self._process.stdout], [], [], timeout)[0]:
            self._process.kill()
            self._died(f"took longer than {timeout} s")
        answer = _wire.receive(self._process.stdout)
        return answer if answer is not None else self._died()

    def _died(self, reason=None):
        deadline = time.monotonic() + 5
        while self._process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.01)
        self._log.seek(0)
        tail = self._log.read()[-4000:].decode(errors="replace")
        reason = reason or f"ended with exit status {self._process.poll()}"
        self.close()
        raise OracleError("ProcessDied", f"the MXNet process {reason}", tail)


mxnet = _MXNet(ROOT / ".oracles" / "mxnet")
atexit.register(mxnet.close)


def real_keras():
    """The real `keras` module, on its torch backend; skips the test where it is not installed."""
    spec = importlib.util.find_spec("keras")
    if spec is None or spec.origin is None:  # a folder of tests may have this name
        _missing("keras", "the real Keras is not installed here; `make oracles` installs it")
    if os.environ.get("KERAS_BACKEND") != "torch":
        raise RuntimeError("KERAS_BACKEND must be 'torch' before keras is imported; tests/conftest.py sets it")
    import keras

    return keras
