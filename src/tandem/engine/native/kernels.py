"""Kernels: machine code for single calls that are no plain loops over formulas.

A kernel takes a recorded call, its arguments in the order of its schema, and whether loops may be divided among threads.
It gives an object like `emit.Segment` (`text`, `storages`, `functions`, `scratch`, `named`), or None where it cannot do
what is asked.
"""

KERNELS: dict = {}
