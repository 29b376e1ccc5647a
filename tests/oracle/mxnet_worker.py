"""Runs code sent by tests/oracles.py in the environment that has the real MXNet; started as a script there.

Frames on stdin and the original stdout: 8 bytes of length, then a pickle of plain Python values. Arrays travel as
(dtype, shape, bytes), because numpy 1.23 and numpy 2 cannot read each other's pickles.
"""

import linecache
import os
import pickle
import struct
import sys
import traceback

import numpy

ARRAY, SCALAR, LIST, TUPLE, DICT, PLAIN = "array", "scalar", "list", "tuple", "dict", "plain"


def encode(value, name="value"):
    """Turn arrays (numpy's, and whatever has `asnumpy` or `detach`), containers and plain values into tagged tuples."""
    if hasattr(value, "asnumpy"):
        value = value.asnumpy()
    elif hasattr(value, "detach"):
        value = value.detach().cpu().numpy()
    if isinstance(value, numpy.generic):
        return SCALAR, value.dtype.str, value.tobytes()
    if isinstance(value, numpy.ndarray):
        if value.dtype.hasobject:
            raise TypeError(f"{name}: an array of dtype {value.dtype} does not travel between the processes")
        return ARRAY, value.dtype.str, value.shape, numpy.ascontiguousarray(value).tobytes()
    if isinstance(value, (list, tuple)):
        kind = LIST if isinstance(value, list) else TUPLE
        return kind, [encode(item, f"{name}[{i}]") for i, item in enumerate(value)]
    if isinstance(value, dict):
        return DICT, [(str(key) if not isinstance(key, (int, str)) else key, encode(item, f"{name}[{key!r}]"))
                      for key, item in value.items()]  # fmt: skip
    if value is None or type(value) in (bool, int, float, complex, str, bytes):
        return PLAIN, value
    raise TypeError(f"{name}: a {type(value).__module__}.{type(value).__name__} does not travel between the processes")


def decode(tagged):
    """The inverse of `encode`; arrays come back as numpy arrays that own their memory."""
    kind, *rest = tagged
    if kind == ARRAY:
        dtype, shape, data = rest
        return numpy.frombuffer(data, dtype).reshape(shape).copy()
    if kind == SCALAR:
        return numpy.frombuffer(rest[1], rest[0])[0]
    if kind in (LIST, TUPLE):
        return (list if kind == LIST else tuple)(decode(item) for item in rest[0])
    if kind == DICT:
        return {key: decode(item) for key, item in rest[0]}
    return rest[0]


def send(stream, message):
    data = pickle.dumps(message, protocol=4)
    stream.write(struct.pack("<Q", len(data)) + data)
    stream.flush()


def receive(stream):
    """The next message, or None where the other side has closed the pipe."""
    head = stream.read(8)
    if len(head) < 8:
        return None
    return pickle.loads(stream.read(struct.unpack("<Q", head)[0]))


def _answer(mx, request):
    namespace = {"__name__": "__oracle__", "mx": mx, "nd": mx.nd, "np": numpy, "autograd": mx.autograd,
                 "gluon": mx.gluon}  # fmt: skip
    namespace.update({name: decode(value) for name, value in request["inputs"].items()})
    code = request["code"]
    linecache.cache["<oracle>"] = (len(code), None, code.splitlines(True), "<oracle>")
    try:
        with numpy.printoptions():  # which code may set, for itself alone
            exec(compile(code, "<oracle>", "exec"), namespace)
        mx.nd.waitall()
        missing = [name for name in request["returns"] if name not in namespace]
        if missing:
            raise NameError(f"the code defined no {', '.join(missing)}, which `returns` asks for")
        return {"values": {name: encode(namespace[name], name) for name in request["returns"]}}
    except Exception as error:
        return {"error": {"type": type(error).__name__, "text": str(error), "traceback": traceback.format_exc()}}


def main():
    # What the code prints must not end up between the frames.
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    import warnings

    warnings.simplefilter("ignore")
    import mxnet as mx

    send(answers, {"ready": mx.__version__})
    while (request := receive(sys.stdin.buffer)) is not None:
        send(answers, _answer(mx, request))


if __name__ == "__main__":
    main()
