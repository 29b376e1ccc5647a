"""Datasets in folders of Tandem's own kind: `Dataset.save`, `Dataset.load`, and caches in files.

A folder holds `dataset.json`, which says the elements' structure, and `elements.tfrecord` with each leaf a record.
"""

import json
import os
import tempfile

import numpy as np

from tandem.compat.tensorflow import _dtypes as dtypes
from tandem.compat.tensorflow import elements, records
from tandem.compat.tensorflow._errors import DataLossError, NotFoundError
from tandem.compat.tensorflow.ragged_rows import RaggedTensor
from tandem.compat.tensorflow.shapes import RaggedTensorSpec, SparseTensorSpec, TensorSpec
from tandem.compat.tensorflow.sparse_tensors import SparseTensor
from tandem.core.errors import explain

_KIND, _DEPTH = "tandem dataset", 64


def write(dataset, path, compression=None):
    """Write all elements into a folder, which is there only once it is whole."""
    path = os.fspath(path)
    parent = os.path.dirname(os.path.abspath(path))
    os.makedirs(parent, exist_ok=True)
    os.makedirs(path, exist_ok=True)
    compression = {None: "", "NONE": "", "AUTO": ""}.get(compression, compression)
    handle, file = tempfile.mkstemp(dir=path, suffix=".writing")
    os.close(handle)
    count = 0
    try:
        with records.TFRecordWriter(file, compression) as writer:
            for one in dataset._make():
                for leaf in elements.leaves(one):
                    for part in _parts(leaf):
                        writer.write(records.serialize_tensor(part))
                count += 1
        os.replace(file, os.path.join(path, "elements.tfrecord"))
    except BaseException:
        os.unlink(file)
        raise
    told = {"kind": _KIND, "count": count, "compression": compression, "spec": _told(dataset.element_spec)}
    temporary = os.path.join(path, "dataset.json.writing")
    with open(temporary, "w", encoding="utf-8") as out:
        json.dump(told, out)
    os.replace(temporary, os.path.join(path, "dataset.json"))


def _parts(leaf):
    """The tensors that a leaf is made of."""
    if isinstance(leaf, RaggedTensor):
        return [leaf.flat_values, *leaf.nested_row_splits]
    if isinstance(leaf, SparseTensor):
        return [leaf.indices, leaf.values, leaf.dense_shape]
    return [leaf]


def _told(spec):
    if isinstance(spec, dict):
        return {"dict": [[key, _told(one)] for key, one in spec.items()]}
    if isinstance(spec, tuple) and not isinstance(spec, TensorSpec):
        return {"tuple": [_told(one) for one in spec]}
    kind = {RaggedTensorSpec: "ragged", SparseTensorSpec: "sparse"}.get(type(spec), "tensor")
    shape = None if spec.shape.unknown else list(spec.shape)
    found = {"leaf": kind, "shape": shape, "dtype": spec.dtype.name}
    return {**found, "depth": spec.ragged_rank} if kind == "ragged" else found


def _spec(told, depth=0):
    if depth > _DEPTH or not isinstance(told, dict):
        raise ValueError("a structure that is none")
    if "dict" in told:
        return {str(key): _spec(one, depth + 1) for key, one in told["dict"]}
    if "tuple" in told:
        return tuple(_spec(one, depth + 1) for one in told["tuple"])
    shape, kind = told["shape"], dtypes.as_dtype(told["dtype"])
    if told["leaf"] == "ragged":
        return RaggedTensorSpec(shape, kind, int(told["depth"]))
    return (SparseTensorSpec if told["leaf"] == "sparse" else TensorSpec)(shape, kind)


def is_there(path):
    """Whether a folder holds a whole dataset."""
    return os.path.exists(os.path.join(os.fspath(path), "dataset.json"))


def read(path):
    """(a function that begins to give the elements anew, how many there are, what they are like) of a folder.

    Raises NotFoundError where there is none, DataLossError where it is damaged.
    """
    path = os.fspath(path)
    if not is_there(path):
        raise NotFoundError(
            explain(
                "There is no dataset that Tandem has written",
                given=path,
                hint="TensorFlow's own folders are read by TensorFlow only; TFRecord files are read by both.",
            )
        )
    try:
        with open(os.path.join(path, "dataset.json"), encoding="utf-8") as file:
            told = json.load(file)
        if told["kind"] != _KIND:
            raise ValueError("another kind of file")
        spec, count = _spec(told["spec"]), int(told["count"])
        compression = str(told["compression"])
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise DataLossError(explain("A dataset's folder is damaged", given=f"{path}: {error}")) from None

    def make():
        file = records.read_records(os.path.join(path, "elements.tfrecord"), compression)
        tensors = (records.parsed_tensor(one) for one in file)
        for _ in range(count):
            yield elements.map_leaves(lambda leaf: _leaf(leaf, tensors), spec)

    return make, count, spec


def _leaf(spec, tensors):
    parts = [next(tensors, None) for _ in range(_count(spec))]
    if any(part is None for part in parts):
        raise DataLossError("A dataset's file ends before its last element.")
    if isinstance(spec, RaggedTensorSpec):
        splits = [np.asarray(one) for one in parts[1:]]
        return RaggedTensor.from_nested_row_splits(parts[0], splits)
    return SparseTensor(*parts) if isinstance(spec, SparseTensorSpec) else parts[0]


def _count(spec):
    if isinstance(spec, RaggedTensorSpec):
        return 1 + max(spec.ragged_rank or 0, 0)
    return 3 if isinstance(spec, SparseTensorSpec) else 1
