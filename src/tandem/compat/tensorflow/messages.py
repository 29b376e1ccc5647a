"""`tf.train.Example` and `SequenceExample`: features by name, lists of bytes, floats or whole numbers."""

import numpy as np

from tandem.compat.tensorflow._errors import DataLossError
from tandem.core.errors import explain
from tandem.formats import tfrecord
from tandem.formats.limits import FormatError


def plain(value):
    """A tensor's value, or the value itself."""
    return value.numpy() if hasattr(value, "numpy") else value


class _Message:
    """What is written as protobuf writes its messages as text."""

    def _lines(self):
        raise NotImplementedError

    def __repr__(self):
        return "".join(f"{line}\n" for line in self._lines())

    def __eq__(self, other):
        return type(other) is type(self) and repr(self) == repr(other)

    __hash__ = None


def _block(name, lines):
    return [f"{name} {{", *(f"  {line}" for line in lines), "}"]


class _List(_Message):
    kind = ""

    def _text(self, one):
        return str(one)

    def _lines(self):
        return [f"value: {self._text(one)}" for one in self.value]


class BytesList(_List):
    """A list of bytes."""

    kind = "bytes"

    def __init__(self, value=()):
        self.value = [self._bytes(plain(one)) for one in value]

    @staticmethod
    def _bytes(one):
        if isinstance(one, str):
            return one.encode()
        if not isinstance(one, (bytes, bytearray, memoryview)):
            raise TypeError(f"{one!r} has type {type(one).__name__}, but expected one of: bytes")
        return bytes(one)

    def _text(self, one):
        shown = {7: "\\a", 10: "\\n", 13: "\\r", 9: "\\t", 34: '\\"', 39: "\\'", 92: "\\\\"}
        shown = {key: text for key, text in shown.items() if key != 7}
        return '"' + "".join(shown.get(b) or (chr(b) if 32 <= b < 127 else f"\\{b:03o}") for b in one) + '"'


class FloatList(_List):
    """A list of floats."""

    kind = "float"

    def __init__(self, value=()):
        self.value = np.asarray([plain(one) for one in value], "float32").tolist()

    def _text(self, one):
        short = f"{one:.6g}"
        return short if np.float32(short) == np.float32(one) else f"{one:.9g}"


class Int64List(_List):
    """A list of whole numbers."""

    kind = "int64"

    def __init__(self, value=()):
        self.value = [self._whole(plain(one)) for one in value]

    @staticmethod
    def _whole(one):
        if isinstance(one, (float, str, bytes)) or int(one) != one:
            raise TypeError(f"{one!r} has type {type(one).__name__}, but expected one of: int")
        return int(one)


class Feature(_Message):
    """One of the three lists."""

    def __init__(self, bytes_list=None, float_list=None, int64_list=None):
        given = [one for one in (bytes_list, float_list, int64_list) if one is not None]
        if len(given) > 1:
            raise ValueError(explain("A Feature holds one list", given=[type(one).__name__ for one in given]))
        self._given = given[0] if given else None
        self.bytes_list = bytes_list or BytesList()
        self.float_list = float_list or FloatList()
        self.int64_list = int64_list or Int64List()

    def chosen(self):
        """The list that it holds, or None: that which was given, or into which something was put."""
        filled = [one for one in (self.bytes_list, self.float_list, self.int64_list) if one.value]
        return filled[0] if filled else self._given

    def told(self):
        """The list as (kind, values), or None."""
        found = self.chosen()
        return None if found is None else (found.kind, found.value)

    @classmethod
    def of(cls, told):
        """The feature of (kind, values), or of None."""
        return cls() if told is None else cls(**{f"{told[0]}_list": _LISTS[told[0]](told[1])})

    def WhichOneof(self, name="kind"):
        """The name of the list that it holds, or None."""
        found = self.chosen()
        return None if found is None else f"{found.kind}_list"

    def HasField(self, name):
        """Whether it holds the list of a name."""
        return self.WhichOneof() == name

    def _lines(self):
        found = self.chosen()
        return [] if found is None else _block(f"{found.kind}_list", found._lines())


