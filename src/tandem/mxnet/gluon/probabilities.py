"""Which arrays are the output of a layer with activation='softmax', so that a loss need not take its softmax again."""

from tandem.mxnet.ndarray.ndarray import NDArray

_made = []  # whether there is any such layer in this process


def mark(outputs):
    """Remember that an array holds the probabilities of a layer with activation='softmax'."""
    if not _made:
        _made.append(True)
    if isinstance(outputs, NDArray):
        outputs._tensor._tandem_probabilities = True


def are(array):
    """Whether an array was marked."""
    return bool(_made) and getattr(array._tensor, "_tandem_probabilities", False)


def mark_replayed(block, outputs):
    """Mark what a recording answers (a new tensor) where the block ends in such a layer."""
    if _made and last_activation(block) == "softmax":
        mark(outputs)


def last_activation(block):
    """The name of the activation that ends a block, '' where there is none."""
    while block._children:
        block = block._children[next(reversed(block._children))]
    return getattr(block, "_act_type", "")
