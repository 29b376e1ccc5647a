"""Each operator of the table of translations, written as ONNX, run by onnxruntime and read back, on the contract's
inputs."""

import numpy as np
import pytest

import tandem.mxnet as mx
from mxnet_operator_cases import CASES
from tandem.mxnet.onnx import translations
from tandem.mxnet.onnx.graph import NotTranslated
from tandem.mxnet.onnx.reader import NotImported
from tandem.mxnet.operators import OPERATORS
from tandem.mxnet.symbol import compose
from tandem.mxnet.symbol.symbol import Symbol

onnx = pytest.importorskip("onnx", reason="pip install tandem[onnx] brings onnx and onnxruntime")
onnxruntime = pytest.importorskip("onnxruntime", reason="pip install tandem[onnx] brings onnx and onnxruntime")

# What opset 13 has no words for, or nobody has written down yet.
REFUSED = {
    ("diag", ("axis1", 1)): "only matrices and vectors",
    ("_sample_multinomial", ("get_prob", True)): "get_prob",
    ("_contrib_ROIAlign", ("aligned", True)): "not in opset 13",
    ("_contrib_ROIAlign", ("position_sensitive", True)): "not in opset 13",
}
# ONNX operators in translations that have no counterpart: such files run elsewhere, and are not read back.
ONE_WAY = ("NonMaxSuppression", "ScatterElements", "ScatterND")
TRANSLATED = [case for case in CASES if case.name in OPERATORS and OPERATORS[case.name].name in translations.TABLE]
CLOSE = {"float32": {"rtol": 2e-4, "atol": 2e-5}, "float16": {"rtol": 2e-2, "atol": 2e-2}}
_IDS = [f"{place}-{case.id}" for place, case in enumerate(TRANSLATED)]


def refusal(case):
    return next(
        (text for (name, item), text in REFUSED.items() if case.name == name and item in case.attributes.items()), None
    )


def in_onnx(sym, params, inputs, path):
    """The outputs that onnxruntime gives for a symbol; inputs: name -> array."""
    shapes, dtypes = [array.shape for array in inputs.values()], [array.dtype for array in inputs.values()]
    assert mx.onnx.export_model(sym, params, shapes, dtypes, path) == path
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    assert {one.name for one in session.get_inputs()} == set(inputs)
    return session.run(None, inputs)


@pytest.mark.filterwarnings("ignore::tandem.engine.replay.EagerWarning")
@pytest.mark.parametrize("case", TRANSLATED, ids=_IDS)
@pytest.mark.parametrize("dtype", ["float32", pytest.param("float16", marks=pytest.mark.slow)])
def test_an_operator_gives_the_same_numbers(case, dtype, tmp_path):
    row = OPERATORS[case.name]
    rng = np.random.default_rng(7)
    names = [f"in{place}" for place in range(len(case.inputs))]
    arrays = {name: mx.nd.array(array := maker.make(rng, dtype), dtype=array.dtype)
              for name, maker in zip(names, case.inputs)}  # fmt: skip
    sym = compose.function_of(row, lambda: Symbol, case.name)(*map(mx.sym.var, names), name="it", **case.attributes)
    states = {key: arrays[key] for key in sym.list_auxiliary_states()}
    try:
        wanted = sym.bind(mx.cpu(), dict(arrays), aux_states=states).forward()
    except mx.MXNetError as error:
        if dtype == "float32":
            raise
        pytest.skip(f"the operator takes no {dtype}: {error}")
    wanted = [array.asnumpy() for array in wanted]
    params = {"in1": arrays["in1"]} if row.name == "RNN" else {}  # whose weights are taken apart
    kept = names[:1] if case.name.endswith("Output") else names  # labels are not asked for
    inputs = {name: arrays[name].asnumpy() for name in kept if name not in params and name in sym.list_inputs()}
    path = str(tmp_path / "model.onnx")
    refused = refusal(case)
    if refused is not None:
        with pytest.raises(NotTranslated, match=f"{row.name} .*'it'.*{refused}"):
            in_onnx(sym, params, inputs, path)
        return
    found = in_onnx(sym, params, inputs, path)
    assert len(found) == len(wanted)
    for here, there in zip(found, wanted):
        assert (here.shape, here.dtype) == (there.shape, there.dtype)
        if not row.random:
            np.testing.assert_allclose(here, there, **CLOSE[dtype])
    read_back(path, {name: arrays[name] for name in inputs}, wanted, None if row.random else CLOSE[dtype])


def read_back(path, inputs, wanted, close):
    if any(node.op_type in ONE_WAY for node in onnx.load(path).graph.node):
        with pytest.raises(NotImported, match="|".join(ONE_WAY)):
            mx.contrib.onnx.import_model(path)
        return
    sym, args, states = mx.contrib.onnx.import_model(path)
    given = {**inputs, **args, **states}
    states = {name: given[name] for name in sym.list_auxiliary_states()}
    found = sym.bind(mx.cpu(), {name: given[name] for name in sym.list_arguments()}, aux_states=states).forward()
    assert len(found) == len(wanted)
    for here, there in zip(found, wanted):
        assert here.shape == there.shape
        if close:
            np.testing.assert_allclose(here.asnumpy(), there, **close)


def test_the_table_has_operators_and_each_has_a_case():
    assert set(translations.TABLE) <= {row.name for row in OPERATORS.values()}
    assert set(translations.TABLE) - {OPERATORS[case.name].name for case in TRANSLATED} == set()
