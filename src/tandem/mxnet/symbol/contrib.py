"""`mx.sym.contrib`: operators outside the core, and loops and branches."""

import math

from tandem.mxnet import operators
from tandem.mxnet.base import open_module
from tandem.mxnet.symbol import namespaces, random
from tandem.mxnet.symbol.control_flow import cond, foreach, while_loop

__all__ = ["cond", "foreach", "rand_zipfian", "while_loop"]

_table = namespaces.Namespace("mxnet.symbol.contrib", operators.names("_contrib_"))


def __getattr__(name):
    return _table.get(name, globals())


def __dir__():
    return _table.dir(dict.fromkeys(__all__))


open_module(__name__)


def rand_zipfian(true_classes, num_sampled, range_max):
    """Classes from 0 to range_max - 1, the k-th with probability ``log((k + 2) / (k + 1)) / log(range_max + 1)``.

    true_classes: a symbol of class numbers. Answers (num_sampled classes as int64, how often each of true_classes is
    expected among them, how often each of the sampled ones), the last two as float64.
    """
    whole = math.log(range_max + 1)
    drawn = random.uniform(0, whole, shape=(num_sampled,), dtype="float64")
    sampled = (drawn.exp() - 1).astype("int64") % range_max

    def expected(classes):
        classes = classes.astype("float64")
        return ((classes + 2.0) / (classes + 1.0)).log() / whole * num_sampled

    return sampled, expected(true_classes), expected(sampled)
