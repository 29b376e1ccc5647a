"""Text: string tensors, and `tf.strings`."""

import itertools
import re

import numpy as np
import torch

from tandem.compat.tensorflow import _dtypes as dtypes
from tandem.compat.tensorflow.ragged_rows import RaggedTensor, nested, paired
from tandem.compat.tensorflow.shapes import TensorShape
from tandem.core.errors import explain


def _encode(value):
    if isinstance(value, bytes):
        return value
    if isinstance(value, str):
        return value.encode("utf-8")
    if isinstance(value, np.ndarray) and value.ndim == 0:
        return _encode(value.item())
    raise TypeError(explain("A string tensor holds text", expected="str or bytes", given=repr(value)))


class StringTensor:
    """Text in an array: bytes in UTF-8, as TensorFlow has it. `numpy()` gives bytes, or an array of them."""

    __array_priority__ = 10000
    dtype = dtypes.string
    name = None

    def __init__(self, array):
        self.array = np.asarray(array, dtype=object)

    @property
    def shape(self):
        """The sizes."""
        return TensorShape(self.array.shape)

    def get_shape(self):
        """The sizes."""
        return self.shape

    def set_shape(self, shape):
        """Raise ValueError where `shape` is not the tensor's."""
        self.shape.assert_is_compatible_with(shape)

    @property
    def ndim(self):
        """The number of axes."""
        return self.array.ndim

    @property
    def size(self):
        """The number of texts."""
        return self.array.size

    def numpy(self):
        """The bytes, or an array of them."""
        return self.array.item() if self.array.ndim == 0 else self.array

    def __array__(self, dtype=None, copy=None):
        if dtype is not None and np.dtype(dtype).kind == "U":
            return _apply(_decode, self.array).astype(dtype)
        found = self.array if dtype is None else self.array.astype(dtype)
        return found.copy() if copy else found

    def tolist(self):
        """The bytes in nested lists."""
        return self.array.tolist()

    def decode(self, *args):
        """The text of a scalar, as `bytes.decode` gives it."""
        return self.numpy().decode(*args)

    def __getitem__(self, key):
        if isinstance(key, torch.Tensor):
            key = np.asarray(key)
        return StringTensor(np.asarray(self.array[key], dtype=object))

    def __iter__(self):
        if not self.array.ndim:
            raise TypeError("Cannot iterate over a scalar tensor.")
        return (StringTensor(np.asarray(one, dtype=object)) for one in self.array)

    def __len__(self):
        return len(self.array)

    def _compare(self, other):
        from tandem.compat.tensorflow.tensor import convert

        return convert(np.asarray(self.array == as_strings(other).array, dtype=bool))

    def __eq__(self, other):
        return False if other is None else self._compare(other)

    def __ne__(self, other):
        from tandem.keras import ops

        return True if other is None else ops.logical_not(self._compare(other))

    def __hash__(self):
        return id(self)

    def __add__(self, other):
        return join([self, other])

    def __radd__(self, other):
        return join([other, self])

    def __bool__(self):
        return bool(self.numpy())

    def __str__(self):
        value = str(self.numpy())
        return f"tf.Tensor({chr(10) if chr(10) in value else ''}{value}, shape={self.shape}, dtype=string)"

    def __repr__(self):
        value = repr(self.numpy())
        return f"<tf.Tensor: shape={self.shape}, dtype=string, numpy={chr(10) if chr(10) in value else ''}{value}>"

    def __format__(self, spec):
        return format(str(self.numpy()), spec)


def as_strings(value):
    """Text, or a list or array of it, as a string tensor. Raises TypeError for what is none."""
    if isinstance(value, StringTensor):
        return value
    if isinstance(value, (list, tuple)):
        value = _nested(value)
    array = np.empty((), object)
    if isinstance(value, (str, bytes)):
        array[()] = value
    else:
        array = np.asarray(value, dtype=object)
    return StringTensor(_apply(_encode, array))


