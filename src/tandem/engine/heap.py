"""Memory while a step is recorded and made into a program: the C library's heap, and Python's collector of cycles."""

import ctypes
import functools
import gc
import platform
from contextlib import contextmanager

# `mallopt`'s names in glibc's malloc.h, and what glibc itself comes to when a program frees large blocks.
_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3
_USUAL_MMAP, _USUAL_TRIM = 32 << 20, 64 << 20

# Blocks from this size on are asked of the system one by one during a recording.
_LARGE = 1 << 18

# So many younger collections do not come before one of all objects.
_NEVER = 1 << 30

_fresh = True  # whether nothing has been recorded in this process


@functools.cache
def _glibc():
    """The C library, or None where it is not glibc."""
    if platform.libc_ver()[0] != "glibc":
        return None
    try:
        library = ctypes.CDLL(None)
        return library if library.mallopt and library.malloc_trim else None
    except (OSError, AttributeError):
        return None


@contextmanager
def tidy():
    """Run a block that leaves small objects between large ones that it frees.

    A recorder keeps something of every call. In the heap the holes between are just too small for the next tensors
    (each asks for a little more, to begin at a multiple of 64 bytes), and memory would grow by a part of a step's
    activations with each recording. So what the heap has free is given back, and large blocks are not in it meanwhile.
    Each of them then comes as pages that the system clears, which takes time: not for a process's first recording,
    which finds the heap as whole as any other code does.
    """
    global _fresh
    library = _glibc()
    with young():
        if library is None or _fresh:
            _fresh = False
            yield
            return
        give_back()
        library.mallopt(_MMAP_THRESHOLD, _LARGE)
        try:
            yield
        finally:
            library.mallopt(_MMAP_THRESHOLD, _USUAL_MMAP)
            library.mallopt(_TRIM_THRESHOLD, _USUAL_TRIM)


@contextmanager
def young():
    """Run a block that makes very many objects that stay: cycles are looked for among the newest ones only.

    Python looks at all objects of the process whenever a quarter as many are new, which is a third to a half of the
    time that recording a long step, or making a program of it, takes.
    """
    before = gc.get_threshold()
    gc.set_threshold(*before[:2], _NEVER)
    try:
        yield
    finally:
        gc.set_threshold(*before)


@contextmanager
def uncollected():
    """Run a block of our own alone, which leaves no cycles worth the search: none are looked for."""
    before = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if before:
            gc.enable()


def give_back():
    """Give the heap's free memory back to the system."""
    if _glibc() is not None:
        _glibc().malloc_trim(0)
