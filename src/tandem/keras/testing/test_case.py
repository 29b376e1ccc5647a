"""`TestCase`: assertions about tensors, and checks that an object or a layer behaves as one of Keras's."""

import json
import shutil
import tempfile
import unittest
from pathlib import Path

import numpy as np

from tandem.keras import backend, ops
from tandem.keras.testing.layer_checks import LayerChecks

try:  # with absl installed its decorators for tests with parameters work on the class
    from absl.testing.parameterized import TestCase as _Base
except ImportError:
    _Base = unittest.TestCase


def _array(x):
    return x if isinstance(x, np.ndarray) else ops.convert_to_numpy(x)


def _numbers(x):
    """An array that NumPy compares: bfloat16 as float32."""
    array = _array(x)
    return array.astype("float32") if array.dtype.name == "bfloat16" else array


class TestCase(LayerChecks, _Base):
    """A `unittest.TestCase` with assertions about arrays, tensors and variables, nested in lists and dicts or not."""

    maxDiff = None

    def setUp(self):
        """Begin automatic names and seeds again, so that tests do not depend on each other."""
        backend.clear_session()
        super().setUp()

    def get_temp_dir(self):
        """A new folder that is removed after the test."""
        folder = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, folder, ignore_errors=True)
        return folder

    def convert_to_numpy(self, x):
        """x as a NumPy array."""
        return _array(x)

    def assertAllClose(self, actual, desired, atol=1e-6, rtol=1e-6, tpu_atol=None, tpu_rtol=None, msg=None):
        """Fail unless each value is within ``atol + rtol * |desired|``. tpu_atol, tpu_rtol: for devices not in use."""
        for one, other in _pairs(actual, desired):
            np.testing.assert_allclose(_numbers(one), _numbers(other), atol=atol, rtol=rtol, err_msg=msg or "")

    def assertNotAllClose(self, x1, x2, atol=1e-6, rtol=1e-6, msg=None):
        """Fail where each value is within ``atol + rtol * |x2|``."""
        try:
            self.assertAllClose(x1, x2, atol=atol, rtol=rtol, msg=msg)
        except AssertionError:
            return
        raise AssertionError(f"The two values are close at all elements. {msg or ''}\nValues: {x1}.\nThe other: {x2}.")

    def assertAlmostEqual(self, actual, desired, decimal=3, tpu_decimal=None, msg=None):
        """Fail unless each value agrees to a number of decimals. tpu_decimal: for devices not in use."""
        np.testing.assert_almost_equal(_numbers(actual), _numbers(desired), decimal=decimal, err_msg=msg or "")

    def assertAllEqual(self, actual, desired, msg=None):
        """Fail unless all values are the same."""
        np.testing.assert_array_equal(_numbers(actual), _numbers(desired), err_msg=msg or "")

    def assertLen(self, iterable, expected_len, msg=None):
        """Fail unless a collection has so many entries."""
        self.assertEqual(len(iterable), expected_len, msg=msg)

    def assertEmpty(self, container, msg=None):
        """Fail unless a collection has no entries."""
        self.assertEqual(len(container), 0, msg=msg)

    def assertNotEmpty(self, container, msg=None):
        """Fail unless a collection has entries."""
        self.assertGreater(len(container), 0, msg=msg)

    def assertDType(self, x, dtype, msg=None):
        """Fail unless a tensor has a dtype."""
        found = x.dtype if hasattr(x, "dtype") else np.asarray(x).dtype
        self.assertEqual(
            backend.standardize_dtype(found),
            backend.standardize_dtype(dtype),
            msg=msg or f"The dtype is {found}, not {dtype}.",
        )

    def assertShape(self, x, shape, msg=None):
        """Fail unless a tensor has a shape."""
        self.assertEqual(tuple(ops.shape(x)), tuple(shape), msg=msg)

    def assertSparse(self, x, sparse=True):
        """Fail where a sparse tensor is expected: the torch engine's are dense."""
        self.assertEqual(bool(getattr(x, "sparse", False)), sparse, msg=f"Is the value sparse: {x}")

    def assertRagged(self, x, ragged=True):
        """Fail where a ragged tensor is expected: the torch engine has none."""
        self.assertEqual(bool(getattr(x, "ragged", False)), ragged, msg=f"Is the value ragged: {x}")

    def assertFileExists(self, path):
        """Fail unless there is a file of a path."""
        if not Path(path).is_file():
            raise AssertionError(f"File {path} does not exist")

    def run_class_serialization_test(self, instance, custom_objects=None):
        """Check that an object's config makes an equal one, that it is JSON, and that it passes `keras.saving` alike.

        The objects are equal where their configs and the names of their attributes are. Returns the object that was
        made from the JSON text.
        """
        from tandem.keras import saving

        kind = type(instance)
        config = instance.get_config()
        text = json.dumps(_with_tuples(config), sort_keys=True)
        with saving.CustomObjectScope(custom_objects or {}):
            revived = kind.from_config(instance.get_config())
        self._same_config(revived, text, "from_config")
        self.assertEqual(_attributes(instance), _attributes(revived), "Attributes differ after `from_config`.")

        serialized = saving.serialize_keras_object(instance)
        through_text = _from_json(json.loads(json.dumps(_with_tuples(serialized))))
        self.assertEqual(through_text["class_name"], kind.__name__)
        revived = saving.deserialize_keras_object(through_text, custom_objects=custom_objects)
        self.assertIs(type(revived), kind)
        self._same_config(revived, text, "deserialize_keras_object")
        return revived

    def _same_config(self, revived, text, how):
        found = json.dumps(_with_tuples(revived.get_config()), sort_keys=True)
        self.assertEqual(found, text, f"The config differs after `{how}`.")


def _pairs(actual, desired):
    """The arrays to compare of two values: themselves, or those in dicts and in lists of arrays."""
    if isinstance(desired, dict):
        if set(actual) != set(desired):
            raise AssertionError(f"The keys differ: {sorted(actual)} and {sorted(desired)}.")
        return [pair for key in desired for pair in _pairs(actual[key], desired[key])]
    if isinstance(desired, (list, tuple)) and any(hasattr(item, "shape") for item in desired):
        if len(actual) != len(desired):
            raise AssertionError(f"The lengths differ: {len(actual)} and {len(desired)}.")
        return [pair for one, other in zip(actual, desired, strict=True) for pair in _pairs(one, other)]
    return [(actual, desired)]


def _attributes(thing):
    return sorted(name for name in vars(thing) if not name.startswith("_"))


def _from_json(value):
    """What `_with_tuples` was given, of what JSON can hold."""
    if isinstance(value, dict):
        if set(value) == {"__tuple__"}:
            return tuple(_from_json(item) for item in value["__tuple__"])
        return {key: _from_json(item) for key, item in value.items()}
    return [_from_json(item) for item in value] if isinstance(value, list) else value


def _with_tuples(value):
    """A config as JSON can hold it: tuples as lists with a mark, keys as text, objects by their types' text."""
    if isinstance(value, tuple):
        return {"__tuple__": [_with_tuples(item) for item in value]}
    if isinstance(value, list):
        return [_with_tuples(item) for item in value]
    if isinstance(value, dict):
        return {str(key): _with_tuples(item) for key, item in value.items()}
    if isinstance(value, (np.ndarray, np.generic)):
        return _with_tuples(value.tolist())
    return value if value is None or isinstance(value, (bool, int, float, str)) else str(type(value))
