"""LLVM's assembly made into machine code in memory."""

import atexit
import contextlib
import ctypes
import functools
import glob
import importlib.util
import json
import os
import platform
import subprocess
import sys
import threading

import torch

from tandem.engine.native import compiler, loader

_LOCK = threading.RLock()
_compiled: dict = {}  # a segment's text -> its function
_objects: list = []  # the code is theirs
_symbols: dict = {}  # the addresses of the functions that code may call, by name

# Vector forms of the C library's functions: (letter of the instruction set, lanes in float) by processor feature.
_VECTORS = (("avx512f", "e", 16), ("avx2", "d", 8), ("sse4.2", "b", 4))

_FUNCTION = ctypes.CFUNCTYPE(None, ctypes.c_void_p)


@functools.cache
def binding_exists():
    """Whether llvmlite is installed; does not load it."""
    return importlib.util.find_spec("llvmlite") is not None


@functools.cache
def can_compile():
    """Whether there is an LLVM that knows code for this processor."""
    try:
        return bool(features())
    except (ImportError, OSError, RuntimeError):
        return False


@functools.cache
def features():
    """The names of the processor's features that are on, a frozenset. Raises ImportError, OSError or RuntimeError."""
    answer = _asked("")
    return frozenset(json.loads(answer) if answer is not None else compiler.features(_binding()))


def _library(*names):
    for name in names:
        try:
            return ctypes.CDLL(name)
        except OSError:
            continue
    return None


def _address_in(library, symbol):
    function = getattr(library, symbol, None) if library is not None else None
    return ctypes.cast(function, ctypes.c_void_p).value if function is not None else None


@functools.cache
def has_threads():
    """Whether loops can be divided among torch's own threads; makes their functions known to code."""
    folder = os.path.join(os.path.dirname(torch.__file__), "lib")
    for path in glob.glob(os.path.join(folder, "lib*omp*")):
        library = _library(path)
        addresses = {
            name: _address_in(library, name) for name in ("GOMP_parallel", "omp_get_thread_num", "omp_get_num_threads")
        }
        if all(addresses.values()):
            _symbols.update(addresses)
            return True
    return False


@functools.cache
def _vector_forms(name, double, arguments):
    """The vector forms of a function of the C library, as LLVM wants to be told of them, or an empty text."""
    if platform.system() != "Linux" or platform.machine() != "x86_64":
        return ""
    library, forms = _library("libmvec.so.1"), []
    for feature, letter, lanes in _VECTORS:
        if feature not in features():
            continue
        lanes = lanes // 2 if double else lanes
        shape = "v" * arguments
        symbol = f"_ZGV{letter}N{lanes}{shape}_{name}"
        address = _address_in(library, symbol)
        if address is not None:
            _symbols[symbol] = address
            forms.append((lanes, shape, symbol))
    return forms


def _declarations(functions):
    """Declarations of the functions that some segments call, and the attributes that name their vector forms."""
    lines, attributes, used = [], {}, []
    for name, dtype, arguments in sorted(functions, key=str):
        double = dtype is torch.float64
        kind = "double" if double else "float"
        if not arguments:
            lines.append(f"declare {kind} @llvm.{name}.{'f64' if double else 'f32'}({kind})")
            continue
        symbol = name if double else f"{name}f"
        _symbols[symbol] = _address_in(_mathematics(), symbol)
        given = ", ".join([kind] * arguments)
        lines.append(f"declare {kind} @{symbol}({given})")
        forms = _vector_forms(symbol, double, arguments)
        text = "nounwind memory(none)"
        if forms:
            named = ",".join(f"_ZGV_LLVM_N{lanes}{shape}_{symbol}({other})" for lanes, shape, other in forms)
            text += f' "vector-function-abi-variant"="{named}"'
        for lanes, _, other in forms:
            vector = f"<{lanes} x {kind}>"
            lines.append(f"declare {vector} @{other}({', '.join([vector] * arguments)})")
            used.append(f"ptr @{other}")
        attributes[symbol] = f"attributes #{len(attributes)} = {{ {text} }}"
    if used:
        lines.append(
            f'@llvm.compiler.used = appending global [{len(used)} x ptr] [{", ".join(used)}], section "llvm.metadata"'
        )
    return lines, attributes


def compile_segments(segments):
    """A function of each segment, which takes the address of its table; equal segments are compiled once."""
    with _LOCK:
        fresh = {}
        for segment in segments:
            if segment.text not in _compiled:
                fresh.setdefault(segment.text, segment)
        if fresh:
            _compile(list(fresh.values()))
        return [_compiled[segment.text] for segment in segments]


