"""Run the benchmarks side by side and write benchmarks/results/DATE.md, DATE.png and DATE.jsonl.

    python benchmarks/run.py [--quick] [--models mlp,cnn] [--peers tandem,torch] [--what step,memory] [--rounds 3]

Each measurement is a process of its own, held to the same cores; the peers take turns, so that a drift of the
machine's speed meets all of them. Each figure is written down at once (DATE.jsonl) and the tables anew after each
model, so that an interrupted run is not lost; what is measured again on the same day takes the place of what was there.
"""

import argparse
import datetime
import json
import os
import platform
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import models
import report
from measure import WHATS, defined

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
PYTHONS = {
    "keras-jax": ROOT / ".oracles/jax/bin/python",
    "jax": ROOT / ".oracles/jax/bin/python",
    "keras-tensorflow": ROOT / ".oracles/tensorflow/bin/python",
    "mxnet": ROOT / ".oracles/mxnet/bin/python",
    "mxnet-hybridized": ROOT / ".oracles/mxnet/bin/python",
}
# The package that names a peer's version.
PACKAGES = {
    "keras-torch": "keras",
    "keras-jax": "jax",
    "jax": "jax",
    "keras-tensorflow": "tensorflow_cpu",
    "mxnet": "mxnet",
    "mxnet-hybridized": "mxnet",
}
QUICK = ("mlp", "cnn", "lstm", "transformer")
# Scripts with results of their own, run after the tables; `--write FILE` has each leave its Markdown there.
SECTIONS = {"feeding": "feeding.py", "growth": "growth.py", "bf16": "bf16.py"}


def python_of(peer):
    """The interpreter that has a peer."""
    return PYTHONS.get(peer, ROOT / ".venv/bin/python")


def version_of(peer):
    """ "torch 2.13.0", or None where the peer is not installed."""
    package = PACKAGES.get(peer, "torch")
    if not python_of(peer).exists():
        return None
    code = f"from importlib.metadata import version; print(version({package!r}))"
    found = subprocess.run([str(python_of(peer)), "-c", code], capture_output=True, text=True, check=False)
    return f"{package} {found.stdout.strip()}" if found.returncode == 0 else None


def processor():
    """(the processor's name, which of its flags matter to bfloat16)."""
    info, name, flags = Path("/proc/cpuinfo"), platform.processor() or platform.machine(), []
    if info.exists():
        for line in info.read_text().splitlines():
            key, _, value = line.partition(":")
            if key.strip() == "model name":
                name = value.strip()
            elif key.strip() == "flags":
                flags = [flag for flag in ("avx2", "avx512f", "avx512_bf16", "amx_bf16") if flag in value.split()]
    return name, flags


class Machine:
    """The cores that every measurement is held to, and the environment it gets."""

    def __init__(self, threads):
        cores = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else range(os.cpu_count() or 1)
        self.cores = list(cores)[:threads]
        count = str(len(self.cores))
        self.prefix = []
        if shutil.which("taskset"):
            self.prefix = ["taskset", "-c", ",".join(map(str, self.cores))]
        names = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS")
        self.environment = {**os.environ, **dict.fromkeys(names, count)}

    def run(self, command, timeout):
        """(exit status, standard output, standard error); the status is None after the time-out."""
        process = subprocess.Popen(
            [*self.prefix, *map(str, command)],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=self.environment, start_new_session=True,
        )  # fmt: skip
        try:
            output, errors = process.communicate(timeout=timeout)
        except BaseException as error:  # whatever it started ends with it
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
            if isinstance(error, subprocess.TimeoutExpired):
                return None, "", ""
            raise
        return process.returncode, output, errors

    def markdown_of(self, script, timeout):
        """What a script writes as its result; where it fails, a line that says so."""
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "section.md"
            status, _, errors = self.run([python_of("tandem"), script, "--write", path], timeout)
            if status == 0 and path.exists():
                text = path.read_text()
                return "#" + text if text.startswith("# ") else text
        last = (errors.strip().splitlines() or ["no output"])[-1]
        reason = f"took longer than {timeout:.0f} s" if status is None else last
        return f"## {script.name}\n\nNot measured: {reason}"


def measured(machine, peer, model, whats, epochs=None, timeout=900):
    """What one process says, as a dict; "error" in it where it failed."""
    command = [python_of(peer), HERE / "measure.py", peer, model, ",".join(whats)]
    if epochs is not None:
        command += ["--epochs", epochs]
    status, output, errors = machine.run(command, timeout)
    if status is None:
        return {"peer": peer, "model": model, "error": f"took longer than {timeout:.0f} s"}
    try:
        return json.loads(output.strip().splitlines()[-1])
    except (IndexError, ValueError):
        last = (errors.strip().splitlines() or ["no output"])[-1]
        return {"peer": peer, "model": model, "error": f"ended with status {status}: {last}"}


def chosen(given, known, what):
    """The names of a comma-separated list, each being known."""
    names = given.split(",") if given else list(known)
    unknown = [name for name in names if name.partition(":")[0] not in known]
    if unknown:
        sys.exit(f"There is no {what} named {', '.join(unknown)}. There are: {', '.join(known)}.")
    return names


