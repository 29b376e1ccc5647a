"""Operators read from ONNX against the numbers that ONNX's own definitions come with."""

import warnings

import numpy as np
import pytest

import tandem.mxnet as mx
from tandem.mxnet.onnx.imports import TABLE
from tandem.mxnet.onnx.reader import NotImported

onnx = pytest.importorskip("onnx", reason="pip install tandem[onnx] brings onnx")

DTYPES = {np.dtype(name) for name in ("float32", "float64", "int8", "uint8", "int32", "int64", "bool")}
# Remainders of and by infinity are MXNet's; what is random has other numbers; MXNet has no arrays without elements.
OTHERS = ("mod_float_edge_cases", "training_dropout", "bernoulli", "kernel_size_one")


def as_mxnet_has_it(array):
    """Truth values as numbers, and at least one axis."""
    array = np.asarray(array)
    array = array.astype("int32") if array.dtype == bool else array
    return array.reshape(1) if array.ndim == 0 else array


def cases():
    from onnx.backend.test.case.node import collect_testcases

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the definitions' own numbers overflow here and there
        found = collect_testcases(None)
    for case in found:
        arrays = [array for part in case.data_sets[0] for array in part]
        plain = all(isinstance(array, (np.ndarray, np.generic)) and array.dtype in DTYPES for array in arrays)
        nodes = {node.op_type for node in case.model.graph.node}
        if plain and nodes & set(TABLE) and not any(name in case.name for name in OTHERS):
            yield case


def outputs(case, path):
    onnx.save(case.model, path)
    sym, args, states = mx.contrib.onnx.import_model(path)
    names = [value.name for value in case.model.graph.input]
    given = {name: mx.nd.array(array := as_mxnet_has_it(one), dtype=array.dtype)
             for name, one in zip(names, case.data_sets[0][0])}  # fmt: skip
    given.update({**args, **states})
    bound = sym.bind(
        mx.cpu(),
        {name: given[name] for name in sym.list_arguments()},
        grad_req="null",
        aux_states={name: given[name] for name in sym.list_auxiliary_states()},
    )
    return [array.asnumpy() for array in bound.forward()]


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::tandem.engine.replay.EagerWarning", "ignore::RuntimeWarning")
def test_operators_give_the_numbers_of_their_definitions(tmp_path):
    right, wrong = 0, {}
    for case in cases():
        try:
            found = outputs(case, str(tmp_path / "case.onnx"))
        except NotImported:
            continue
        except Exception as error:  # whatever it is: it is told below
            wrong[case.name] = repr(error)
            continue
        wanted = [as_mxnet_has_it(one) for one in case.data_sets[0][1]]
        same = len(found) <= len(wanted) and all(
            one.shape == other.shape and np.allclose(one, other, rtol=1e-3, atol=1e-5, equal_nan=True)
            for one, other in zip(found, wanted)
        )
        right += same
        if not same:
            wrong[case.name] = found, wanted
    assert not wrong, "\n".join(f"{name}: {what}"[:300] for name, what in wrong.items())
    assert right > 400