def _nested(value):
    if isinstance(value, (list, tuple)):
        return [_nested(one) for one in value]
    return value.array.tolist() if isinstance(value, StringTensor) else value


def _apply(function, array):
    found = np.empty(array.shape, object)
    for place in np.ndindex(array.shape):
        found[place] = function(array[place])
    return found


def _decode(value):
    return value.decode("utf-8", "replace")


def _numbers(array, kind):
    from tandem.compat.tensorflow.tensor import convert

    return convert(np.asarray(array.tolist(), dtypes.as_dtype(kind).as_numpy_dtype).reshape(array.shape))


def _each(function, input):
    if isinstance(input, RaggedTensor):
        return input.with_values(_each(function, input.values))
    return StringTensor(_apply(function, as_strings(input).array))


def lower(input, encoding="", name=None):
    """In small letters: those of ASCII, or with encoding "utf-8" all."""
    if encoding:
        return _each(lambda one: _decode(one).lower().encode(), input)
    return _each(bytes.lower, input)


def upper(input, encoding="", name=None):
    """In capital letters: those of ASCII, or with encoding "utf-8" all."""
    if encoding:
        return _each(lambda one: _decode(one).upper().encode(), input)
    return _each(bytes.upper, input)


def strip(input, name=None):
    """Without white space at both ends."""
    return _each(bytes.strip, input)


_CLASSES = {
    "alnum": "a-zA-Z0-9",
    "alpha": "a-zA-Z",
    "digit": "0-9",
    "lower": "a-z",
    "punct": r"!-\/:-@\[-`{-~",
    "space": r"\s",
    "upper": "A-Z",
    "xdigit": "0-9A-Fa-f",
}


def _pattern(pattern):
    """A pattern of RE2 as Python's `re` reads it."""
    pattern = pattern.decode() if isinstance(pattern, bytes) else str(pattern)
    for name, members in _CLASSES.items():
        pattern = pattern.replace(f"[:{name}:]", members)
    try:
        return re.compile(pattern)
    except re.error as error:
        raise ValueError(explain("A regular expression is not valid", given=pattern, expected=str(error))) from None


def _text_of(value):
    value = value.numpy() if hasattr(value, "numpy") else value
    return value.decode() if isinstance(value, bytes) else value


def regex_replace(input, pattern, rewrite, replace_global=True, name=None):
    r"""What matches the pattern, by `rewrite` (in which \1 is the first group)."""
    expression, new = _pattern(_text_of(pattern)), _text_of(rewrite).replace("\\0", "\\g<0>")
    count = 0 if replace_global else 1
    return _each(lambda one: expression.sub(new, _decode(one), count=count).encode(), input)


def regex_full_match(input, pattern, name=None):
    """Whether the pattern matches all of the text."""
    if isinstance(input, RaggedTensor):
        return input.with_values(regex_full_match(input.values, pattern))
    expression = _pattern(_text_of(pattern))
    array = as_strings(input).array
    return _numbers(_apply(lambda one: expression.fullmatch(_decode(one)) is not None, array), "bool")


def length(input, unit="BYTE", name=None):
    """The number of bytes, or with unit "UTF8_CHAR" of characters."""
    if isinstance(input, RaggedTensor):
        return input.with_values(length(input.values, unit))
    array = as_strings(input).array
    count = len if unit == "BYTE" else lambda one: len(_decode(one))
    return _numbers(_apply(count, array), "int32")


def substr(input, pos, len, unit="BYTE", name=None):
    """So many bytes (or characters) from a place on; a negative place counts from the end.

    pos, len: numbers, or one to each text.
    """
    if np.ndim(pos) or np.ndim(len):
        texts, places, counts = np.broadcast_arrays(as_strings(input).array, np.asarray(pos), np.asarray(len))
        found = np.empty(texts.shape, object)
        for place in np.ndindex(texts.shape):
            found[place] = substr(texts[place], places[place], counts[place], unit).numpy()
        return StringTensor(found)
    at, count = int(pos), int(len)

    def cut(one):
        text = one if unit == "BYTE" else _decode(one)
        start = at + text.__len__() if at < 0 else at
        found = text[start:] if count < 0 else text[start : start + count]
        return found if unit == "BYTE" else found.encode()

    return _each(cut, input)


