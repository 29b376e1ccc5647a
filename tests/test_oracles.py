"""The bridge to the real frameworks: what goes over and what comes back."""

import numpy as np
import pytest

from oracles import OracleError, mxnet, real_keras

pytestmark = pytest.mark.oracle


def test_values_of_all_kinds_go_there_and_back():
    inputs = {
        "a": np.arange(6, dtype="float16").reshape(2, 3)[:, ::2],
        "b": np.array([], dtype="int64"),
        "c": {"x": [1, 2.5, None, "é"], "y": (True, b"\x00")},
        "d": np.float32(0.1),
    }
    back = mxnet.run("e = nd.array(a, dtype='float16') * 2; f = [e, {'k': e.sum()}]", [*inputs, "e", "f"], **inputs)
    np.testing.assert_array_equal(back["a"], inputs["a"])
    assert back["a"].dtype == np.float16 and back["b"].dtype == np.int64 and back["b"].shape == (0,)
    assert back["c"] == inputs["c"] and back["d"] == inputs["d"]
    np.testing.assert_array_equal(back["f"][0], inputs["a"] * 2)
    assert back["f"][1]["k"].shape == (1,)
    back["e"][0] = 0  # owns its memory


def test_code_is_run_in_the_real_mxnet_in_a_namespace_of_its_own():
    code = """
        x = nd.array([1., 2.])
        x.attach_grad()
        with autograd.record():
            y = (x ** 2).sum()
        y.backward()
        print("printing does not disturb the answers")
        version, gradient = mx.__version__, x.grad
    """
    back = mxnet.run(code, ["version", "gradient"])
    assert back["version"] == "1.9.1"
    np.testing.assert_array_equal(back["gradient"], [2, 4])
    with pytest.raises(OracleError, match="gradient") as caught:
        mxnet.run("gradient", [])
    assert caught.value.type == "NameError"


def test_an_error_there_has_its_type_and_text_and_the_process_goes_on():
    with pytest.raises(OracleError) as caught:
        mxnet.run("nd.dot(nd.ones((2, 3)), nd.ones((2, 3))).asnumpy()")
    assert caught.value.type == "MXNetError"
    assert "dot" in caught.value.text
    with pytest.raises(OracleError, match="nothing_here"):
        mxnet.run("a = 1", ["nothing_here"])
    assert mxnet.run("a = 1", ["a"]) == {"a": 1}


def test_a_crash_and_an_endless_loop_there_are_errors_here():
    with pytest.raises(OracleError, match="exit status 7"):
        mxnet.run("import os; os._exit(7)")
    with pytest.raises(OracleError, match="longer than 1 s"):
        mxnet.run("while True: pass", timeout=1)
    assert mxnet.run("a = 2", ["a"]) == {"a": 2}


def test_fresh_starts_the_name_counters_anew():
    code = "name = gluon.nn.Dense(1).name"
    assert mxnet.run(code, ["name"], fresh=True)["name"] == "dense0"
    assert mxnet.run(code, ["name"])["name"] == "dense1"


def test_real_keras_runs_on_torch():
    keras = real_keras()
    assert keras.backend.backend() == "torch"
    assert int(keras.__version__.split(".")[0]) >= 3
    assert keras.layers.Dense(2)(np.ones((1, 3), "float32")).shape == (1, 2)
