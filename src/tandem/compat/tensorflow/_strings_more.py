"""More of `tf.strings`, and text in `tf.io`: places of characters, n-grams, base64, what is compressed."""

import base64
import gzip
import zlib

import numpy as np

from tandem.compat.tensorflow import _dtypes as dtypes
from tandem.compat.tensorflow import _strings as strings
from tandem.compat.tensorflow._errors import InvalidArgumentError
from tandem.compat.tensorflow._strings import StringTensor, as_strings
from tandem.compat.tensorflow.ragged_rows import RaggedTensor, nested
from tandem.compat.tensorflow.tensor import convert
from tandem.core.errors import explain

NAMES = strings.NAMES


def _with_offsets(name, of_char):
    def compute(input, input_encoding="UTF-8", errors="replace", replacement_char=65533, name=None):
        array = as_strings(input).array
        rows = []
        for one in array.reshape(-1):
            chars = one.decode(input_encoding, errors)
            sizes = [len(char.encode(input_encoding)) for char in chars]
            rows.append(([of_char(char) for char in chars], np.cumsum([0, *sizes])[:-1].tolist()))
        kind = dtypes.string if name_ends else dtypes.int32
        if array.ndim == 0:
            return convert(rows[0][0], kind), convert(np.array(rows[0][1], "int64"))
        return nested([row for row, _ in rows], kind, 1), nested([places for _, places in rows], dtypes.int64, 1)

    name_ends = name.startswith("unicode_split")
    compute.__name__, compute.__doc__ = name, "(the characters of each text, the places of their first bytes)."
    NAMES[name] = compute


_with_offsets("unicode_split_with_offsets", lambda char: char.encode())
_with_offsets("unicode_decode_with_offsets", ord)


def _codec(encoding):
    return {"UTF-16-BE": "utf-16-be", "UTF-32-BE": "utf-32-be"}.get(encoding, encoding)


def unicode_transcode(
    input,
    input_encoding,
    output_encoding,
    errors="replace",
    replacement_char=65533,
    replace_control_characters=False,
    name=None,
):
    """Text in another encoding."""

    def change(one):
        text = one.decode(_codec(input_encoding), errors)
        if replace_control_characters:
            text = "".join(chr(replacement_char) if ord(char) < 32 else char for char in text)
        return text.encode(_codec(output_encoding), errors)

    return strings._each(change, input)


def ngrams(
    data, ngram_width, separator=" ", pad_values=None, padding_width=None, preserve_short_sequences=False, name=None
):
    """Neighbouring texts of each row joined, so many at a time; pad_values: what stands before and behind a row."""
    widths = [ngram_width] if isinstance(ngram_width, int) else list(ngram_width)
    if isinstance(data, RaggedTensor):
        rows, shape = data.to_list(), None
    else:
        array = as_strings(data).array
        rows, shape = array.reshape(-1, array.shape[-1]).tolist(), array.shape[:-1]
    before, behind = (
        (pad_values if isinstance(pad_values, tuple) else (pad_values, pad_values)) if pad_values else ("", "")
    )
    between = separator.encode()
    found = []
    for row in rows:
        parts = []
        for width in widths:
            pad = 0 if pad_values is None else width - 1 if padding_width is None else min(padding_width, width - 1)
            padded = [before.encode()] * pad + row + [behind.encode()] * pad
            parts += [between.join(padded[at : at + width]) for at in range(len(padded) - width + 1)]
        if not parts and preserve_short_sequences and row:
            parts = [between.join(row)]
        found.append(parts)
    if shape is None:
        return nested(found, dtypes.string, 1)
    flat = np.empty((len(found), len(found[0]) if found else 0), object)
    for number, parts in enumerate(found):
        flat[number] = parts
    return StringTensor(flat.reshape(*shape, flat.shape[1]))


def unsorted_segment_join(inputs, segment_ids, num_segments, separator="", name=None):
    """The texts of each segment joined."""
    parts = [[] for _ in range(int(num_segments))]
    for one, number in zip(
        as_strings(inputs).array.reshape(-1), np.asarray(convert(segment_ids)).reshape(-1), strict=True
    ):
        if number >= 0:
            parts[number].append(one)
    return as_strings([separator.encode().join(one) for one in parts])


def encode_base64(input, pad=False, name=None):
    """Bytes in the letters of the web's base64."""

    def write(one):
        found = base64.urlsafe_b64encode(one)
        return found if pad else found.rstrip(b"=")

    return strings._each(write, input)


def decode_base64(input, name=None):
    """The bytes that the web's base64 spells."""

    def read(one):
        try:
            return base64.b64decode(one + b"=" * (-len(one) % 4), b"-_", validate=True)
        except ValueError as error:
            raise InvalidArgumentError(explain("Text is no base64", given=one[:40], hint=str(error))) from None

    return strings._each(read, input)


def decode_compressed(bytes, compression_type="", name=None):
    """What bytes were before they were compressed: "", "ZLIB" or "GZIP"."""
    functions = {"": lambda one: one, "ZLIB": zlib.decompress, "GZIP": gzip.decompress}
    if compression_type not in functions:
        raise InvalidArgumentError(explain("Unknown compression", expected="'', ZLIB, GZIP", given=compression_type))

    def read(one):
        try:
            return functions[compression_type](one)
        except (OSError, EOFError, zlib.error) as error:
            raise InvalidArgumentError(explain("Bytes cannot be decompressed", given=error)) from None

    return strings._each(read, bytes)


NAMES.update(ngrams=ngrams, unicode_transcode=unicode_transcode, unsorted_segment_join=unsorted_segment_join)
IO = {"decode_base64": decode_base64, "decode_compressed": decode_compressed, "encode_base64": encode_base64}
