"""Starting a script or module so that it sees what `python SCRIPT` would have given it.

sys.argv, sys.path[0], a fresh `__main__`, the exit status, and a traceback that begins in the script.
"""

import builtins
import os
import pkgutil
import sys
from importlib.machinery import BuiltinImporter, SourceFileLoader, SourcelessFileLoader
from types import ModuleType

_FOLDER = os.path.dirname(os.path.abspath(__file__)) + os.sep


def run_script(path, args):
    """Run the file, folder, zip file or (for "-") standard input `path` as `__main__`.

    Returns where the script came to its end; raises SystemExit where it did not, or where it asked for it.
    """
    sys.argv[:] = [path, *args]
    if path == "-":
        _first_on_path("")
        return _run(_fresh_main("<stdin>", BuiltinImporter), lambda: compile_source(sys.stdin.buffer.read(), "<stdin>"))
    if pkgutil.get_importer(path) is not None:
        _first_on_path(os.path.abspath(path))
        return _run_by_runpy("__main__", alter_argv=False)
    _first_on_path(os.path.dirname(os.path.realpath(path)))
    full = os.path.abspath(path)
    try:
        code, source = _read(full)
    except OSError as error:
        sys.stderr.write(f"tandem: can't open file {full!r}: [Errno {error.errno}] {error.strerror}\n")
        raise SystemExit(2) from None
    loader = (SourcelessFileLoader if code else SourceFileLoader)("__main__", full)
    return _run(_fresh_main(full, loader), lambda: code or compile_source(source, full))


def run_module(name, args):
    """Run the module `name` as `python -m name` does."""
    sys.argv[:] = ["-m", *args]
    _first_on_path(os.getcwd())
    return _run_by_runpy(name, alter_argv=True)


def compile_source(source, filename):
    """Compile bytes as Python compiles a file: by its encoding line, and with its own __future__ imports only."""
    return compile(source, filename, "exec", dont_inherit=True)


def _read(path):
    """(code, None) for a .pyc file, else (None, bytes)."""
    with open(path, "rb") as file:
        code = pkgutil.read_code(file)
        if code is not None:
            return code, None
        file.seek(0)
        return None, file.read()


def _first_on_path(folder):
    # `python -P`, -I and PYTHONSAFEPATH keep the script's folder away, and so there is nothing to replace.
    if not (getattr(sys.flags, "safe_path", False) or sys.flags.isolated):
        sys.path[0] = folder


def _fresh_main(filename, loader):
    module = ModuleType("__main__")
    module.__dict__.update(__cached__=None, __file__=filename, __loader__=loader)
    _replace_main(module)
    return module


def _replace_main(module):
    # The launcher's own __main__ must outlive it: what it defines is still on the stack.
    module.__dict__.update(__annotations__={}, __builtins__=builtins)
    _replaced.append(sys.modules.get("__main__"))
    sys.modules["__main__"] = module


_replaced = []


def _run(module, code):
    def start():
        exec(code(), module.__dict__)

    _guarded(start)


def _run_by_runpy(name, alter_argv):
    import runpy

    _replace_main(ModuleType("__main__"))
    # What `python -m`, `python folder` and `python file.zip` themselves call.
    _guarded(lambda: runpy._run_module_as_main(name, alter_argv))


def _guarded(start):
    error = _failure(start)
    if error is None:
        return
    _report(error)
    if isinstance(error, KeyboardInterrupt):
        # Python ends itself by SIGINT where this reaches the top; what there is to say has been said.
        sys.excepthook = lambda *_: None
        raise error
    raise SystemExit(1)


def _failure(start):
    """What `start` raised, or None; a SystemExit goes on its way."""
    try:
        start()
    except SystemExit:
        raise
    except BaseException as error:
        return error
    return None


def _report(error):
    """Do what Python does with an exception that nobody caught, without the frames that are Tandem's launcher."""
    trace = _without_launcher(error.__traceback__)
    error.__traceback__ = trace
    sys.last_type, sys.last_value, sys.last_traceback = type(error), error, trace
    if sys.version_info >= (3, 12):
        sys.last_exc = error
    try:
        sys.excepthook(type(error), error, trace)
    except SystemExit:
        raise
    except BaseException as second:
        # As Python does it for a hook that fails.
        sys.stderr.write("Error in sys.excepthook:\n")
        second.__traceback__ = _without_launcher(second.__traceback__)
        sys.__excepthook__(type(second), second, second.__traceback__)
        sys.stderr.write("\nOriginal exception was:\n")
        sys.__excepthook__(type(error), error, trace)


def _without_launcher(trace):
    frames = []
    while trace is not None:
        name = trace.tb_frame.f_code.co_filename
        if not name.startswith(_FOLDER):
            frames.append(trace)
        trace = trace.tb_next
    for frame, following in zip(frames, [*frames[1:], None]):
        frame.tb_next = following
    return frames[0] if frames else None
