"""What the families of `keras.applications` share: their arguments, inputs, heads and weight files."""

import inspect
import os

from tandem.core.errors import explain
from tandem.keras import config, layers
from tandem.keras.applications.imagenet_utils import obtain_input_shape, validate_activation
from tandem.keras.models import Model
from tandem.keras.models.sources import get_source_inputs
from tandem.keras.symbolic import is_keras_tensor

_STORE = "https://storage.googleapis.com/tensorflow/keras-applications/"
_DEFAULTS = {
    "include_top": True,
    "weights": "imagenet",
    "input_tensor": None,
    "input_shape": None,
    "pooling": None,
    "classes": 1000,
    "classifier_activation": "softmax",
    "name": None,
}
_ARGUMENTS = """

    include_top: with the classifier; weights: "imagenet" (a published file, through Keras's cache folder), None
    (random) or the path of a file; input_tensor: a Keras tensor to use as the image; input_shape: the image's shape
    without the batch; pooling: without a classifier None, "avg" or "max"; classes, classifier_activation: the
    classifier's; name: the model's.{more}
    Raises ValueError where these do not fit each other.
    """


def channel_axis(last=3):
    """The axis of the channels in a batch of images; `last` is how the family writes it for "channels_last"."""
    return 1 if config.image_data_format() == "channels_first" else last


def channels(x):
    """How many channels a batch of images has."""
    return x.shape[channel_axis(-1)]


def same_padding(x, kernel_size):
    """((top, bottom), (left, right)) which make a convolution of stride 2 without padding start where "same" does.

    For even sizes one row less stands before the image than after it, as in the published weights.
    """
    first = 2 if config.image_data_format() == "channels_first" else 1
    half = kernel_size // 2
    return tuple((half - 1 + (size or 0) % 2, half) for size in x.shape[first : first + 2])


