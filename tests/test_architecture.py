"""The house as DESIGN has it, held over the syntax trees of all source files."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
SOURCE = ROOT / "src" / "tandem"

# From the top floor to the ground. A room uses the floors below its own, never a room beside or above it.
FLOORS = [
    {"cli"},
    {"zoo"},
    {"check"},
    {"compat"},
    {"keras", "mxnet"},
    {"formats"},
    {"engine"},
    {"core"},
    {"ops"},
]
FLOOR = {room: floor for floor, rooms in enumerate(FLOORS) for room in rooms}

# TensorFlow's names, which stand in compat/, are a front end as the others are.
FRONT_ENDS = ("keras", "mxnet", "compat")

# What a front end may take from torch: types and what says what a tensor is, making and filling tensors, looking at
# the same numbers in another shape, order or type, and switches. Whatever computes a number belongs to ops.
ALLOWED = set(
    """
    Tensor Size Generator dtype device layout memory_format channels_last channels_last_3d contiguous_format
    preserve_format strided is_tensor is_floating_point is_complex is_storage is_grad_enabled is_inference_mode_enabled
    get_default_dtype set_default_dtype finfo iinfo promote_types result_type can_cast version __version__
    bool uint8 int8 int16 int32 int64 long float16 half bfloat16 float32 float float64 double complex64 complex128
    uint16 uint32 uint64 float8_e4m3fn float8_e5m2
    empty empty_like zeros zeros_like ones ones_like full full_like tensor as_tensor from_numpy asarray frombuffer
    empty_strided arange
    reshape flatten unflatten permute transpose movedim squeeze unsqueeze broadcast_to broadcast_shapes
    broadcast_tensors view_as_real view_as_complex stack cat concatenate from_dlpack
    no_grad enable_grad set_grad_enabled inference_mode manual_seed get_rng_state set_rng_state initial_seed
    get_num_threads set_num_threads get_num_interop_threads set_num_interop_threads use_deterministic_algorithms
    set_float32_matmul_precision
    save load
    inf nan pi e
    nn.Module nn.ModuleList nn.ModuleDict nn.Parameter nn.ParameterList nn.ParameterDict nn.Identity
    nn.UninitializedParameter nn.Buffer nn.parameter nn.modules.module
    autograd.Function autograd.grad autograd.backward autograd.graph autograd.set_detect_anomaly
    cuda backends mps distributed random utils testing multiprocessing profiler jit.ScriptModule fx _C overrides
    optim.Optimizer func.functional_call
    OutOfMemoryError
    """.split()  # noqa: SIM905 (one name to a line would be a page)
)

# Methods by which a front end may take hold of the tensor inside an array.
LOOKING = set(
    """
    shape dtype device ndim dim size numel element_size stride is_contiguous is_cuda is_meta is_leaf layout data_ptr
    storage_offset untyped_storage grad grad_fn requires_grad requires_grad_ register_hook
    register_post_accumulate_grad_hook retain_grad data detach detach_ clone contiguous to cpu cuda type float
    double half bfloat16 int long bool byte numpy tolist item T mT
    reshape view view_as flatten unflatten permute transpose t movedim swapaxes squeeze unsqueeze expand expand_as
    broadcast_to as_strided select narrow unbind split chunk tensor_split diagonal
    new_empty new_zeros new_ones new_full new_tensor copy_ fill_ zero_ set_ resize_ names is_floating_point is_complex
    is_sparse is_pinned pin_memory share_memory_ is_shared backward put_ index_put_
    """.split()  # noqa: SIM905 (one name to a line would be a page)
)

# Methods that change a tensor where it is and are not arithmetic.
IN_PLACE_ALLOWED = LOOKING | {"resize_as_", "squeeze_", "unsqueeze_", "transpose_", "t_", "__setitem__"}


def files(*rooms):
    folders = [SOURCE / room for room in rooms] if rooms else [SOURCE]
    return sorted(path for folder in folders for path in folder.rglob("*.py"))


def tree_of(path):
    return ast.parse(path.read_text(encoding="utf-8"), str(path))


def name_of(path):
    return str(path.relative_to(ROOT))


def imported(tree):
    """(line, dotted name) of everything of tandem that a file imports anywhere, also by name through importlib."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            if node.module == "tandem":
                yield from ((node.lineno, f"tandem.{alias.name}") for alias in node.names)
            else:
                yield node.lineno, ("tandem." * bool(node.level)) + (node.module or "")
        elif isinstance(node, ast.Call) and node.args and isinstance(node.args[0], ast.Constant):
            called = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            if called in ("import_module", "__import__", "find_spec") and isinstance(node.args[0].value, str):
                yield node.lineno, node.args[0].value


