"""`keras.applications.inception_v3`. Szegedy, Vanhoucke, Ioffe, Shlens and Wojna, 2015."""

from tandem.keras.applications.building import variant
from tandem.keras.applications.imagenet_utils import decode_predictions, preprocessing
from tandem.keras.applications.inception import AVERAGED, HALVED, branch, joined, mixed, stem

__all__ = ["InceptionV3", "decode_predictions", "preprocess_input"]

_HASHES = ("9a0d58056eeedaa3f26cb7ebd46da564", "bcbd6486424b2319ff4ef7d526e38f63")

preprocess_input = preprocessing("tf")


def _blocks():
    """The branches of the blocks mixed0 to mixed8."""
    for pooled in (32, 64, 64):
        yield [[(64, 1)], [(48, 1), (64, 5)], [(64, 1), (96, 3), (96, 3)], [AVERAGED, (pooled, 1)]]
    yield [[(384, 3, 2)], [(64, 1), (96, 3), (96, 3, 2)], [HALVED]]
    for width in (128, 160, 160, 192):
        row, column = (width, (1, 7)), (width, (7, 1))
        yield [
            [(192, 1)],
            [(width, 1), row, (192, (7, 1))],
            [(width, 1), column, row, column, (192, (1, 7))],
            [AVERAGED, (192, 1)],
        ]
    yield [[(192, 1), (320, 3, 2)], [(192, 1), (192, (1, 7)), (192, (7, 1)), (192, 3, 2)], [HALVED]]


def _forked(x, steps, name=None):
    x = branch(x, steps)
    return joined([branch(x, [(384, (1, 3))]), branch(x, [(384, (3, 1))])], name)


def _inception_v3(plan):
    x = stem(plan.image(299, min_size=75))
    for number, branches in enumerate(_blocks()):
        x = mixed(x, branches, f"mixed{number}")
    for number in range(2):
        parts = [branch(x, [(320, 1)]), _forked(x, [(384, 1)], f"mixed9_{number}")]
        parts += [_forked(x, [(448, 1), (384, 3)]), branch(x, [AVERAGED, (192, 1)])]
        x = joined(parts, f"mixed{9 + number}")
    x = plan.head(x, names=(None, None))
    return plan.model(x, plan.named_file("inception_v3", "inception_v3", _HASHES))


InceptionV3 = variant(_inception_v3, "InceptionV3", "inception_v3", summary="Inception v3.")
