"""A model as a program of plain torch operators, without the code that made it: `torch.export`, and from it ONNX."""

import contextlib
import dataclasses
import inspect
import logging
import warnings

import torch

from tandem.core import arrays, scope
from tandem.core.errors import Unsupported, explain

# Stand for sizes that are not known, while the program is traced. 0 and 1 would be taken for constants.
_BATCH, _SIZE = 2, 192


@dataclasses.dataclass(frozen=True)
class Slot:
    """An input of a program: its shape, with None for sizes that may differ from call to call, its dtype, its name."""

    shape: tuple
    dtype: torch.dtype
    name: str | None = None

    def sample(self, device):
        """A tensor that the program is traced with."""
        sizes = [(_SIZE if axis else _BATCH) if size is None else size for axis, size in enumerate(self.shape)]
        return torch.zeros(sizes, dtype=self.dtype, device=device)


class Plain(torch.nn.Module):
    """A function of tensors, with the weights of a module under the names that they have there."""

    def __init__(self, module, function):
        super().__init__()
        self.__dict__["_function"] = function
        for registry in ("_parameters", "_buffers", "_modules"):
            self.__dict__[registry] = module.__dict__[registry]

    def forward(self, *inputs):
        """``function(*inputs)`` in inference, with the weights that the tracer may have put in the place of ours."""
        with _following(self), scope.eagerly(), scope.training(False):
            return self.__dict__["_function"](*inputs)


@contextlib.contextmanager
def _following(root):
    """Let each holder below `root` hold what torch has registered for it."""
    held = []
    for module in root.modules():
        for name, holder in module.__dict__.get("_holders", {}).items():
            registered = module._parameters.get(name, module._buffers.get(name))
            if registered is not None and registered is not holder.tensor:
                held.append((holder, holder.tensor))
                holder.tensor = registered
    try:
        yield
    finally:
        for holder, tensor in reversed(held):
            holder.tensor = tensor


def program(module, function, slots, **how):
    """The `torch.export.ExportedProgram` of ``function(*inputs)``.

    module: whose weights these are: the program's `state_dict` has its names; function: of tensors, or trees of them;
    slots: a `Slot` for each tensor, in a tuple of trees; how: options of `torch.export.export`; without its
    dynamic_shapes, every size that a slot leaves open stays open.
    The program holds no stack traces, which would name files of this machine.
    Raises RuntimeError where the function cannot be followed, Unsupported where it has operators that torch lacks.
    """
    tensor = next(iter((*module.parameters(), *module.buffers())), None)
    device = getattr(tensor, "device", None)
    if how.get("dynamic_shapes") is None:
        how["dynamic_shapes"] = (arrays.map_tree(_open, tuple(slots)),)
    how.setdefault("strict", False)
    try:
        with torch.no_grad(), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # torch's, on its own making
            samples = arrays.map_tree(lambda slot: slot.sample(device), tuple(slots))
            made = torch.export.export(Plain(module, function), samples, **how)
    except Exception as error:
        raise RuntimeError(
            explain(
                "The model cannot be exported: it cannot be followed as one program on tensors",
                expected="operations on tensors, without decisions that depend on their values or on open sizes",
                given=f"inputs of the shapes {[slot.shape for slot in arrays.leaves(slots)]}; torch says: "
                + str(error).split("\n\nThe error above")[0].strip(),
                hint="With an `input_signature` that gives all sizes none is open.",
            )
        ) from error
    own = sorted({str(node.target) for node in _nodes(made) if getattr(node.target, "namespace", None) == "tandem"})
    if own:
        raise Unsupported(explain("The model has operators that plain torch lacks", given=", ".join(own)))
    for node in _nodes(made):
        node.meta.pop("stack_trace", None)
    return made


def options():
    """The names of the options of `program`."""
    return set(inspect.signature(torch.export.export).parameters) - {"mod", "args", "kwargs"}


def _open(slot):
    return {axis: torch.export.Dim.DYNAMIC for axis, size in enumerate(slot.shape) if size is None}


def _nodes(made):
    parts = [part for part in made.graph_module.modules() if isinstance(part, torch.fx.GraphModule)]
    return [node for part in parts for node in part.graph.nodes]