def upward_imports(room, tree):
    for line, name in imported(tree):
        parts = name.split(".")
        other = parts[1] if parts[0] == "tandem" and len(parts) > 1 else None
        if other in FLOOR and other != room and FLOOR[other] <= FLOOR[room]:
            yield line, other


def test_every_room_has_its_floor():
    rooms = {path.name for path in SOURCE.iterdir() if path.is_dir() and path.name != "__pycache__"}
    assert rooms <= set(FLOOR)


def test_rooms_import_only_downwards():
    wrong = [
        f"{name_of(path)}:{line}: {room} uses {other}"
        for room in FLOOR
        for path in files(room)
        for line, other in upward_imports(room, tree_of(path))
    ]
    assert not wrong, "\n".join(wrong)


class _Arithmetic(ast.NodeVisitor):
    """Collects where a front end's file computes with tensors itself."""

    def __init__(self):
        self.found = []
        self.aliases = {}  # local name -> dotted path in torch, "" for torch itself
        self.modules = {"self", "cls"}  # what a method of whose name ends in "_" is no tensor's

    def visit_Import(self, node):
        for alias in node.names:
            if alias.name.split(".")[0] == "torch":
                self.aliases[alias.asname or "torch"] = alias.name.partition(".")[2] if alias.asname else ""

    def visit_ImportFrom(self, node):
        if node.module and node.module.split(".")[0] == "tandem":
            self.modules.update(alias.asname or alias.name for alias in node.names)
        if node.module and node.module.split(".")[0] == "torch":
            inside = node.module.partition(".")[2]
            for alias in node.names:
                path = f"{inside}.{alias.name}".lstrip(".")
                self.aliases[alias.asname or alias.name] = path

    def _torch_path(self, node):
        """The path inside torch that an attribute chain names, or None."""
        parts = []
        while isinstance(node, ast.Attribute):
            parts.append(node.attr)
            node = node.value
        if isinstance(node, ast.Name) and node.id in self.aliases:
            return ".".join([*filter(None, [self.aliases[node.id]]), *reversed(parts)])
        return None

    @staticmethod
    def _is_inner(node):
        return isinstance(node, ast.Attribute) and node.attr == "_tensor"

    def visit_Attribute(self, node):
        path = self._torch_path(node)
        if path is not None:
            self._check(node, path)
            return
        if self._is_inner(node.value) and node.attr not in LOOKING and not node.attr.startswith("_"):
            self._add(node, f"._tensor.{node.attr}")
        self.generic_visit(node)

    def visit_Name(self, node):
        path = self.aliases.get(node.id)
        if path:
            self._check(node, path)

    def _check(self, node, path):
        parts = path.split(".")
        if not any(".".join(parts[:i]) in ALLOWED for i in range(1, len(parts) + 1)) and path not in ("", "nn"):
            self._add(node, f"torch.{path}")

    def visit_Call(self, node):
        function = node.func
        if isinstance(function, ast.Attribute) and self._torch_path(function) is None:
            name = function.attr
            in_place = name.endswith("_") and not name.startswith("_") and name not in IN_PLACE_ALLOWED
            if in_place and not self._on_self_or_module(function.value):
                self._add(node, f".{name}(…)")
        self.generic_visit(node)

    def _on_self_or_module(self, node):
        return isinstance(node, ast.Name) and (node.id in self.modules or node.id[0].isupper())

    def visit_BinOp(self, node):
        if isinstance(node.op, ast.MatMult):
            self._add(node, "@")
        elif self._is_inner(node.left) or self._is_inner(node.right):
            self._add(node, f"._tensor in a {type(node.op).__name__}")
        self.generic_visit(node)

    def visit_AugAssign(self, node):
        if isinstance(node.op, ast.MatMult) or self._is_inner(node.target):
            self._add(node, f"{type(node.op).__name__} in place")
        self.generic_visit(node)

    def visit_UnaryOp(self, node):
        if self._is_inner(node.operand) and not isinstance(node.op, ast.Not):
            self._add(node, f"{type(node.op).__name__} of ._tensor")
        self.generic_visit(node)

    def visit_Compare(self, node):
        by_value = not all(isinstance(op, (ast.Is, ast.IsNot, ast.In, ast.NotIn)) for op in node.ops)
        if by_value and any(map(self._is_inner, (node.left, *node.comparators))):
            self._add(node, "comparing ._tensor")
        self.generic_visit(node)

    def _add(self, node, what):
        self.found.append((node.lineno, what))


def arithmetic(tree):
    visitor = _Arithmetic()
    visitor.visit(tree)
    return visitor.found