_LISTS = {"bytes": BytesList, "float": FloatList, "int64": Int64List}


class _ByName(dict):
    """Messages by name; one that is asked for and is not there is made."""

    def __init__(self, kind, entries):
        super().__init__(entries)
        self._kind = kind

    def __missing__(self, name):
        found = self[name] = self._kind()
        return found

    def get_or_create(self, name):
        """The message of a name, which is made where it is not there."""
        return self[name]


def _entries(field, by_name):
    lines = []
    for name in sorted(by_name):
        lines += _block(field, [f'key: "{name}"', *_block("value", by_name[name]._lines())])
    return lines


class Features(_Message):
    """Features by name."""

    def __init__(self, feature=None):
        self.feature = _ByName(Feature, feature or {})

    def _lines(self):
        return _entries("feature", self.feature)


class FeatureList(_Message):
    """Features one after the other."""

    def __init__(self, feature=()):
        self.feature = list(feature)

    def add(self):
        """One more feature, which is returned."""
        self.feature.append(Feature())
        return self.feature[-1]

    def _lines(self):
        return [line for one in self.feature for line in _block("feature", one._lines())]


class FeatureLists(_Message):
    """Lists of features by name."""

    def __init__(self, feature_list=None):
        self.feature_list = _ByName(FeatureList, feature_list or {})

    def _lines(self):
        return _entries("feature_list", self.feature_list)


class _Sample(_Message):
    @classmethod
    def FromString(cls, data):
        """The sample that a message's bytes hold."""
        example = cls()
        example.ParseFromString(data)
        return example

    def MergeFromString(self, data):
        """`ParseFromString`."""
        return self.ParseFromString(data)


class Example(_Sample):
    """One sample: features by name."""

    def __init__(self, features=None):
        self.features = features or Features()

    def SerializeToString(self, deterministic=None):
        """The message's bytes."""
        return tfrecord.write_example({name: one.told() for name, one in self.features.feature.items()})

    def ParseFromString(self, data):
        """Take the features out of a message's bytes; returns how many bytes there were."""
        data = bytes(plain(data))
        try:
            found = tfrecord.read_example(data)
        except FormatError as error:
            raise DataLossError(str(error)) from None
        self.features = Features({name: Feature.of(one) for name, one in found.items()})
        return len(data)

    def _lines(self):
        return _block("features", self.features._lines())


class SequenceExample(_Sample):
    """One sample with features of its steps: a context, and lists of features by name."""

    def __init__(self, context=None, feature_lists=None):
        self.context, self.feature_lists = context or Features(), feature_lists or FeatureLists()

    def SerializeToString(self, deterministic=None):
        """The message's bytes."""
        context = {name: one.told() for name, one in self.context.feature.items()}
        lists = {name: [one.told() for one in row.feature] for name, row in self.feature_lists.feature_list.items()}
        return tfrecord.write_sequence_example(context, lists)

    def ParseFromString(self, data):
        """Take the features out of a message's bytes; returns how many bytes there were."""
        data = bytes(plain(data))
        try:
            context, lists = tfrecord.read_sequence_example(data)
        except FormatError as error:
            raise DataLossError(str(error)) from None
        self.context = Features({name: Feature.of(one) for name, one in context.items()})
        rows = {name: FeatureList([Feature.of(one) for one in row]) for name, row in lists.items()}
        self.feature_lists = FeatureLists(rows)
        return len(data)

    def _lines(self):
        context, lists = self.context._lines(), self.feature_lists._lines()
        return [*(_block("context", context) if context else []), *(_block("feature_lists", lists) if lists else [])]


NAMES = {
    "BytesList": BytesList,
    "Example": Example,
    "Feature": Feature,
    "FeatureList": FeatureList,
    "FeatureLists": FeatureLists,
    "Features": Features,
    "FloatList": FloatList,
    "Int64List": Int64List,
    "SequenceExample": SequenceExample,
}
