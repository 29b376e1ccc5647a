"""Writes the files of tests/golden/mxnet with the real MXNet: run it with an interpreter that has mxnet 1.9.1.

PYTHON tests/golden/make_mxnet_files.py
"""

import os

import numpy as np

import mxnet as mx
from mxnet import gluon, nd, recordio

FOLDER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "mxnet")
DTYPES = ["float32", "float64", "float16", "uint8", "int32", "int8", "int64", "bool"]
MAGIC = b"\x0a\x23\xd7\xce"
RECORDS = [
    b"",
    b"a",
    b"abcd",
    b"hello",
    MAGIC,
    b"abcd" + MAGIC + b"e",
    b"abc" + MAGIC + b"d",
    MAGIC + MAGIC,
    b"1234" + MAGIC,
]


def path(name):
    return os.path.join(FOLDER, name)


def main():
    os.makedirs(FOLDER, exist_ok=True)
    arrays = {dtype: nd.array(np.arange(6).reshape(2, 3) % 5, dtype=dtype) for dtype in DTYPES}
    arrays["bfloat16"] = nd.array([1, -2, 0.5]).astype(np.dtype([("bfloat16", np.uint16)]))
    arrays["größe.0"] = nd.array(np.zeros((0, 3)))
    nd.save(path("dict.params"), arrays)
    nd.save(path("list.params"), [nd.array([1, 2, 3]), nd.ones((2, 1))])
    nd.save(path("empty.params"), [])
    nd.save(
        path("sparse.params"),
        {
            "rows": nd.sparse.row_sparse_array(([[1, 2], [3, 4]], [1, 3]), shape=(5, 2)),
            "csr": nd.sparse.csr_matrix(([1.0, 2, 3], [0, 2, 1], [0, 2, 2, 3]), shape=(3, 4), dtype="int32"),
            "no rows": nd.sparse.zeros("row_sparse", (3, 2)),
            "no values": nd.sparse.zeros("csr", (3, 2)),
        },
    )
    mx.npx.set_np()
    mx.npx.save(path("numpy.params"), {"scalar": mx.np.array(3.0), "none": mx.np.ones((0, 3)), "x": mx.np.ones((2, 1))})
    mx.npx.reset_np()
    net = gluon.nn.HybridSequential()
    net.add(gluon.nn.Dense(2, in_units=3), gluon.nn.BatchNorm(in_channels=2))
    net.initialize(mx.init.One())
    net.save_parameters(path("net.params"))
    writer = recordio.MXIndexedRecordIO(path("records.idx"), path("records.rec"), "w")
    for key, record in enumerate(RECORDS):
        writer.write_idx(7 * key, record)
    for key, label in ((100, 3.5), (101, [1, 2, 3.5])):
        writer.write_idx(key, recordio.pack(recordio.IRHeader(0, label, key, 2**40), b"content"))
    writer.close()


if __name__ == "__main__":
    main()