def join(inputs, separator="", name=None):
    """One after the other, element by element."""
    between = _encode(_text_of(separator))
    if any(isinstance(one, RaggedTensor) for one in inputs):
        found = inputs[0]
        for one in inputs[1:]:
            found = paired(lambda a, b: join([a, b], separator), found, one)
        return found
    arrays = np.broadcast_arrays(*(as_strings(one).array for one in inputs))
    found = np.empty(arrays[0].shape, object)
    for place in np.ndindex(found.shape):
        found[place] = between.join(one[place] for one in arrays)
    return StringTensor(found)


def reduce_join(inputs, axis=None, keepdims=False, separator="", name=None):
    """The texts along an axis (None: all) as one."""
    between = _encode(_text_of(separator))
    if isinstance(inputs, RaggedTensor) and axis is not None:
        if axis in (-1, inputs.ragged_rank) and not keepdims:
            return _joined_rows(inputs, between)
        raise NotImplementedError(
            explain("Ragged texts are joined along their rows", expected="axis=-1", given=f"axis={axis}")
        )
    array = inputs.flat_values.array if isinstance(inputs, RaggedTensor) else as_strings(inputs).array
    if axis is None:
        return StringTensor(np.asarray(between.join(array.reshape(-1).tolist()), dtype=object))
    moved = np.moveaxis(array, axis, -1)
    found = np.empty(moved.shape[:-1], object)
    for place in np.ndindex(found.shape):
        found[place] = between.join(moved[place])
    return StringTensor(np.expand_dims(found, axis) if keepdims else found)


def _joined_rows(ragged, between):
    if isinstance(ragged.values, RaggedTensor):
        return ragged.with_values(_joined_rows(ragged.values, between))
    splits, texts = ragged.splits, ragged.values.array
    return as_strings([between.join(texts[a:b]) for a, b in itertools.pairwise(splits)])


def _pieces(cut, input):
    """A ragged tensor of the pieces of each text (a string tensor where there is one text)."""
    if isinstance(input, RaggedTensor):
        return input.with_values(_pieces(cut, input.values))
    array = as_strings(input).array
    if array.ndim == 0:
        return StringTensor(np.array(cut(array.item()), dtype=object).reshape(-1))
    return nested([cut(one) for one in array.reshape(-1)] if array.ndim == 1 else _cut_rows(cut, array), dtypes.string)


def _cut_rows(cut, array):
    return [cut(one) if isinstance(one, bytes) else _cut_rows(cut, one) for one in array]


def split(input, sep=None, maxsplit=-1, name=None):
    """The words of each text, or the parts between a separator: a ragged tensor (for one text a string tensor)."""
    mark = None if sep is None or _text_of(sep) == "" else _encode(_text_of(sep))
    return _pieces(lambda one: one.split(mark, maxsplit), input)


def bytes_split(input, name=None):
    """The bytes of each text."""
    return _pieces(lambda one: [one[at : at + 1] for at in range(len(one))], input)


def unicode_split(input, input_encoding="UTF-8", errors="replace", replacement_char=65533, name=None):
    """The characters of each text."""
    return _pieces(lambda one: [char.encode() for char in one.decode(input_encoding, errors)], input)


def unicode_decode(input, input_encoding="UTF-8", errors="replace", name=None):
    """The numbers of the characters of each text."""
    from tandem.compat.tensorflow.tensor import convert

    array = as_strings(input).array
    if array.ndim == 0:
        return convert(np.array([ord(char) for char in array.item().decode(input_encoding, errors)], "int32"))
    return nested([[ord(char) for char in one.decode(input_encoding, errors)] for one in array], dtypes.int32)


