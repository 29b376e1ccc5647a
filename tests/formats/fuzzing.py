"""Reads damaged files of one kind after the other, in a process of its own: `python fuzzing.py SEED COUNT KIND ...`.

For each kind a JSON line: how many were read, how many refused, and what went wrong: an error that is not the
documented one, more memory or time than a small file may cost, anything run or opened that the file has no say in.
Memory is limited; a crash ends the process.
"""

import base64
import io
import json
import os
import random
import re
import resource
import signal
import sys
import tempfile
import traceback
import warnings
import zipfile
from pathlib import Path

import numpy as np

HERE = Path(__file__).resolve().parent
GOLDEN = HERE.parent / "golden"
sys.path.insert(0, str(HERE))

from damage import mutated  # noqa: E402 (it lies beside this file)

MEMORY = 1 << 29  # bytes above what the process has after the first good file
SECONDS = 30  # for one file
SHOWN = 12  # faults that are told of

_FORBIDDEN = ("os.system", "os.exec", "os.posix_spawn", "os.spawn", "os.fork", "subprocess.Popen", "socket.connect")


# --- damage to text, and inside of archives ---------------------------------------------------------------------------

_WORDS = ["null", "-1", "0", "1e999", "99999999999999999999", "[]", "{}", '"x"', "true", "[[1,2],[3]]", '"os.system"']


