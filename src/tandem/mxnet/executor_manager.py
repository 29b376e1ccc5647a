"""`mx.executor_manager`: what older scripts take from it; executors on several contexts are `mx.mod`'s."""

from tandem.mxnet.module.executor_group import _split_input_slice

__all__ = ["_split_input_slice"]