def _listed(value):
    return [_listed(one) for one in value] if isinstance(value, (list, tuple)) else np.asarray(value).tolist()


def unicode_encode(input, output_encoding="UTF-8", errors="replace", name=None):
    """The text that the numbers of characters make, a row each."""
    rows = input.to_list() if isinstance(input, RaggedTensor) else _listed(input)
    if rows and isinstance(rows[0], int):
        return as_strings("".join(map(chr, rows)).encode(output_encoding, errors))
    return as_strings(["".join(map(chr, row)).encode(output_encoding, errors) for row in rows])


def to_number(input, out_type=dtypes.float32, name=None):
    """The numbers that the texts spell. Raises InvalidArgumentError for what spells none."""
    from tandem.compat.tensorflow._errors import InvalidArgumentError

    kind = dtypes.as_dtype(out_type)

    def read(one):
        try:
            return int(one) if kind.is_integer else float(one)
        except ValueError:
            raise InvalidArgumentError(f"StringToNumberOp could not correctly convert string: {_decode(one)}") from None

    if isinstance(input, RaggedTensor):
        return input.with_values(to_number(input.values, out_type))
    return _numbers(_apply(read, as_strings(input).array), kind)


def as_string(input, precision=-1, scientific=False, shortest=False, width=-1, fill="", name=None):
    """Numbers as text."""
    if isinstance(input, RaggedTensor):
        return input.with_values(as_string(input.values, precision, scientific, shortest, width, fill))
    array = np.asarray(input)

    def write(one):
        if isinstance(one, (bool, np.bool_)):
            return str(bool(one)).lower().encode()
        if isinstance(one, (int, np.integer)):
            return f"{one:{fill}{width if width > 0 else ''}}".encode()
        form = "e" if scientific else "g" if shortest else "f"
        return f"{one:{fill}{width if width > 0 else ''}.{6 if precision < 0 else precision}{form}}".encode()

    return StringTensor(_apply(write, array))


def to_hash_bucket_fast(input, num_buckets, name=None):
    """A number below `num_buckets` for each text: its Farmhash, divided with remainder."""
    if isinstance(input, RaggedTensor):
        return input.with_values(to_hash_bucket_fast(input.values, num_buckets))
    from tandem.ops.hashing import fingerprint64

    return _numbers(_apply(lambda one: fingerprint64(one) % int(num_buckets), as_strings(input).array), "int64")


def to_hash_bucket_strong(input, num_buckets, key, name=None):
    """A number below `num_buckets` for each text: its SipHash with a key of two numbers, divided with remainder."""
    if isinstance(input, RaggedTensor):
        return input.with_values(to_hash_bucket_strong(input.values, num_buckets, key))
    from tandem.ops.hashing import siphash

    key = tuple(int(one) for one in key)
    return _numbers(_apply(lambda one: siphash(one, key) % int(num_buckets), as_strings(input).array), "int64")


def format_(template, inputs, placeholder="{}", summarize=3, name=None):
    """The template with the values in the place of the placeholders."""
    values = list(inputs) if isinstance(inputs, (list, tuple)) else [inputs]
    parts = template.split(placeholder)
    from tandem.compat.tensorflow.control import _show

    shown = [_show(one, summarize) for one in values]
    return as_strings("".join(a + b for a, b in zip(parts, [*shown, ""])))


NAMES = {
    "as_string": as_string,
    "bytes_split": bytes_split,
    "format": format_,
    "join": join,
    "length": length,
    "lower": lower,
    "reduce_join": reduce_join,
    "regex_full_match": regex_full_match,
    "regex_replace": regex_replace,
    "split": split,
    "strip": strip,
    "substr": substr,
    "to_hash_bucket_fast": to_hash_bucket_fast,
    "to_hash_bucket_strong": to_hash_bucket_strong,
    "to_number": to_number,
    "unicode_decode": unicode_decode,
    "unicode_encode": unicode_encode,
    "unicode_split": unicode_split,
    "upper": upper,
}
