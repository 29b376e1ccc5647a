"""Shapes are inferred without torch's compiler and SymPy; who imports them meanwhile has the real ones."""

import subprocess
import sys

PREAMBLE = """
import sys
import torch
from tandem.core.dispatch import without_compiler
HEAVY = ("sympy", "torch._dynamo", "torch.fx.experimental.symbolic_shapes")
x, w, b = (torch.empty(size, device="meta") for size in ((5, 8), (3, 8), (3,)))
"""


def run(code):
    subprocess.run([sys.executable, "-c", PREAMBLE + code], check=True, timeout=120)


def test_meta_kernels_import_neither_compiler_nor_sympy():
    run("""
with without_compiler():
    y = torch.tanh(torch.nn.functional.linear(x, w, b)) + b.reshape(1, 3)
    assert y.shape == (5, 3) and y.T.contiguous().stride() == (5, 1)
    assert torch.cat([y, y]).sum(0, keepdim=True).shape == (1, 3)
    try:
        x + w
    except RuntimeError as error:
        assert "match" in str(error) or "broadcast" in str(error), error
    else:
        raise AssertionError
assert not any(name in sys.modules for name in HEAVY)
""")


def test_other_imports_in_between_get_the_real_modules():
    run("""
with without_compiler():
    torch.tanh(x)
    import sympy
    import sympy.core.numbers
    assert sympy.Integer(2) + 3 == 5 and issubclass(sympy.Integer, sympy.Basic) and sympy.__version__
    from torch.fx.experimental.symbolic_shapes import ShapeEnv, guard_bool
    assert ShapeEnv().create_unbacked_symint() is not None
    assert torch.tanh(x).shape == x.shape
assert torch.tanh(x).shape == x.shape
from torch.fx.experimental import symbolic_shapes
assert symbolic_shapes.ShapeEnv is ShapeEnv and symbolic_shapes.__file__
""")


def test_the_compiler_works_after_meta_kernels_ran():
    run("""
with without_compiler():
    torch.tanh(x)
seen = []
compiled = torch.compile(lambda value: torch.tanh(value) * 2, backend=lambda graph, inputs: seen.append(1) or graph)
value = torch.ones(3)
assert torch.equal(compiled(value), torch.tanh(value) * 2) and seen == [1]
""")
