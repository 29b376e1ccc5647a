"""What the models of images have in common: pieces of nets, and how a net gets its published parameters."""

from tandem.mxnet.gluon import nn
from tandem.mxnet.gluon.model_zoo import model_store


def row(*blocks, prefix=""):
    """Blocks in a row; with the prefix "" they keep the names that their surroundings give them."""
    blocks_in_row = nn.HybridSequential(prefix=prefix)
    blocks_in_row.add(*blocks)
    return blocks_in_row


def normed(channels, kernel, strides=1, padding=0, *, activation="relu", epsilon=1e-5, bias=False, **options):
    """A list of a convolution, batch normalisation and, unless it is None, an activation (a name or a block's class).

    channels: of the output; kernel, strides, padding, options: of the convolution.
    """
    blocks = [
        nn.Conv2D(channels, kernel, strides, padding, use_bias=bias, **options),
        nn.BatchNorm(epsilon=epsilon),
    ]
    if activation is not None:
        blocks.append(nn.Activation(activation) if isinstance(activation, str) else activation())
    return blocks


def with_parameters(net, name, pretrained, ctx, root):
    """A net, with the parameters that were published under a name where `pretrained` says so.

    ctx: the context(s) that they are loaded to; root: the folder that keeps them.
    """
    if pretrained:
        net.load_parameters(model_store.get_model_file(name, root=root), ctx=ctx)
    return net


def named(name, sentence, make, *arguments):
    """A function of keywords that calls `make` with some arguments: `resnet18_v1` is `get_resnet` with 1, 18."""

    def function(**kwargs):
        return make(*arguments, **kwargs)

    function.__name__ = function.__qualname__ = name
    function.__module__ = make.__module__
    function.__doc__ = f"{sentence}\n\n    Keywords as `{make.__name__}` takes them: pretrained, ctx, root, classes, …"
    return function