def divisible(value, divisor=8, minimum=None):
    """The multiple of `divisor` nearest to `value`, at least `minimum`, and not more than a tenth below `value`."""
    rounded = max(minimum or divisor, int(value + divisor / 2) // divisor * divisor)
    return rounded + divisor if rounded < 0.9 * value else rounded


class Plan:
    """One call of an application: what was asked for, and the steps that all families have in common."""

    def __init__(self, published=("imagenet",), **arguments):
        self.published = published  # the names of the weights that there are
        self.include_top = arguments["include_top"]
        self.weights = arguments["weights"]
        self.input_tensor = arguments["input_tensor"]
        self.input_shape = arguments["input_shape"]
        self.pooling = arguments["pooling"]
        self.classes = arguments["classes"]
        self.classifier_activation = arguments["classifier_activation"]
        self.name = arguments["name"]
        if not (self.weights in (None, *published) or os.path.exists(self.weights)):
            names = " or ".join(map(repr, published))
            raise ValueError(
                f"The `weights` argument should be either `None` (random initialization), {names} "
                "(pre-training on ImageNet), or the path to the weights file to be loaded. "
                f"Received: weights={self.weights}"
            )
        if self.imagenet and self.include_top and self.classes != 1000:
            raise ValueError(
                "If using `weights='imagenet'` with `include_top=True`, `classes` should be 1000. "
                f"Received classes={self.classes}"
            )

    @property
    def imagenet(self):
        """Whether the published weights are wanted."""
        return self.weights in self.published

    def image(self, default_size, min_size=32, flatten=None):
        """The image that the model begins with.

        default_size: height and width where nothing else is said; min_size: the least that the model takes;
        flatten: whether the size must be known; None: with a classifier.
        """
        self.input_shape = obtain_input_shape(
            self.input_shape,
            default_size=default_size,
            min_size=min_size,
            data_format=config.image_data_format(),
            require_flatten=self.include_top if flatten is None else flatten,
            weights=self.weights,
        )
        return self.given()

    def given(self):
        """`input_tensor`, or a new input of `input_shape`."""
        if self.input_tensor is None:
            self._inputs = layers.Input(shape=self.input_shape)
            return self._inputs
        if is_keras_tensor(self.input_tensor):
            self._inputs = get_source_inputs(self.input_tensor)
            return self.input_tensor
        self._inputs = layers.Input(tensor=self.input_tensor, shape=self.input_shape)
        return self._inputs

    def shape(self):
        """`input_shape`, or else `input_tensor`'s, or None. Raises ValueError where they have other widths."""
        if not is_keras_tensor(self.input_tensor):
            return self.input_shape
        given = tuple(self.input_tensor.shape[1:])
        if self.input_shape is not None and square_rows(self.input_shape)[1] != square_rows(given)[1]:
            raise ValueError(
                explain(
                    "`input_shape` and `input_tensor` do not fit each other",
                    expected="images of one width",
                    given=f"input_shape={self.input_shape}, input_tensor.shape={self.input_tensor.shape}",
                )
            )
        return self.input_shape or given

    def activation(self):
        """The classifier's activation. Raises ValueError for one that published weights do not go with."""
        validate_activation(self.classifier_activation, self.weights)
        return self.classifier_activation

    def pooled(self, x, names=(None, None)):
        """Without a classifier: x, or its mean or largest value over the image; `names` are these layers'."""
        if self.pooling == "avg":
            return layers.GlobalAveragePooling2D(name=names[0])(x)
        if self.pooling == "max":
            return layers.GlobalMaxPooling2D(name=names[1])(x)
        return x

    def head(self, x, pool="avg_pool", names=("avg_pool", "max_pool"), dropout=None, **dense):
        """The classifier, or what stands in its place.

        pool: the name of the classifier's pooling layer; names: of those without a classifier; dropout: None or
        (rate, name); dense: further arguments of the last layer.
        """
        if not self.include_top:
            return self.pooled(x, names)
        x = layers.GlobalAveragePooling2D(name=pool)(x)
        if dropout is not None and dropout[0] > 0:
            x = layers.Dropout(dropout[0], name=dropout[1])(x)
        return layers.Dense(self.classes, **{"activation": self.activation(), "name": "predictions", **dense})(x)

    def model(self, x, file):
        """The model from the image to x, with its weights.

        file: the published file as (file name, address, hash or None); an address without a scheme is relative to
        where most of them are.
        """
        model = Model(self._inputs, x, name=self.name)
        if self.imagenet:
            from tandem.keras.utils.files import get_file

            name, address, file_hash = file
            address = address if "://" in address else _STORE + address
            model.load_weights(get_file(name, address, cache_subdir="models", file_hash=file_hash))
        elif self.weights is not None:
            model.load_weights(self.weights)
        return model

    def ending(self, without="_notop"):
        """What the names of published files end in: nothing with the classifier, `without` where it is left out."""
        return "" if self.include_top else without

    def fitting(self, pair):
        """Of a pair, what is for the model with the classifier, or for the one without."""
        return pair[0 if self.include_top else 1]

    def named_file(self, folder, stem, hashes, form=".h5"):
        """The published file `stem` of a family, where names and hashes come in pairs with and without a classifier."""
        name = f"{stem}_weights_tf_dim_ordering_tf_kernels{self.ending()}{form}"
        return name, f"{folder}/{name}", self.fitting(hashes)


def square_rows(input_shape):
    """(height, width) of an image's shape without the batch."""
    if config.image_data_format() == "channels_first":
        return input_shape[1], input_shape[2]
    return input_shape[0], input_shape[1]


def published_rows(input_shape, sizes):
    """The size among `sizes` whose weights are published for this image: its own, or 224 with a warning."""
    from tandem.core.errors import warn

    rows, columns = (None, None) if input_shape is None else square_rows(input_shape)
    if rows == columns and rows in sizes:
        return rows
    listed = f"in {list(sizes)}" if len(sizes) > 1 else str(sizes[0])
    warn(
        f"`input_shape` is undefined or non-square, or `rows` is not {listed}. Weights for input shape (224, 224) will "
        "be loaded as the default."
    )
    return 224


def variant(build, title, name, *, extra=None, order=None, summary, more="", published=("imagenet",), **settings):
    """The public function of one model: `build(plan, **extra, **settings)` behind Keras's signature.

    title: the function's name; name: the model's default one; extra: the family's own arguments with their defaults;
    order: the names of all arguments in Keras's order; summary, more: for the docstring;
    published: the names of weights that can be had.
    """
    extra = extra or {}
    defaults = {**_DEFAULTS, **extra, "name": name}
    signature = inspect.Signature(
        [
            inspect.Parameter(argument, inspect.Parameter.POSITIONAL_OR_KEYWORD, default=defaults[argument])
            for argument in (order.split() if order else _DEFAULTS)
        ]
    )

    def application(*args, **kwargs):
        try:
            bound = signature.bind(*args, **kwargs)
        except TypeError as error:
            raise TypeError(f"{title}() {error}") from None
        arguments = {**defaults, **bound.arguments}
        own = {argument: arguments.pop(argument) for argument in extra}
        return build(Plan(published, **arguments), **own, **settings)

    application.__name__ = application.__qualname__ = title
    application.__module__ = build.__module__
    application.__signature__ = signature  # pyright: ignore[reportFunctionMemberAccess]
    application.__doc__ = summary + _ARGUMENTS.format(more=" " + more if more else "")
    return application
