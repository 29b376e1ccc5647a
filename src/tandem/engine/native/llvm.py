"""LLVM's assembly made into machine code in memory."""

import ctypes
import functools
import glob
import importlib.util
import os
import platform
import threading

import torch

_LOCK = threading.RLock()
_compiled: dict = {}  # a segment's text -> its function
_engines: list = []  # the code is theirs

# Vector forms of the C library's functions: (letter of the instruction set, lanes in float) by processor feature.
_VECTORS = (("avx512f", "e", 16), ("avx2", "d", 8), ("sse4.2", "b", 4))

_FUNCTION = ctypes.CFUNCTYPE(None, ctypes.c_void_p)


@functools.cache
def binding_exists():
    """Whether llvmlite is installed; does not load it."""
    return importlib.util.find_spec("llvmlite") is not None


@functools.cache
def binding():
    """llvmlite's binding, or None where it is not installed or knows no code for this processor."""
    try:
        import llvmlite.binding as llvm

        llvm.initialize_native_target()
        llvm.initialize_native_asmprinter()
    except (ImportError, OSError, RuntimeError):
        return None
    return llvm


@functools.cache
def _features():
    return {name for name, on in binding().get_host_cpu_features().items() if on}


def _machine():
    """A target machine for this processor; each engine owns one."""
    llvm = binding()
    return llvm.Target.from_default_triple().create_target_machine(
        cpu=llvm.get_host_cpu_name(), features=llvm.get_host_cpu_features().flatten(), opt=2, jit=True
    )


def _library(*names):
    for name in names:
        try:
            return ctypes.CDLL(name)
        except OSError:
            continue
    return None


def _address(library, symbol):
    function = getattr(library, symbol, None) if library is not None else None
    return ctypes.cast(function, ctypes.c_void_p).value if function is not None else None


@functools.cache
def has_threads():
    """Whether loops can be divided among torch's own threads; makes their functions known to LLVM."""
    folder = os.path.join(os.path.dirname(torch.__file__), "lib")
    for path in glob.glob(os.path.join(folder, "lib*omp*")):
        library = _library(path)
        addresses = {
            name: _address(library, name) for name in ("GOMP_parallel", "omp_get_thread_num", "omp_get_num_threads")
        }
        if all(addresses.values()):
            for name, address in addresses.items():
                binding().add_symbol(name, address)
            return True
    return False


@functools.cache
def _vector_forms(name, double, arguments):
    """The vector forms of a function of the C library, as LLVM wants to be told of them, or an empty text."""
    if platform.system() != "Linux" or platform.machine() != "x86_64":
        return ""
    library, forms = _library("libmvec.so.1"), []
    for feature, letter, lanes in _VECTORS:
        if feature not in _features():
            continue
        lanes = lanes // 2 if double else lanes
        shape = "v" * arguments
        symbol = f"_ZGV{letter}N{lanes}{shape}_{name}"
        address = _address(library, symbol)
        if address is not None:
            binding().add_symbol(symbol, address)
            forms.append((lanes, shape, symbol))
    return forms


def _declarations(functions):
    """Declarations of the functions that some segments call, and the attributes that name their vector forms."""
    lines, attributes, used = [], {}, []
    mathematics = _library("libm.so.6", "libm.dylib") or ctypes.CDLL(None)
    for name, dtype, arguments in sorted(functions, key=str):
        double = dtype is torch.float64
        kind = "double" if double else "float"
        if not arguments:
            lines.append(f"declare {kind} @llvm.{name}.{'f64' if double else 'f32'}({kind})")
            continue
        symbol = name if double else f"{name}f"
        binding().add_symbol(symbol, _address(mathematics, symbol))
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
    engine = _engine("\n".join([*lines, *bodies, *attributes.values()]))
    for number, segment in enumerate(segments):
        _compiled[segment.text] = _FUNCTION(engine.get_function_address(f"segment{number}"))


def compile_text(text, name):
    """The address of a function in LLVM's assembly."""
    with _LOCK:
        return _engine(text).get_function_address(name)


def _engine(text):
    llvm = binding()
    machine, module = _machine(), llvm.parse_assembly(text)
    options = llvm.create_pipeline_tuning_options(speed_level=2)
    options.loop_vectorization = options.slp_vectorization = options.loop_unrolling = True
    builder = llvm.create_pass_builder(machine, options)
    builder.getModulePassManager().run(module, builder)
    engine = llvm.create_mcjit_compiler(module, machine)
    engine.finalize_object()
    _engines.append(engine)
    return engine