def _compile(segments):
    lines, attributes = _declarations(set().union(*(segment.functions for segment in segments)))
    numbers = {symbol: str(number) for number, symbol in enumerate(attributes)}
    lines.append("declare void @GOMP_parallel(ptr, ptr, i32, i32)")
    lines.append("declare i64 @llvm.smin.i64(i64, i64)")
    lines.append("declare i32 @omp_get_thread_num()")
    lines.append("declare i32 @omp_get_num_threads()")
    bodies, first = [], 0
    for number, segment in enumerate(segments):
        text, first = segment.named(f"segment{number}", first)
        for symbol, attribute in numbers.items():
            text = text.replace(f"#{{{symbol}}}", f"#{attribute}")
        bodies.append(text)
    address = _addresses("\n".join([*lines, *bodies, *attributes.values()]))
    for number, segment in enumerate(segments):
        _compiled[segment.text] = _FUNCTION(address(f"segment{number}"))


def compile_text(text, name):
    """The address of a function in LLVM's assembly."""
    with _LOCK:
        return _addresses(text)(name)


def _addresses(text):
    """The function that gives the address of each function in LLVM's assembly."""
    data = _asked(text)
    if data is not None:
        try:
            loaded = loader.Loaded(data, _find)
            _objects.append(loaded)
            return loaded.address
        except loader.Unloadable:
            pass  # LLVM itself can put it into memory
    llvm = _binding()
    for name, address in _symbols.items():
        llvm.add_symbol(name, address)
    target = compiler.machine(llvm, jit=True)
    engine = llvm.create_mcjit_compiler(compiler.optimized(llvm, target, text), target)
    engine.finalize_object()
    _objects.append(engine)
    return engine.get_function_address


@functools.cache
def _binding():
    """LLVM in this process."""
    return compiler.llvm()


def _find(name):
    """The address of a function that code calls: one that we named, or one of the C library's that LLVM chose."""
    found = _symbols.get(name)
    return found or _address_in(_mathematics(), name) or _address_in(ctypes.CDLL(None), name)


@functools.cache
def _mathematics():
    return _library("libm.so.6", "libm.dylib") or ctypes.CDLL(None)


def _asked(text):
    """What the compiler's process answers, or None where there can be none. Raises RuntimeError for wrong assembly."""
    global _process
    if not loader.can_load() or _process is False:
        return None
    for _ in range(2):  # one that was idle may just have ended
        if _process is None or _process.pid != os.getpid():
            _process = _Process.begin()
        if _process is False:
            return None
        try:
            well, answer = _process.ask(text.encode())
        except OSError:
            _process.end()
            _process = None
            continue
        if not well:
            raise RuntimeError(answer.decode())
        return answer
    _process = False
    return None


_process = None  # the compiler's; False where it cannot be had


class _Process:
    """The process that compiles; it ends by itself when nobody asks for a while."""

    def __init__(self, process):
        self.process, self.pid = process, os.getpid()
        atexit.register(self.end)

    @classmethod
    def begin(cls):
        """A new one, or False where none can be started."""
        spec = importlib.util.find_spec("llvmlite")
        if not sys.executable or spec is None or spec.origin is None:
            return False
        folder = os.path.dirname(os.path.dirname(spec.origin))
        try:
            # Without the user's settings and start-up files: it only translates.
            return cls(
                subprocess.Popen(
                    [sys.executable, "-I", "-S", compiler.__file__, folder],
                    stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, start_new_session=True,
                )
            )  # fmt: skip
        except OSError:
            return False

    def ask(self, text):
        """(whether it went well, the answer). Raises OSError where the process has ended."""
        self.process.stdin.write(compiler.HEADER.pack(len(text)) + text)
        self.process.stdin.flush()
        well, length = compiler.ANSWER.unpack(self._read(compiler.ANSWER.size))
        return well, self._read(length)

    def _read(self, count):
        data = self.process.stdout.read(count)
        if len(data) < count:
            raise BrokenPipeError
        return data

    def end(self):
        """Make sure that it has ended."""
        if self.pid != os.getpid():
            return  # a process that was forked: the compiler is its parent's
        atexit.unregister(self.end)
        self.process.kill()
        self.process.wait()
        for pipe in (self.process.stdin, self.process.stdout):
            with contextlib.suppress(OSError):
                pipe.close()