def save(made, path):
    """Write a program to a file that `torch.export.load` reads."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.export.save(made, path)


def module_of(made):
    """A program as a `torch.fx.GraphModule` that can be trained, copied and pickled; its weights are copies."""
    quick = {"check_guards": False} if "check_guards" in inspect.signature(made.module).parameters else {}
    source = made.module(**quick)
    graph, outputs = source.graph, source.graph._codegen.pytree_info.out_spec
    # The tree of the outputs is what fx itself can return; torch's own wrapping cannot be pickled.
    last = graph.output_node()
    last.args = (torch.utils._pytree.tree_unflatten(list(last.args[0]), outputs),)
    graph.set_codegen(torch.fx.graph.CodeGen())
    graph._tracer_cls = None
    result = torch.fx.GraphModule(source, graph)
    result.load_state_dict({name: value.clone() for name, value in source.state_dict().items()}, assign=True)
    for name, parameter in result.named_parameters():
        parameter.requires_grad_(source.get_parameter(name).requires_grad)
    result.meta.clear()
    return result.eval()


# --- ONNX -------------------------------------------------------------------------------------------------------------


def onnx(made, slots, outputs=None, opset=None):
    """A program on tensors, not trees of them, as ONNX: a `torch.onnx.ONNXProgram`.

    slots: of the inputs, all with names; outputs: the names, or None for "output_0" and so on; opset: the version of
    ONNX's operators, by default the exporter's own. An open first axis is called "batch".
    Raises ImportError where onnxscript is missing, RuntimeError where an operator cannot be translated, ValueError for
    an opset that does not have the operators.
    """
    try:
        import onnxscript  # noqa: F401 (torch's exporter needs it, and says so less clearly)
    except ImportError as error:
        raise ImportError(
            explain("ONNX files are written with onnxscript, which is not installed", hint="pip install tandem[onnx]")
        ) from error
    names = [slot.name for slot in slots]
    try:
        with warnings.catch_warnings(), _quiet(), torch.no_grad():
            warnings.simplefilter("ignore")
            converted = torch.onnx.export(
                made,
                (),
                input_names=names,
                opset_version=opset,
                dynamo=True,
                optimize=True,
                verbose=False,
                custom_translation_table={torch.ops.aten._prelu_kernel.default: _prelu},
            )
    except Exception as error:
        raise RuntimeError(explain("The program cannot be written as ONNX", given=f"torch says: {error}")) from error
    model = converted.model
    made_for = model.opset_imports[""]
    if opset not in (None, made_for):
        raise ValueError(
            explain(
                "The model cannot be written with this version of ONNX's operators",
                expected=f"one that its operators have, such as {made_for}",
                given=f"opset_version={opset}",
            )
        )
    _name_outputs(model.graph, outputs)
    _name_sizes(model, slots)
    for graph in model.graphs():
        for node in graph:
            node.metadata_props.clear()  # where it came from in Python
    return converted


def _prelu(x, slope):
    """ONNX's own PRelu wants slopes that go with the channels, the second axis."""
    from onnxscript import opset18 as op

    return op.Where(op.Greater(x, op.CastLike(0.0, x)), x, op.Mul(slope, x))


@contextlib.contextmanager
def _quiet():
    """Keep the exporter's notes, on packages that it looks for and on its own progress, out of the user's sight."""
    loggers = [logging.getLogger(name) for name in ("torch.onnx", "onnxscript", "onnx_ir")]
    before = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        for logger, level in zip(loggers, before):
            logger.setLevel(level)


def _name_outputs(graph, names):
    names = names or [f"output_{number}" for number in range(len(graph.outputs))]
    taken = {value.name for value in graph.inputs} | set(graph.initializers)
    # An output that is an input or a weight, or that comes twice, keeps its name: it is one value.
    wanted = {
        id(value): (value, name)
        for value, name in zip(graph.outputs, names)
        if value.name not in taken and name not in taken and graph.outputs.count(value) == 1
    }
    new = {name for _, name in wanted.values()}
    for number, value in enumerate(value for node in graph for value in node.outputs if value.name in new):
        value.name = f"{value.name}_inner_{number}"
    for value, name in wanted.values():
        value.name = name


def _name_sizes(model, slots):
    import onnx_ir

    names = {}
    for number, (value, slot) in enumerate(zip(model.graph.inputs, slots)):
        for axis, (size, found) in enumerate(zip(slot.shape, value.shape)):
            if size is None and isinstance(found, onnx_ir.SymbolicDim):
                names.setdefault(found.value, "batch" if axis == 0 else f"dim_{number}_{axis}")
    for graph in model.graphs():
        for value in (*graph.inputs, *(value for node in graph for value in node.outputs)):
            if value.shape is not None:
                sizes = [size.value if isinstance(size, onnx_ir.SymbolicDim) else size for size in value.shape]
                value.shape = onnx_ir.Shape([names.get(size, size) for size in sizes])