def texts(data, count, seed):
    """Damaged copies of a text: half as bytes are, half with numbers and words put in others' places."""
    chance = random.Random(seed)
    parts = re.split(rb'("(?:[^"\\]|\\.)*"|-?\d+(?:\.\d+)?)', data)
    yield from mutated(data, count - count // 2, seed)
    for _ in range(count // 2):
        copy = list(parts)
        for _ in range(chance.choice((1, 1, 2))):
            at = chance.randrange(len(copy) // 2) * 2 + 1
            new = (
                chance.choice(_WORDS).encode()
                if chance.random() < 0.7
                else copy[chance.randrange(len(copy) // 2) * 2 + 1]
            )
            copy[at] = new
        yield b"".join(copy)


def cut(data, count, seed):
    """Bytes damaged in every way, some cut off."""
    chance = random.Random(seed)
    for other in mutated(data, count, seed):
        yield other[: chance.randrange(len(other) + 1)] if chance.random() < 0.1 else other


def members(data, count, seed):
    """A zip archive: damaged itself, or one of its members damaged and packed anew, with the right checksum."""
    with zipfile.ZipFile(io.BytesIO(data)) as packed:
        found = {name: packed.read(name) for name in packed.namelist()}
    chance = random.Random(seed)
    yield from cut(data, count // 3, seed)
    for number in range(count - count // 3):
        name = chance.choice(sorted(found))
        damage = texts if name.endswith(".json") else cut
        copy = {**found, name: list(damage(found[name], 4, seed * 1000003 + number))[chance.randrange(4)]}
        out = io.BytesIO()
        with zipfile.ZipFile(out, "w") as packed:
            for key, content in copy.items():
                packed.writestr(key, content)
        yield out.getvalue()


# --- kinds of files: a good one, how it is damaged, how it is read and what reading may raise ------------------------


def _mx():
    import tandem.mxnet as mx

    return mx


def _params(path):
    mx = _mx()
    found = mx.nd.load(str(path))
    for array in found.values() if isinstance(found, dict) else found:
        array.asnumpy() if array.stype == "default" else array.shape


def _symbol_file():
    mx = _mx()
    data = mx.sym.Variable("data", shape=(2, 3, 8, 8))
    net = mx.sym.Convolution(data, num_filter=4, kernel=(3, 3), pad=(1, 1), name="c")
    net = mx.sym.BatchNorm(net, name="b")
    net = mx.sym.Activation(net, act_type="relu") + mx.sym.slice_axis(net, axis=1, begin=0, end=4)
    net = mx.sym.SoftmaxOutput(mx.sym.FullyConnected(mx.sym.flatten(net), num_hidden=3, name="f"), name="softmax")
    return net.tojson().encode()


def _symbol(path):
    net = _mx().sym.load(str(path))
    net.list_arguments(), net.list_outputs(), net.tojson()


def _record_file():
    from tandem.formats import images, recordio

    out = io.BytesIO()
    writer = recordio.RecordWriter(out)
    pixels = np.random.default_rng(0).integers(0, 256, (12, 14, 3), np.uint8)
    for number, label in enumerate((1.0, 2.0, 3.0)):
        writer.write(recordio.pack((0, label, number, 0), images.encode(pixels, (".png", ".jpg", ".jpg")[number])))
    writer.write(recordio.pack((0, 1.0, 9, 0), images.encode(pixels, ".png") + b"\x0a\x23\xd7\xce" * 3))
    return out.getvalue()


def _records(path):
    recordio = _mx().recordio
    reader = recordio.MXRecordIO(str(path), "r")
    try:
        while (record := reader.read()) is not None:
            recordio.unpack_img(record)
    finally:
        reader.close()


def _batches(path):
    for _ in _mx().io.ImageRecordIter(path_imgrec=str(path), data_shape=(3, 10, 10), batch_size=2, rand_crop=True):
        pass


def _index(path):
    mx = _mx()
    good = path.with_name("good.rec")
    if not good.exists():
        good.write_bytes((GOLDEN / "mxnet" / "records.rec").read_bytes())
    reader = mx.recordio.MXIndexedRecordIO(str(path), str(good), "r")
    try:
        for key in reader.keys:
            reader.read_idx(key)
    finally:
        reader.close()


def _list(path):
    from tandem.formats import image_lists

    list(image_lists.read(path))


def _states_file():
    """States as MXNet 1.9.1 pickles them."""
    return base64.b64decode((HERE / "states.txt").read_text())


def _updater_file(dump_optimizer=True):
    mx = _mx()
    updater = mx.optimizer.get_updater(mx.optimizer.Adam(learning_rate=0.5))
    weight = mx.nd.array([[1, 2], [3, 4]])
    updater(0, mx.nd.ones((2, 2)), weight)
    return updater.get_states(dump_optimizer=dump_optimizer)


def _states(path):
    mx = _mx()
    mx.optimizer.get_updater(mx.optimizer.Adam()).set_states(path.read_bytes())


def _keras_model(path):
    from tandem import keras

    keras.models.load_model(path)


def _weights_file():
    keras = _keras_net()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "x.weights.h5"
        keras.save_weights(path)
        return path.read_bytes()


_nets = []


def _keras_net():
    from tandem import keras

    if not _nets:
        layers = keras.layers
        _nets.append(keras.Sequential([layers.Input((4,)), layers.Dense(3), layers.BatchNormalization()]))
    return _nets[0]


def _weights(path):
    _keras_net().load_weights(path)


def _npz_file():
    out = io.BytesIO()
    np.savez(out, x_train=np.arange(24).reshape(2, 3, 4), y_train=np.ones(2), words=np.array(["a", "bc"]))
    return out.getvalue()


def _npz(path):
    from tandem.formats import keras_downloads

    keras_downloads.read_npz(path)


def _onnx_file():
    mx = _mx()
    net = mx.sym.Convolution(mx.sym.Variable("data"), num_filter=2, kernel=(3, 3), name="c")
    net = mx.sym.FullyConnected(mx.sym.flatten(mx.sym.relu(net)), num_hidden=3, name="f")
    shapes = {"c_weight": (2, 1, 3, 3), "c_bias": (2,), "f_weight": (3, 18), "f_bias": (3,)}
    values = {name: mx.nd.ones(shape) for name, shape in shapes.items()}
    with tempfile.TemporaryDirectory() as folder:
        path = str(Path(folder) / "x.onnx")
        mx.onnx.export_model(net, values, [(1, 1, 5, 5)], np.float32, path)
        return Path(path).read_bytes()


def _onnx_shapes_file():
    """A graph in which shapes are worked out of constants."""
    from onnx import TensorProto, helper, numpy_helper

    nodes = [
        helper.make_node("Constant", [], ["two"], value=numpy_helper.from_array(np.array([2, 3], np.int64))),
        helper.make_node("ConstantOfShape", ["two"], ["zeros"], value=numpy_helper.from_array(np.zeros(1, np.float32))),
        helper.make_node("Add", ["x", "zeros"], ["sum"]),
        helper.make_node("Shape", ["sum"], ["shape"]),
        helper.make_node("Gather", ["shape", "one"], ["width"]),
        helper.make_node("Concat", ["width", "minus"], ["target"], axis=0),
        helper.make_node("Reshape", ["sum", "target"], ["turned"]),
        helper.make_node("Tile", ["turned", "repeats"], ["y"]),
    ]
    values = {"one": [1], "minus": [-1], "repeats": [2, 1]}
    given = [numpy_helper.from_array(np.array(value, np.int64), name) for name, value in values.items()]
    ends = [helper.make_tensor_value_info(n, TensorProto.FLOAT, s) for n, s in (("x", [2, 3]), ("y", [6, 2]))]
    graph = helper.make_graph(nodes, "shapes", ends[:1], ends[1:], given)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)]).SerializeToString()


def _onnx(path):
    _mx().contrib.onnx.import_model(str(path))


def kinds():
    """Name -> (a good file's bytes or what makes them, its damage, ending, reader, errors that it may raise)."""
    from tandem.core.errors import Unsupported

    error = _mx().MXNetError
    golden = {name: (GOLDEN / name).read_bytes() for name in ("mxnet/dict.params", "mxnet/sparse.params")}
    keras = {name: (GOLDEN / "keras" / name).read_bytes() for name in ("graph.keras", "images.h5", "words.json")}
    return {
        "params": (golden["mxnet/dict.params"], cut, ".params", _params, (error,)),
        "sparse": (golden["mxnet/sparse.params"], cut, ".params", _params, (error,)),
        "symbol": (_symbol_file, texts, ".json", _symbol, (error,)),
        "rec": (_record_file, cut, ".rec", _records, (error, ValueError)),
        "images": (_record_file, cut, ".rec", _batches, (error, StopIteration)),
        "idx": ((GOLDEN / "mxnet/records.idx").read_bytes(), texts, ".idx", _index, (error, ValueError)),
        "lst": (b"".join(b"%d\t1.5\t0.25\ta/%d.jpg\n" % (n, n) for n in range(9)), texts, ".lst", _list, (ValueError,)),
        "states": (_updater_file, cut, ".states", _states, (ValueError,)),
        "pickled": (_states_file, cut, ".states", _states, (ValueError,)),
        "keras": (keras["graph.keras"], members, ".keras", _keras_model, (ValueError, TypeError, Unsupported)),
        "h5": (keras["images.h5"], cut, ".h5", _keras_model, (ValueError, TypeError, Unsupported)),
        "weights": (_weights_file, cut, ".weights.h5", _weights, (ValueError,)),
        "npz": (_npz_file, members, ".npz", _npz, (ValueError,)),
        "onnx": (_onnx_file, cut, ".onnx", _onnx, (error, Unsupported)),
        "shapes": (_onnx_shapes_file, cut, ".onnx", _onnx, (error, Unsupported)),
    }


# --- running ----------------------------------------------------------------------------------------------------------


class TooSlow(BaseException):
    pass


def _ring(*_):
    raise TooSlow


def _mapped():
    """Bytes of address space, which is what the limit counts: most of it is libraries."""
    return int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()


def _peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss << 10


class Watch:
    """What a file made Python do that it has no say in."""

    def __init__(self, folder):
        self.folder, self.seen, self.on = str(folder), [], False
        sys.addaudithook(self._hook)

    def _hook(self, event, args):
        if not self.on:
            return
        if event.startswith(_FORBIDDEN):
            self.seen.append(f"{event} {args}"[:200])
        written = event == "open" and isinstance(args[0], str) and args[2] & (os.O_WRONLY | os.O_RDWR)
        if written and not args[0].startswith((self.folder, tempfile.gettempdir())):
            self.seen.append(f"open {args}"[:200])


def fuzz(name, kind, seed, count, folder, watch):
    good, damage, ending, read, allowed = kind
    good = good() if callable(good) else good
    path = folder / f"x{ending}"
    path.write_bytes(good)
    read(path)
    limit = _mapped() + MEMORY
    resource.setrlimit(resource.RLIMIT_AS, (limit, resource.getrlimit(resource.RLIMIT_AS)[1]))
    report = {"kind": name, "read": 0, "refused": 0, "faults": []}
    before = _peak()
    for number, data in enumerate(damage(good, count, seed)):
        path.write_bytes(data)
        fault = None
        watch.on = True
        signal.alarm(SECONDS)
        try:
            read(path)
            report["read"] += 1
        except allowed:
            report["refused"] += 1
        except TooSlow:
            fault = f"more than {SECONDS} s"
        except Exception as error:
            last = traceback.extract_tb(error.__traceback__)[-3:]
            places = " < ".join(f"{Path(frame.filename).name}:{frame.lineno}" for frame in reversed(last))
            fault = f"{type(error).__name__}: {str(error)[:200]} ({places})"
        finally:
            signal.alarm(0)
            watch.on = False
        if watch.seen:
            fault = f"{fault or ''} {watch.seen}"
            watch.seen.clear()
        if fault:
            report["faults"].append([number, fault])
            if os.environ.get("FUZZ_KEEP"):
                Path(os.environ["FUZZ_KEEP"], f"{name}-{seed}-{number}{ending}").write_bytes(data)
    report["grown"] = _peak() - before
    if report["grown"] > MEMORY // 2:
        report["faults"].append([None, f"{report['grown']} bytes of memory"])
    resource.setrlimit(resource.RLIMIT_AS, (resource.RLIM_INFINITY, resource.getrlimit(resource.RLIMIT_AS)[1]))
    report["count"], report["faults"] = len(report["faults"]), report["faults"][:SHOWN]
    return report


def main(seed, count, *names):
    warnings.simplefilter("ignore")
    signal.signal(signal.SIGALRM, _ring)
    found = kinds()
    with tempfile.TemporaryDirectory() as folder:
        watch = Watch(folder)
        for name in names or found:
            sys.stdout.write(json.dumps(fuzz(name, found[name], int(seed), int(count), Path(folder), watch)) + "\n")
            sys.stdout.flush()


if __name__ == "__main__":
    main(*sys.argv[1:])
