"""`tandem run` beside `python`: a script must not be able to tell them apart by what it is given."""

import os
import signal
import subprocess
import sys
import textwrap
import zipfile

import pytest

TANDEM_RUN = (sys.executable, "-m", "tandem", "run")
PYTHON = (sys.executable,)


def start(launcher, *words, **options):
    options = {"capture_output": True, "text": True, **options}
    return subprocess.run([*launcher, *map(str, words)], **options)


def both(*words, **options):
    """What `python` and `tandem run` make of the same words: (exit status, stdout, stderr), once they agree."""
    ours, pythons = (
        (done.returncode, done.stdout, done.stderr)
        for done in (start(launcher, *words, **options) for launcher in (TANDEM_RUN, PYTHON))
    )
    assert ours == pythons
    return ours


@pytest.fixture
def script(tmp_path):
    def write(text, name="script.py"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        text = textwrap.dedent(text)
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return path

    return write


SHOW = """\
#!/usr/bin/env python
'''What a script sees.'''
import sys, __main__
number: int = 1
for name in sorted(globals()):
    value = globals()[name]
    print(name, type(value).__name__ if hasattr(value, "__dict__") or name == "__loader__" else repr(value))
print(sys.argv, sys.path, __main__.number, __annotations__, sys.modules["__main__"].__dict__ is globals())
print(sys.excepthook is sys.__excepthook__, __builtins__ is __import__("builtins"), sys.executable)
"""


def test_globals_argv_and_path(script, tmp_path):
    script(SHOW, "folder/script.py")
    status, out, _ = both("folder/script.py", "-a", "--help", "--", "-m", "x y", cwd=tmp_path)
    assert status == 0
    assert "['folder/script.py', '-a', '--help', '--', '-m', 'x y']" in out
    both(tmp_path / "folder" / "script.py", cwd=tmp_path)


def test_a_link_to_a_script_imports_what_lies_beside_the_script(script, tmp_path):
    script("import beside; print(beside.value, __file__)", "real/script.py")
    script("value = 7", "real/beside.py")
    (tmp_path / "link.py").symlink_to(tmp_path / "real" / "script.py")
    assert both("link.py", cwd=tmp_path)[1] == f"7 {tmp_path / 'link.py'}\n"


def test_a_module_with_relative_imports(script, tmp_path):
    script("", "package/__init__.py")
    script("value = 8", "package/inside.py")
    script(SHOW + "from .inside import value; print(value, __package__)", "package/tool.py")
    script(SHOW + "from .inside import value\nif len(sys.argv) > 2: 1 / 0", "package/__main__.py")
    assert "8 package\n" in both("-m", "package.tool", "-x", "--help", "--", cwd=tmp_path)[1]
    assert both("-m", "package", "first", cwd=tmp_path)[0] == 0
    assert both("-m", "package", "first", "second", cwd=tmp_path)[0] == 1
    status, _, error = both("-m", "package.nothing", cwd=tmp_path)
    assert status == 1
    assert "No module named package.nothing" in error


def test_folder_zip_file_compiled_file_and_standard_input(script, tmp_path):
    script(SHOW, "folder/__main__.py")
    script("value = 9", "folder/beside.py")
    both("folder", "-a", cwd=tmp_path)
    with zipfile.ZipFile(tmp_path / "app.zip", "w") as archive:
        archive.writestr("__main__.py", "import beside, sys; print(beside.value, sys.argv, sys.path[0], __spec__.name)")
        archive.writestr("beside.py", "value = 9")
    assert both("app.zip", "-a", cwd=tmp_path)[1] == f"9 ['app.zip', '-a'] {tmp_path / 'app.zip'} __main__\n"
    import py_compile

    py_compile.compile(str(script("print(__name__, __file__)")), cfile=str(tmp_path / "compiled.pyc"))
    both("compiled.pyc", cwd=tmp_path)
    both("-", "-a", input=SHOW, cwd=tmp_path)
    assert both("-", input="1/0\n")[0] == 1


@pytest.mark.parametrize(
    ("text", "status"),
    [
        ("import sys; sys.exit(3)", 3),
        ("import sys; sys.exit('said so')", 1),
        ("import sys; sys.exit()", 0),
        ("raise SystemExit", 0),
        ("import os; os._exit(5)", 5),
        ("1 / 0", 1),
        ("raise KeyboardInterrupt", -signal.SIGINT),
        ("def f(:\n    pass", 1),
        ("import nothing_of_that_name", 1),
        ("def f():\n    raise ValueError(1)\ntry:\n    f()\nexcept ValueError as e:\n    raise TypeError(2) from e", 1),
        ("raise ExceptionGroup('several', [ValueError(1), TypeError(2)])" if sys.version_info >= (3, 11) else "0/0", 1),
        ("exec('def f(:')", 1),
        ("import sys; sys.excepthook = lambda *e: print('hooked', e[0].__name__, e[2].tb_lineno)\n1/0", 1),
        ("import sys; sys.excepthook = lambda *e: 1/0\nraise ValueError", 1),
        ("import sys; sys.excepthook = None\nraise ValueError", 1),
        ("import atexit, sys; atexit.register(lambda: print('last', sys.last_type.__name__))\n[][0]", 1),
        ("import threading, time\nthreading.Thread(target=lambda: (time.sleep(0.05), print('t'))).start()\n[][0]", 1),
        ("import threading\nt = threading.Thread(target=lambda: 1/0, name='T'); t.start(); t.join()", 0),
        ("import signal, os; os.kill(os.getpid(), signal.SIGINT)", -signal.SIGINT),
        ("import sys; sys.stdout.write('no newline')", 0),
        ("class C:\n    def __del__(self): print('gone', C is not None)\nc = C()", 0),
        ("import traceback\ntry:\n    1/0\nexcept ZeroDivisionError:\n    print(traceback.format_exc())", 0),
        ("from __future__ import annotations\ndef f(x: nothing): pass\nprint(f.__annotations__)", 0),
        ("def f(x: int): pass\nprint(f.__annotations__)", 0),
        ("import warnings; warnings.warn('from the script'); warnings.warn('old', DeprecationWarning)", 0),
        ("import inspect\nclass C:\n    x = 1\nprint(inspect.getsource(C), inspect.getmodule(C))", 0),
        ("import pickle\nclass C: pass\nprint(pickle.loads(pickle.dumps(C)) is C, C.__module__)", 0),
    ],
)  # fmt: skip
def test_exit_status_and_output(script, text, status):
    done = both(script(text))
    assert done[0] == status


def test_encoding_line_and_byte_order_mark(script, tmp_path):
    (tmp_path / "latin.py").write_bytes(b"# -*- coding: latin-1 -*-\nprint(ascii('\xe9'))\n")
    (tmp_path / "mark.py").write_bytes(b"\xef\xbb\xbfprint(ascii('\xc3\xa9'))\n")
    (tmp_path / "broken.py").write_bytes(b"print('\xe9')\n")
    assert both(tmp_path / "latin.py")[1] == both(tmp_path / "mark.py")[1] == "'\\xe9'\n"
    done = start(TANDEM_RUN, tmp_path / "broken.py")
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith("SyntaxError: ")
    assert "tandem" not in done.stderr


@pytest.mark.parametrize("flag", ["-I", "-E", "-O", "-Wignore", "-X dev", "-B"])
def test_options_of_python_itself(script, flag):
    path = script(SHOW + "print(__debug__, sys.flags)\nimport warnings; warnings.warn('x')")
    words = [sys.executable, *flag.split()]
    ours, pythons = start(words, "-m", "tandem", "run", path), start(words, path)
    assert (ours.returncode, ours.stdout, ours.stderr) == (pythons.returncode, pythons.stdout, pythons.stderr)


def test_a_script_that_is_not_there(tmp_path):
    done = start(TANDEM_RUN, "nothing.py", cwd=tmp_path)
    assert done.returncode == 2
    assert (
        done.stderr
        == f"tandem: can't open file {str(tmp_path / 'nothing.py')!r}: [Errno 2] No such file or directory\n"
    )


def test_interrupt_from_outside(script, tmp_path):
    path = script("import time; print('ready', flush=True); time.sleep(60)")
    process = subprocess.Popen([*TANDEM_RUN, path], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "ready\n"
    process.send_signal(signal.SIGINT)
    _, error = process.communicate(timeout=20)
    assert process.returncode == -signal.SIGINT
    assert error.splitlines()[1].endswith('script.py", line 1, in <module>')


def test_worker_processes_find_the_script(script):
    text = """
        import multiprocessing, sys

        class Thing:
            value = 5

        def work(thing):
            return thing.value, isinstance(thing, Thing), sys.argv

        if __name__ == "__main__":
            for method in ("fork", "spawn", "forkserver"):
                with multiprocessing.get_context(method).Pool(1) as pool:
                    print(pool.map(work, [Thing()]))
    """
    assert both(script(text), "-x")[0] == 0


def test_commands_and_wrong_usage(script):
    from tandem import __version__

    path = script("import sys; print(sys.argv[1:])")
    assert start(TANDEM_RUN[:-1], "--version").stdout == f"tandem {__version__}\n"
    command = os.path.join(os.path.dirname(sys.executable), "tandem")
    assert start((command,), "run", path, "--version").stdout == "['--version']\n"
    assert start(TANDEM_RUN, "--trust-cache", path, "--help").stdout == "['--help']\n"
    for words, message in [
        (["--nosuch", path], "No such option"),
        (["--device", "tpu", path], "'tpu'"),
        (["--trust-cache"], "SCRIPT or -m MODULE"),
        (["--compile", "xla", path], "library, native, cuda_graph, inductor, auto"),
        (["-m"], "requires an argument"),
    ]:
        done = start(TANDEM_RUN, *words)
        assert done.returncode == 2
        assert message in done.stderr
        assert "Traceback" not in done.stderr


def test_options_hold_in_worker_processes_too(script):
    path = script("""
        import multiprocessing

        def state():
            from tandem.core import cache, devices
            return devices.redirected(), cache.trusted()

        if __name__ == "__main__":
            print(state())
            with multiprocessing.get_context("spawn").Pool(1) as pool:
                print(pool.apply(state))
    """)
    assert start(TANDEM_RUN, "--device", "cpu", "--trust-cache", path).stdout == "('cpu', True)\n" * 2
    assert start(TANDEM_RUN, "--device=cpu", path).stdout == "('cpu', False)\n" * 2
    assert start(TANDEM_RUN, path).stdout == "(None, False)\n" * 2


STEPS = """
    import sys
    import torch
    from tandem.engine import backends
    from tandem.engine.replay import Step

    step = Step(lambda x: x * 2 + 1, name="The short step")
    odd = Step(lambda x: x.sum().item(), name="The odd step")
    for _ in range(4):
        step(torch.ones(3))
        odd(torch.ones(3))
    print(backends.default(), sys.argv[1:])
    if sys.argv[1:] == ["fails"]:
        sys.exit(3)
"""


def test_explain_prints_what_became_of_the_steps_however_the_script_ends(script):
    path = script(STEPS)
    for words, status in ((["--explain"], 0), ([], 3)):
        done = start(TANDEM_RUN, "--explain", "--compile", "library", path, *(["fails"] if status else words))
        assert done.returncode == status
        assert done.stdout.startswith("library ")
        said = done.stderr[done.stderr.index("The short step") :]
        assert "back end  library: it is set for this process" in said
        assert "b0 float32[3] = mul(in0 float32[3], 2)" in said
        assert f"{path}:7" in said
        odd = done.stderr[done.stderr.index("The odd step\n") :]
        assert "runs   eagerly, not recorded and replayed\n  since  a tensor's value is read into Python" in odd
        assert f"at     {path}:8" in odd


def test_without_options_nothing_is_printed_and_no_back_end_is_set(script):
    done = start(TANDEM_RUN, script(STEPS), "--compile", "auto")
    assert done.stdout == "None ['--compile', 'auto']\n"
    assert "back end" not in done.stderr


def test_back_ends_have_their_engines_names():
    from tandem.cli.run import BACK_ENDS
    from tandem.engine import backends

    assert BACK_ENDS == backends.NAMES


def test_the_command_line_does_not_import_torch():
    code = (
        "import sys, tandem.cli; sys.argv = ['tandem', '--help']\ntry:\n    tandem.cli.main()\nexcept SystemExit:\n    "
    )
    code += "print([name for name in ('torch', 'numpy', 'rich') if name in sys.modules])"
    assert start(PYTHON, "-c", code).stdout.endswith("\n[]\n")


def test_outside_of_a_run_nothing_changes():
    code = "import sys, tandem\nbefore = list(sys.meta_path)\nimport tandem.compat.hook, tandem.compat.launch\n"
    assert start(PYTHON, "-c", code + "print(sys.meta_path == before)").stdout == "True\n"