def test_front_ends_do_no_arithmetic():
    wrong = [
        f"{name_of(path)}:{line}: {what} computes, and so belongs in ops/"
        for path in files(*FRONT_ENDS)
        for line, what in arithmetic(tree_of(path))
    ]
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize(
    ("code", "count"),
    [
        ("import torch\ntorch.relu(x)", 1),
        ("import torch as t\nt.nn.functional.relu(x)", 1),
        ("import torch.nn.functional as F\nF.relu(x)", 1),
        ("from torch.nn import functional as F\ny = F.linear", 1),
        ("from torch import matmul\nmatmul(a, b)", 1),
        ("import torch\nfn = torch.special.expit", 1),
        ("import torch\ntorch.nn.Linear(1, 2)", 1),
        ("a._tensor + 1", 1),
        ("-a._tensor", 1),
        ("a._tensor > 1", 1),
        ("a._tensor.exp()", 1),
        ("a @ b", 1),
        ("weight.mul_(2)", 1),
        ("import torch\ntorch.zeros(2).to(torch.float32).reshape(1, 2)", 0),
        ("import torch\nclass L(torch.nn.Module): x: torch.Tensor", 0),
        ("from torch import nn\nclass L(nn.Module):\n    p = nn.Parameter(t)", 0),
        ("import torch\nwith torch.no_grad():\n    a._tensor.copy_(b._tensor)", 0),
        ("a._tensor is None or a._tensor.shape[0] + 1", 0),
        ("from tandem.ops import linalg\nlinalg.dense(x, w) * 2", 0),
        ("net.initialize_(); self.apply_(x)", 1),
        ("from tandem.ops import scores\nscores.sum_(total, x)", 0),
    ],
)
def test_what_counts_as_arithmetic(code, count):
    assert len(arithmetic(ast.parse(code))) == count


@pytest.mark.parametrize(
    ("room", "code", "others"),
    [
        ("ops", "from tandem.core import errors", ["core"]),
        ("ops", "def f():\n    from tandem.core.errors import explain", ["core"]),
        ("core", "from tandem.ops import linalg", []),
        ("keras", "import tandem.mxnet as mx", ["mxnet"]),
        ("keras", "from tandem import mxnet, ops", ["mxnet"]),
        ("keras", "from tandem.keras import layers", []),
        ("core", "import importlib\nimportlib.import_module('tandem.keras.layers')", ["keras"]),
    ],
)
def test_what_counts_as_upwards(room, code, others):
    assert [other for _, other in upward_imports(room, ast.parse(code))] == others


def read_back(tree):
    """Lines on which a tensor is read into Python."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "item":
            yield node.lineno


def test_formulas_read_no_tensor_back():
    # What is read into Python ends the recording of a step. (A few search by nature, on the CPU: they take lists.)
    wrong = [f"{name_of(path)}:{line}" for path in files("ops") for line in read_back(tree_of(path))]
    assert not wrong, "\n".join(wrong)


RUNS_WHAT_IT_READS = {
    ("pickle", "load"),
    ("pickle", "loads"),
    ("marshal", "loads"),
    ("marshal", "load"),
    ("torch", "load"),
}

# What one process of ours sends to another; a file's pickle is read by `formats` with a list of what may be in it.
BETWEEN_PROCESSES = {"src/tandem/mxnet/gluon/data/pools.py"}


def running(tree):
    """Lines on which something is read in a way that can run what it reads."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            owner = getattr(node.func.value, "id", None)
            safe = any(word.arg == "weights_only" and getattr(word.value, "value", None) for word in node.keywords)
            if (owner, node.func.attr) in RUNS_WHAT_IT_READS and not safe:
                yield node.lineno


def test_files_are_read_without_running_what_is_in_them():
    wrong = [
        f"{name_of(path)}:{line}"
        for path in files("formats", *FRONT_ENDS)
        if name_of(path) not in BETWEEN_PROCESSES
        for line in running(tree_of(path))
    ]
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize(
    ("code", "count"),
    [
        ("pickle.loads(data)", 1),
        ("torch.load(path)", 1),
        ("torch.load(path, weights_only=False)", 1),
        ("torch.load(path, weights_only=True)", 0),
        ("nd.load(path)", 0),
    ],
)
def test_what_counts_as_running(code, count):
    assert len(list(running(ast.parse(code)))) == count


def test_files_stay_short():
    everywhere = [*files(), *(ROOT / "tests").rglob("*.py"), *(ROOT / "examples").rglob("*.py")]
    lengths = {name_of(path): len(path.read_text(encoding="utf-8").splitlines()) for path in everywhere}
    assert not {name: length for name, length in lengths.items() if length >= 600}
