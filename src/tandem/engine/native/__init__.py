"""Machine code for runs of small or memory-bound operations of a program.

A run of calls (elementwise operations, sums, small products, optimizer updates) becomes one function: `lower` writes
each ATen call as loops over formulas (`formulas` has the elementwise ones, a `rules_` file each family of others),
`fuse` joins loops that go over the same elements, `emit` and `loops` write them as LLVM's assembly, and `llvm` has
that made machine code, without a C compiler: by `compiler` in a process of its own, and `loader` puts it into memory.
What is better left to the library (large products, convolutions, whatever is random) stays a call of the library.
`kernels` has what is no plain loop: the recurrences.
"""
