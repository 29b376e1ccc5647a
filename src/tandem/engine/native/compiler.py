"""LLVM, asked in a process of its own: its library takes 80 MB of memory there, and none in the program that trains.

As a script (`python compiler.py FOLDER`, the folder that has llvmlite) it answers requests on standard input until that
ends or nobody asks for a while. A request is a length in eight bytes and that many bytes of LLVM's assembly; the answer
is a byte (1: well), a length and an object file, or what is wrong. An empty request asks for the processor's features.
It imports nothing of Tandem's.
"""

import json
import select
import struct
import sys

# Seconds without a request after which the process ends; the next request begins another.
_IDLE = 15.0

HEADER = struct.Struct("<Q")
ANSWER = struct.Struct("<BQ")


def llvm():
    """llvmlite's binding, ready for this processor. Raises ImportError, OSError or RuntimeError where there is none."""
    import llvmlite.binding

    llvmlite.binding.initialize_native_target()
    llvmlite.binding.initialize_native_asmprinter()
    return llvmlite.binding


def features(binding):
    """The names of the processor's features that are on, sorted."""
    return sorted(name for name, on in binding.get_host_cpu_features().items() if on)


def machine(binding, jit):
    """A target machine for this processor; jit: for code that llvmlite itself puts in place."""
    where = {"jit": True} if jit else {"reloc": "pic", "codemodel": "small"}
    return binding.Target.from_default_triple().create_target_machine(
        cpu=binding.get_host_cpu_name(), features=binding.get_host_cpu_features().flatten(), opt=2, **where
    )


def optimized(binding, target, text):
    """The module of some assembly after LLVM's passes."""
    module = binding.parse_assembly(text)
    options = binding.create_pipeline_tuning_options(speed_level=2)
    options.loop_vectorization = options.slp_vectorization = options.loop_unrolling = True
    builder = binding.create_pass_builder(target, options)
    builder.getModulePassManager().run(module, builder)
    return module


def _answer(binding, text):
    if not text:
        return json.dumps(features(binding)).encode()
    target = machine(binding, jit=False)
    return target.emit_object(optimized(binding, target, text))


def main():
    """Answer requests."""
    sys.path.insert(0, sys.argv[1])
    given, given_back = sys.stdin.buffer, sys.stdout.buffer
    binding = llvm()
    while select.select([given], [], [], _IDLE)[0]:
        header = given.read(HEADER.size)
        if len(header) < HEADER.size:
            break
        text = given.read(HEADER.unpack(header)[0]).decode()
        try:
            well, payload = 1, _answer(binding, text)
        except Exception as error:
            well, payload = 0, str(error).encode()
        given_back.write(ANSWER.pack(well, len(payload)) + payload)
        given_back.flush()


if __name__ == "__main__":
    main()
