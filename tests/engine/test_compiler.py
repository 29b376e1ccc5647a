"""Machine code comes from a process of its own and is put into memory here; where that cannot be, LLVM does it here."""

import ctypes
import math
import os
import subprocess
import sys
import threading

import pytest

from tandem.engine.native import llvm, loader

pytestmark = pytest.mark.skipif(not llvm.can_compile(), reason="llvmlite is not installed")
elsewhere = pytest.mark.skipif(not loader.can_load(), reason="objects of this machine are LLVM's own to load")

# Constants, a function within, a pointer to it, and functions outside (LLVM calls one of them by itself).
TEXT = """
@table = private constant [4 x double] [double 1.5, double 2.5, double 3.5, double 4.5]
@chosen = private constant ptr @half
declare double @cos(double)
declare void @llvm.memset.p0.i64(ptr, i8, i64, i1)
define internal double @half(double %x) noinline {
  %y = fmul double %x, 0.5
  ret double %y
}
define double @work(ptr %memory, i64 %count, i64 %index) {
  call void @llvm.memset.p0.i64(ptr %memory, i8 7, i64 %count, i1 false)
  %place = getelementptr double, ptr @table, i64 %index
  %value = load double, ptr %place
  %function = load volatile ptr, ptr @chosen
  %less = call double %function(double %value)
  %turned = call double @cos(double %less)
  ret double %turned
}
"""


@pytest.fixture
def process(monkeypatch):
    """The compiler's process begun anew."""
    monkeypatch.setattr(llvm, "_process", None)
    monkeypatch.setitem(llvm._symbols, "cos", llvm._find("cos"))
    yield
    if llvm._process:
        llvm._process.end()


def check():
    function = ctypes.CFUNCTYPE(ctypes.c_double, ctypes.c_void_p, ctypes.c_int64, ctypes.c_int64)
    memory = ctypes.create_string_buffer(5000)
    work = function(llvm.compile_text(TEXT, "work"))
    assert work(ctypes.addressof(memory), 4999, 2) == pytest.approx(math.cos(1.75), rel=1e-14)
    assert bytes(memory) == b"\7" * 4999 + b"\0"


@elsewhere
def test_code_from_the_other_process(process):
    check()
    assert isinstance(llvm._objects[-1], loader.Loaded)


def test_code_without_another_process(process, monkeypatch):
    monkeypatch.setattr(llvm, "_process", False)
    check()
    assert not isinstance(llvm._objects[-1], loader.Loaded)


@elsewhere
def test_a_process_that_has_ended_is_begun_again(process):
    check()
    first = llvm._process
    first.process.kill()
    first.process.wait()
    check()
    assert llvm._process is not first
    assert isinstance(llvm._objects[-1], loader.Loaded)


@elsewhere
def test_no_process_can_be_started(process, monkeypatch):
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    check()
    assert llvm._process is False


@elsewhere
def test_a_forked_process_has_a_compiler_of_its_own(process):
    check()
    child = os.fork()
    if child == 0:
        try:
            check()
            llvm._process.end()
        except BaseException:
            os._exit(1)
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
    check()


def test_wrong_assembly_is_an_error_and_the_next_is_compiled(process):
    with pytest.raises(RuntimeError, match="parsing error"):
        llvm.compile_text("define nonsense", "nonsense")
    check()


def test_threads_may_compile_at_once(process):
    errors = []

    def run():
        try:
            check()
        except Exception as error:
            errors.append(error)

    threads = [threading.Thread(target=run) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []


@elsewhere
@pytest.mark.parametrize(
    "damage",
    [
        lambda data: b"",
        lambda data: b"\x7fELF\x01" + data[5:],
        lambda data: data[:18] + b"\xb7\x00" + data[20:],  # for another processor
    ],
)
def test_what_is_no_object_for_this_machine(process, damage):
    data = llvm._asked("define i32 @one() {\n  ret i32 1\n}")
    with pytest.raises(loader.Unloadable):
        loader.Loaded(damage(data), llvm._find)


@elsewhere
def test_an_unknown_function_is_said():
    data = llvm._asked(
        "declare i32 @nobody_has_it()\ndefine i32 @f() {\n %x = call i32 @nobody_has_it()\n ret i32 %x\n}"
    )
    with pytest.raises(loader.Unloadable, match="nobody_has_it"):
        loader.Loaded(data, llvm._find)


@elsewhere
def test_training_does_not_load_llvm():
    code = """
import sys
import numpy as np
from tandem import keras
from tandem.engine.native import llvm
model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3, activation="tanh"), keras.layers.Dense(1)])
model.compile("adam", "mse")
x = np.ones((64, 4), "float32")
model.fit(x, x[:, :1], batch_size=1, verbose=0)
assert llvm._objects
assert "llvmlite" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", code], check=True, timeout=120)
