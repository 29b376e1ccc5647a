"""Kernels: machine code for single calls that are no plain loops over formulas.

A kernel takes a recorded call, its arguments in the order of its schema, and whether loops may be divided among
threads. It gives an object like `emit.Segment` (`text`, `storages`, `functions`, `scratch`, `named`), or None where it
cannot do what is asked.
"""

from tandem.engine.native import llvm, recurrence, recurrence_back
from tandem.ops import rnn_fused

KERNELS: dict = {
    "tandem::recurrence": recurrence.forward,
    "tandem::recurrence_backward": recurrence_back.backward,
}

if llvm.binding_exists():
    rnn_fused.machine_code = recurrence.can
