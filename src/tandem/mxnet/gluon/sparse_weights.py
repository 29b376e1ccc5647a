"""What a `Parameter` of sparse storage does otherwise: its replicas are sparse arrays, whose rows a `Trainer` keeps.

A replica holds the rows that were asked for last with `row_sparse_data`; all rows are in the trainer's kvstore.
"""

import torch

from tandem.core.errors import explain
from tandem.mxnet import context as contexts
from tandem.mxnet import kvstore as stores
from tandem.mxnet.ndarray.ndarray import NDArray
from tandem.mxnet.ndarray.sparse_base import array_of
from tandem.ops import sparse

__all__ = ["all_rows", "check_trainer", "dense", "refuse_data", "replica", "row_sparse_data", "store_for"]


def replica(stype, tensor, ctx):
    """A sparse array with the values of a dense tensor: each row, zeros too; of a csr matrix what is not zero."""
    if stype == "csr":
        return array_of(sparse.csr_from_dense(tensor), ctx)
    rows = torch.arange(tensor.shape[0], device=tensor.device)
    return array_of(sparse.Rows(rows, tensor, tuple(tensor.shape)), ctx)


def dense(array):
    """The dense tensor of an array."""
    return array._tensor if array.stype == "default" else array._dense()


def refuse_data(parameter, what):
    """Raise RuntimeError where the values are asked for as a whole."""
    if parameter._stype != "default":
        raise RuntimeError(
            explain(
                f"Cannot return a copy of Parameter '{parameter.name}' via {what} because its storage type is"
                f" {parameter._stype}",
                hint="Please use row_sparse_data() instead.",
            )
        )


def check_trainer(parameter, trainer):
    """Raise RuntimeError where a row_sparse parameter has another trainer already: only one can keep its rows."""
    known = parameter.__dict__.get("_trainer")
    if known is not None and known is not trainer:
        raise RuntimeError(
            explain(
                f"Failed to set the trainer for Parameter '{parameter.name}' because it was already set",
                expected="one trainer to a row_sparse Parameter",
                given=f"{known} and {trainer}",
            )
        )
    parameter._trainer = trainer


def row_sparse_data(parameter, row_id, replicas):
    """Have replicas hold the rows of these numbers, from the trainer's kvstore; answer them.

    Raises RuntimeError where the parameter is not row_sparse or there is no trainer.
    """
    if not isinstance(row_id, NDArray):
        raise TypeError(explain("row_id must have NDArray type", given=type(row_id).__name__))
    trainer = parameter.__dict__.get("_trainer")
    if trainer is None:
        raise RuntimeError(
            explain(
                f"Cannot get row_sparse data for Parameter '{parameter.name}' when no Trainer is created with it",
                hint="gluon.Trainer(net.collect_params(), ...) first.",
            )
        )
    trainer._row_sparse_pull(parameter, replicas, row_id)
    return replicas


def refuse_rows(parameter, what):
    """Raise RuntimeError where rows of a parameter of another storage are asked for."""
    if parameter._stype != "row_sparse":
        raise RuntimeError(
            explain(
                f"Cannot return a copy of Parameter {parameter.name} via {what} because its storage type is"
                f" {parameter._stype}",
                hint="Please use data() instead.",
            )
        )


def all_rows(parameter):
    """A copy of all rows on the CPU: the trainer's where it keeps them, else the first replica's."""
    trainer = parameter.__dict__.get("_trainer")
    stored = None if trainer is None else trainer._stored(parameter)
    source = parameter._data[0] if stored is None else stored
    return source.copyto(contexts.cpu())


def set_all(parameter, data):
    """Set the values of each replica, and those that the trainer keeps, from an array."""
    values = dense(data) if isinstance(data, NDArray) else torch.as_tensor(data)
    trainer = parameter.__dict__.get("_trainer")
    stored = None if trainer is None else trainer._stored(parameter)
    for array in [*parameter._data, *([] if stored is None else [stored])]:
        held = array._held.values
        whole = values.detach().to(held.device, held.dtype, copy=True)
        array._parts = replica(parameter._stype, whole, None)._parts


def store_for(parameters, store, update_on_kvstore):
    """The kvstore of parameters of which some are sparse.

    Raises TypeError where there is none, ValueError where it shall not update them.
    """
    if not isinstance(store, (str, stores.KVStoreBase)):
        raise TypeError(
            explain(f"Cannot create '{store}' KVStore with row_sparse parameters", expected="a KVStore or a str")
        )
    if update_on_kvstore is False:
        raise ValueError(explain("Cannot set update_on_kvstore=False when sparse weights are present"))
    return stores.create(store) if isinstance(store, str) else store
