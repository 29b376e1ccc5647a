"""Machine code for runs of small or memory-bound operations of a program.

A run of calls (elementwise operations, sums, small products, optimizer updates) becomes one function: `lower` writes each
ATen call as loops over formulas, `fuse` joins loops that go over the same elements, `emit` writes them as LLVM's
assembly, and `llvm` makes that machine code in some milliseconds, without a C compiler. Loops that are better left to
the library (large products, convolutions, whatever is random) stay calls of the library.
"""
