"""Named tensors in safetensors files: a header in JSON and plain bytes, no code."""

import contextlib

from tandem.core.errors import explain
from tandem.formats.limits import broken, named
from tandem.formats.saving import atomic_write


def write(tensors, path, texts=None):
    """Write a dict of name -> tensor. texts: a dict of further texts for the header.

    The file appears whole or not at all.
    """
    from safetensors.torch import save

    with atomic_write(path) as file:
        file.write(save({name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}, texts))


@contextlib.contextmanager
def reading(path):
    """The `File` at a path. Raises FormatError where it is damaged, FileNotFoundError where there is none."""
    from safetensors import SafetensorError, safe_open

    with open(path, "rb"):
        pass  # the library's own error names no file
    try:
        with safe_open(named(path), framework="pt") as opened:
            yield File(opened)
    except SafetensorError as error:
        raise broken(named(path), "safetensors cannot read it", "a safetensors file", error) from error


class File:
    """An open file. names: of its tensors; texts: those of its header. The library has checked every length."""

    def __init__(self, opened):
        self._opened = opened
        self.names = list(opened.keys())
        self.texts = opened.metadata() or {}

    def shape(self, name):
        """The shape of a tensor, without reading it."""
        return tuple(self._opened.get_slice(name).get_shape())

    def tensor(self, name):
        """A tensor. Raises KeyError for a name that the file lacks."""
        if name not in self.names:
            raise KeyError(explain("The file has no such tensor", expected=", ".join(self.names[:20]), given=name))
        return self._opened.get_tensor(name)