class Result:
    """The result's files: the lines as they come, the tables and the picture made of them."""

    def __init__(self, base, run, machine, missing):
        self.base, self.run, self.machine, self.missing = base, run, machine, missing
        self.date = datetime.date.today().isoformat()
        base.parent.mkdir(parents=True, exist_ok=True)
        self.lines = []
        self.path = base.with_name(base.name + ".jsonl")
        if self.path.exists():
            self.lines = [json.loads(line) for line in self.path.read_text().splitlines() if line.strip()]

    def add(self, line):
        """Write a line down."""
        line = {"run": self.run, **line}
        self.lines.append(line)
        with self.path.open("a") as file:
            file.write(json.dumps(line) + "\n")

    def write(self, picture=False):
        """Write the tables, and the picture if asked."""
        text = report.markdown(self.lines, self.date, self.machine, self.missing)
        self.base.with_name(self.base.name + ".md").write_text(text)
        if picture:
            report.picture(self.lines, self.base.with_name(self.base.name + ".png"), self.date, self.machine[0])
        return text


def tables(machine, result, options, peers):
    """Measure the models' tables."""
    whats = chosen("" if options.what == "all" else options.what, WHATS, "measurement")
    names = chosen(options.models, models.SPECS if not options.quick else QUICK, "model")
    failed = set()
    for number in range(1, options.rounds + 1):
        for model in names:
            if number > min(options.rounds, models.spec(model).rounds):
                continue
            for peer in peers:
                if not defined(peer, model) or (peer, model) in failed:
                    continue
                start = time.perf_counter()
                line = measured(machine, peer, model, whats, 2 if options.quick else None, options.timeout)
                result.add({"what": ",".join(whats), **line})
                if "error" in line:
                    failed.add((peer, model))
                said = line.get("error") or ", ".join(
                    f"{key} {value:.4g}" for key, value in line.items() if isinstance(value, float)
                )
                took = time.perf_counter() - start
                print(f"round {number} {peer:24} {model:12} {said} [{took:.0f} s]", flush=True)
            result.write()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", default="", help=f"with commas between; there are {', '.join(models.SPECS)}")
    parser.add_argument("--peers", default="", help=f"with commas between; there are {', '.join(report.PEERS)}")
    parser.add_argument("--what", default="all", help=f"with commas between; there are {', '.join(WHATS)}")
    parser.add_argument("--rounds", type=int, default=5, help="at most; large models have fewer of their own")
    parser.add_argument("--threads", type=int, default=2, help="on how many cores (default: 2)")
    parser.add_argument("--timeout", type=float, default=900, help="seconds that one measurement may take")
    parser.add_argument("--compile", action="store_true", help="torch.compile too (slow; needs a C++ compiler)")
    parser.add_argument("--quick", action="store_true", help="the small models, one round, into out/bench.md")
    parser.add_argument("--growth", action="store_true", help="only how steps grow with batch size, layers and width")
    parser.add_argument("--bf16", action="store_true", help="only bfloat16 against float32")
    parser.add_argument("--feeding", action="store_true", help="only the feeding of data")
    parser.add_argument("--everything", action="store_true", help="the tables, torch.compile, growth, bf16, feeding")
    parser.add_argument("--output", type=Path, help="where to write, without a suffix (default: results/DATE)")
    options = parser.parse_args()
    if options.quick:
        options.rounds = min(options.rounds, 1)
    peers = chosen(options.peers, report.PEERS, "peer")
    if not (options.compile or options.everything or "torch-compile" in options.peers.split(",")):
        peers = [peer for peer in peers if peer != "torch-compile"]
    versions = {peer: version_of(peer) for peer in peers}
    missing = [
        f"{report.PEERS[peer]} is left out: it is not installed in {python_of(peer).parents[1].relative_to(ROOT)}."
        for peer, version in versions.items()
        if version is None
    ]
    peers = [peer for peer in peers if versions[peer] is not None]
    for line in missing:
        print(line)
    machine = Machine(options.threads)
    name, flags = processor()
    found = ", ".join(dict.fromkeys(filter(None, versions.values())))
    about = [
        f"{name}, {len(machine.cores)} cores ({', '.join(flags)}); {platform.system()} {platform.release()}.",
        f"Python {platform.python_version()}, {found}. float32 where nothing else is said.",
        f"Load of the machine before: {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores.",
        f"`{shlex.join(['python', 'benchmarks/run.py', *sys.argv[1:]])}`",
    ]
    today = datetime.date.today().isoformat()
    default = ROOT / "out/bench" if options.quick else HERE / "results" / today
    run = datetime.datetime.now().isoformat(timespec="seconds")
    result = Result(options.output or default, run, about, missing)
    sections = [one for one in SECTIONS if getattr(options, one)]
    if options.everything or not sections:
        tables(machine, result, options, peers)
    for section in SECTIONS if options.everything else sections:
        script = HERE / SECTIONS[section]
        if script.exists():
            print(f"{section}: {script.name}", flush=True)
            result.add({"section": section, "markdown": machine.markdown_of(script, 4 * options.timeout)})
            result.write()
    print("\n" + result.write(picture=True))
    print(f"written to {result.base}.md, .png and .jsonl")


if __name__ == "__main__":
    main()
