"""One measurement in a process of its own: `python benchmarks/measure.py PEER MODEL WHAT` prints a line of JSON.

PEER: a name of report.py's PEERS; "-bf16" behind it computes in bfloat16 (Keras's policy, PyTorch's autocast).
WHAT: step (milliseconds of a training step: the median over epochs), first (seconds from the built model to the end of
its first step; also those of imports and of building), memory (MiB by which the peak of building and training is above
what was resident before), predict (milliseconds of one row through the called net and through `predict`, rows a
second in batches); several of them with commas between, or all.
"""

import argparse
import json
import os
import resource
import statistics
import sys
import time
from pathlib import Path

WHATS = ("step", "first", "memory", "predict")
# Models on which torch.compile is not asked to compile: it takes minutes.
COMPILED = ("mlp", "cnn", "lstm", "transformer")


def runs_of(peer, name):
    """(seconds of the imports, functions that make a `Run`: the variants of which the fastest counts)."""
    start = time.perf_counter()
    bf16 = peer.endswith("-bf16")
    peer = peer.removesuffix("-bf16")
    if peer == "tandem" or peer.startswith("keras-"):
        if peer == "tandem":
            from tandem import keras
        else:
            os.environ["KERAS_BACKEND"] = peer.removeprefix("keras-")
            import keras
        _ = keras.Sequential, keras.layers.Dense, keras.optimizers.Adam  # Tandem imports them only when asked for
        imported = time.perf_counter() - start
        import runs

        policy = "mixed_bfloat16" if bf16 else None
        return imported, [lambda: runs.KerasRun(name, keras, policy)]
    if peer.startswith("torch"):
        import torch

        torch.optim.SGD([torch.zeros(1)], 0.1)  # the first optimizer imports half of torch: time and memory of imports
        imported = time.perf_counter() - start
        import models
        import runs

        found = models.spec(name)
        if peer == "torch-compile":
            return imported, [lambda: runs.TorchRun(name, found.images, {"fused": True}, compiled=True)]
        ways = [{"fused": True}, {"foreach": True}, {}]
        if found.rounds < 4:  # what a large model's update takes does not depend on how it is called
            ways = ways[:1]
        formats = [True, False] if found.images else [False]
        return imported, [
            lambda f=f, way=way: runs.TorchRun(name, channels_last=f, how=way, autocast=bf16)
            for way in ways
            for f in formats
        ]
    if peer == "jax":
        import jax  # noqa: F401

        imported = time.perf_counter() - start
        import runs

        return imported, [lambda: runs.JaxRun(name)]
    if peer.startswith("tandem"):
        from tandem import mxnet as mx
        from tandem.mxnet import autograd, gluon  # noqa: F401
    else:
        import mxnet as mx
    imported = time.perf_counter() - start
    import runs

    hybridized = peer in ("tandem-gluon", "mxnet-hybridized")
    return imported, [lambda: runs.GluonRun(name, mx, hybridized)]


def defined(peer, name):
    """Whether there is a definition of this model for this peer."""
    base = name.partition(":")[0]
    if peer == "jax":
        return base == "mlp"
    if peer == "torch-compile":
        return base in COMPILED
    if "gluon" in peer or "mxnet" in peer:
        from models import gluon_models

        return base in gluon_models.NAMES
    return True


def resident(field="VmRSS"):
    """MiB of this process: now (VmRSS) or at their highest (VmHWM)."""
    status = Path("/proc/self/status")
    if status.exists():
        for line in status.read_text().splitlines():
            if line.startswith(field):
                return int(line.split()[1]) / 1024
    unit = 2**20 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit


def reset_peak():
    """Let VmHWM begin again from what is resident now."""
    try:
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        pass  # not Linux: the peak then covers the imports too


def repeated(function, seconds=0.5, least=5, most=300):
    """The median milliseconds of a call, after two calls for warming up."""
    function()
    function()
    times, begun = [], time.perf_counter()
    while len(times) < least or (len(times) < most and time.perf_counter() - begun < seconds):
        start = time.perf_counter()
        function()
        times.append((time.perf_counter() - start) * 1e3)
    return statistics.median(times)


def train(run, warmup, epochs):
    """Milliseconds of a step in the timed epochs: the median."""
    return statistics.median(run.train(warmup + epochs)[warmup:]) / run.spec.steps * 1e3


def predictions(run):
    """Latencies and throughput of a trained model."""
    row, everything = run.rows(0, 1), run.rows(0, None)
    return {
        "call_ms": repeated(lambda: run.call(row)),
        "predict_ms": repeated(lambda: run.predict(row)),
        "rows_per_s": len(everything[0]) / repeated(lambda: run.predict(everything), least=3) * 1e3,
    }


def measure(peer, name, whats, epochs=None):
    """The figures as a dict."""
    if not defined(peer, name):
        raise NotImplementedError(f"{name} is not written for {peer}")
    imported, variants = runs_of(peer, name)
    found = {}
    run = variants[0]()
    resident_before = resident()
    reset_peak()
    start = time.perf_counter()
    run.build()
    built = time.perf_counter()
    run.first()
    if "first" in whats:
        found.update(first_s=time.perf_counter() - built, build_s=built - start, import_s=imported)
    warmup, epochs = run.spec.warmup, epochs or run.spec.epochs
    if "step" in whats or "memory" in whats:
        found["step_ms"] = train(run, warmup, epochs)
        found["memory_mib"] = resident("VmHWM") - resident_before
    if "predict" in whats:
        found.update(predictions(run))
    if "step" in whats:
        for variant in variants[1:]:
            run = variant()
            run.build()
            run.first()
            found["step_ms"] = min(found["step_ms"], train(run, warmup, epochs))
    return found


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("peer")
    parser.add_argument("model")
    parser.add_argument("what")
    parser.add_argument("--epochs", type=int, help="timed epochs, instead of the model's own number")
    options = parser.parse_args()
    sys.setrecursionlimit(20000)  # Keras on torch goes through tiny1000's layers by recursion
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    whats = WHATS if options.what == "all" else options.what.split(",")
    try:
        answer = measure(options.peer, options.model, whats, options.epochs)
    except Exception as error:  # whatever a peer cannot do is a line in the result
        first = str(error).strip().splitlines()[:1] or [""]
        answer = {"error": f"{type(error).__name__}: {first[0]}"}
        if os.environ.get("BENCH_TRACEBACK"):
            raise
    print(json.dumps({"peer": options.peer, "model": options.model, **answer}))


if __name__ == "__main__":
    main()
