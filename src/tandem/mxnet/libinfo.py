"""`mx.libinfo`: the version of MXNet whose names and behaviour these are; there is no C library to find."""

from tandem.core.errors import explain
from tandem.mxnet.base import __version__

__all__ = ["__version__", "find_conf_path", "find_include_path", "find_lib_path"]


def _not_there(what):
    return RuntimeError(
        explain(f"Cannot find {what}: Tandem runs MXNet's code on torch and has no C library", hint="Use mx's names.")
    )


def find_lib_path(prefix="libmxnet"):
    """Raises RuntimeError: there is no shared library."""
    raise _not_there(f"the MXNet library {prefix}")


def find_include_path():
    """Raises RuntimeError: there are no C headers."""
    raise _not_there("the include directory of MXNet")


def find_conf_path(prefix="tvmop"):
    """Raises RuntimeError: there are no operators that TVM compiled."""
    raise _not_there(f"the TVM op config {prefix}.conf")
