"""The operator table against what the real MXNet says of its operators: inputs, parameters, defaults, aliases."""

import math
import re

import pytest

from oracles import mxnet as oracle
from tandem.mxnet.operators import OPERATORS
from tandem.mxnet.operators.attributes import REQUIRED

pytestmark = pytest.mark.oracle

_ASK = """
import ctypes
from mxnet.base import _LIB, check_call, mx_uint, py_str, c_str
strings = ctypes.POINTER(ctypes.c_char_p)
answers = {}
for name in names:
    handle = ctypes.c_void_p()
    if _LIB.NNGetOpHandle(c_str(name), ctypes.byref(handle)) != 0:
        answers[name] = None
        continue
    real, text, count = ctypes.c_char_p(), ctypes.c_char_p(), mx_uint()
    arguments, types, texts, variadic, result = strings(), strings(), strings(), ctypes.c_char_p(), ctypes.c_char_p()
    check_call(_LIB.MXSymbolGetAtomicSymbolInfo(handle, *map(ctypes.byref, (
        real, text, count, arguments, types, texts, variadic, result))))
    found = [(py_str(arguments[i]), py_str(types[i])) for i in range(count.value)]
    answers[name] = (handle.value, found, py_str(variadic.value) if variadic.value else "")
"""

# What the oracle, which was built for the CPU, does not have.
CUDA_ONLY = {"_contrib_mrcnn_mask_target"}

# Functions of `sym.np` that a graph must name, and that no operator of MXNet 1.9.1 computes.
OURS = {"_npi_multivariate_normal", "_npi_resize"}

# What is said differently on purpose: name -> reason.
EXCEPT = {
    "_contrib_AdaptiveAvgPooling2D": "no size and an empty one are the same: one row and one column",
    "_npi_flip": "its axis is said to be required, and `np.flip` leaves it out for all axes",
    "_npi_boolean_mask_assign_scalar": "value and start_axis are said to be required, and the second may be left out",
    "_npi_boolean_mask_assign_tensor": "start_axis is said to be required, and may be left out",
    "_npi_norm": "its parameters are not listed, and must be given",
    "smooth_l1": "its parameter is said to have no default, and has 1",
    "BatchNorm_v1": "its moving statistics are not listed, and must be given",
    "_npi_concatenate": "its parameter is said to be called dim, and is axis",
    "IdentityAttachKLSparseReg": "its moving average is not listed, and must be given",
    "_linspace": "arange's parameters are listed; it refuses step and repeat and takes num and endpoint",
    "_linalg_potrf": "its parameter is not listed; it takes lower and refuses others",
    "_linalg_potri": "its parameter is not listed; it takes lower and refuses others",
    "_contrib_quantized_concat": "num_args is said to count the arrays, of which there are three times as many",
    "_image_normalize": "one number stands for as many as there are channels",
}


@pytest.fixture(scope="module")
def said():
    return oracle.run(_ASK, ["answers"], names=sorted(set(OPERATORS) - CUDA_ONLY - OURS))["answers"]


def test_every_name_is_one_of_mxnets(said):
    assert [name for name, answer in said.items() if answer is None] == []


def test_names_of_one_row_are_names_of_one_operator(said):
    for name, answer in said.items():
        row = OPERATORS[name]
        assert answer[0] == said[row.name][0], f"{name} is not {row.name}"


def _default(attribute, text, name):
    """The default that MXNet's text gives, read as the attribute reads it; REQUIRED where there is none."""
    if "required" in text:
        return REQUIRED
    found = re.search(r"default=(.*)$", text)
    if not found:
        return REQUIRED
    value = found.group(1).strip("'")
    if value == "None":
        return None
    return attribute.read(name, value, "the oracle")


def _same(mine, theirs):
    if isinstance(mine, float) and isinstance(theirs, (int, float)):
        return math.isclose(mine, theirs, rel_tol=1e-6, abs_tol=1e-12)  # float32 defaults print with more digits
    if isinstance(mine, tuple) and isinstance(theirs, tuple):
        return len(mine) == len(theirs) and all(map(_same, mine, theirs))
    return mine == theirs or (mine == () and theirs is None)  # a shape that is not given


def test_inputs_parameters_and_defaults(said):
    wrong = []
    for row in {row.name: row for row in OPERATORS.values()}.values():
        if row.name in {*EXCEPT, *CUDA_ONLY, *OURS}:
            continue
        _, arguments, variadic = said[row.name]
        inputs = tuple(name for name, text in arguments if "NDArray" in text or "Symbol" in text)
        parameters = {name: text for name, text in arguments if name not in inputs}
        if row.variadic is not None:
            if row.variadic != variadic:
                wrong.append(f"{row.name}: counted by {row.variadic!r} against {variadic!r}")
            parameters.pop("num_args", None)
        elif row.inputs != inputs:
            wrong.append(f"{row.name}: inputs {row.inputs} against {inputs}")
        mine = {name: attribute for name, attribute in row.attributes.items() if name != "num_args"}
        if list(mine) != list(parameters):
            wrong.append(f"{row.name}: parameters {list(mine)} against {list(parameters)}")
            continue
        for name, attribute in mine.items():
            theirs = _default(attribute, parameters[name], name)
            if not _same(attribute.default, theirs):
                wrong.append(f"{row.name}: {name}={attribute.default!r} against {theirs!r} ({parameters[name]})")
    assert not wrong, "\n".join(wrong)
