"""Blocks in a row."""

import warnings

from tandem.mxnet.gluon import extensions
from tandem.mxnet.gluon.block import Block, HybridBlock


class _Row:
    """What `Sequential` and `HybridSequential` share: a list of children, each called with what the one before gave."""

    def add(self, *blocks):
        """Append blocks (also plain torch modules and Keras layers)."""
        for block in blocks:
            self.register_child(block)
            extensions.added(self, self._children[next(reversed(self._children))])

    def _through(self, x, args):
        for block in self._children.values():
            x = block(x, *args)
            args = ()
            if isinstance(x, (tuple, list)):
                x, args = x[0], x[1:]
        return (x, *args) if args else x

    def __repr__(self):
        lines = "\n".join(
            f"  ({key}): {repr(block).replace(chr(10), chr(10) + '  ')}" for key, block in self._children.items()
        )
        return f"{type(self).__name__}(\n{lines}\n)"

    def __getitem__(self, key):
        layers = list(self._children.values())[key]
        if not isinstance(layers, list):
            return layers
        part = type(self)(prefix=self._prefix)
        with part.name_scope():
            part.add(*layers)
        return part

    def __len__(self):
        return len(self._children)


class Sequential(_Row, Block):
    """Blocks called one after the other.

    A block that answers several values passes them all to the next one.
    """

    def __init__(self, prefix=None, params=None):
        super().__init__(prefix=prefix, params=params)

    def forward(self, x, *args):
        """The last block's answer."""
        return self._through(x, args)

    def hybridize(self, active=True, **kwargs):
        """Hybridize every block in it."""
        if self._children and all(isinstance(block, HybridBlock) for block in self._children.values()):
            warnings.warn(
                f"All children of this Sequential layer '{self.prefix}' are HybridBlocks. Consider using"
                " HybridSequential for the best performance.",
                UserWarning,
                stacklevel=2,
            )
        super().hybridize(active, **kwargs)


class HybridSequential(_Row, HybridBlock):
    """HybridBlocks called one after the other, recorded as one when hybridized."""

    def __init__(self, prefix=None, params=None):
        super().__init__(prefix=prefix, params=params)

    def forward(self, x, *args):
        """The last block's answer."""
        return self._through(x, args)

    def hybrid_forward(self, F, x, *args):
        """The last block's answer."""
        return self._through(x, args)
