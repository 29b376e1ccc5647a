"""`tf.test.TestCase`: unittest's, with comparisons of tensors."""

# ruff: noqa: PT009, PT027 (these are unittest's own methods)

import contextlib
import sys
import tempfile
import unittest

import numpy as np

from tandem.compat.tensorflow import _dtypes as dtypes


def _array(value):
    if isinstance(value, (list, tuple)) and value and any(hasattr(one, "numpy") for one in value):
        return np.array([_array(one) for one in value])
    value = value.numpy() if hasattr(value, "numpy") else value
    return np.asarray(value)


class TestCase(unittest.TestCase):
    """A test whose comparisons take tensors, arrays, numbers, and lists and dicts of them."""

    def get_temp_dir(self):
        """A folder that is there as long as the test."""
        if not hasattr(self, "_folder"):
            self._folder = tempfile.TemporaryDirectory()
            self.addCleanup(self._folder.cleanup)
        return self._folder.name

    create_tempdir = get_temp_dir

    def evaluate(self, tensors):
        """The values as NumPy has them, in the same structure."""
        if isinstance(tensors, dict):
            return {key: self.evaluate(one) for key, one in tensors.items()}
        if isinstance(tensors, (list, tuple)):
            return type(tensors)(map(self.evaluate, tensors))
        return tensors.numpy() if hasattr(tensors, "numpy") else tensors

    @contextlib.contextmanager
    def cached_session(self, *args, **kwargs):
        """A scope that changes nothing: everything runs at once."""
        yield None

    session = test_session = cached_session

    def _each(self, check, first, second, message):
        if isinstance(first, dict):
            self.assertEqual(sorted(first), sorted(second), message)
            for key in first:
                self._each(check, first[key], second[key], f"{message or ''} at {key!r}")
        else:
            check(_array(first), _array(second), message)

    def assertAllEqual(self, a, b, msg=None):
        """All elements are the same, and the shapes."""

        def check(x, y, message):
            self.assertEqual(x.shape, y.shape, message)
            np.testing.assert_array_equal(x, y, message or "")

        self._each(check, a, b, msg)

    def assertNotAllEqual(self, a, b, msg=None):
        """Some elements differ."""
        x, y = _array(a), _array(b)
        self.assertFalse(x.shape == y.shape and np.array_equal(x, y), msg)

    def assertAllClose(self, a, b, rtol=1e-6, atol=1e-6, msg=None):
        """All elements are close, and the shapes the same."""

        def check(x, y, message):
            self.assertEqual(x.shape, y.shape, message)
            np.testing.assert_allclose(x, y, rtol, atol, err_msg=message or "")

        if isinstance(a, (list, tuple)) and isinstance(b, (list, tuple)):
            self.assertEqual(len(a), len(b), msg)
            for x, y in zip(a, b):
                self.assertAllClose(x, y, rtol, atol, msg)
        else:
            self._each(check, a, b, msg)

    def assertAllCloseAccordingToType(
        self, a, b, rtol=1e-6, atol=1e-6, half_rtol=1e-3, half_atol=1e-3, msg=None, **limits
    ):
        """All elements are close, halves less so."""
        half = any(_array(one).dtype.itemsize == 2 for one in (a, b))
        self.assertAllClose(a, b, half_rtol if half else rtol, half_atol if half else atol, msg)

    def assertNotAllClose(self, a, b, rtol=1e-6, atol=1e-6, msg=None):
        """Some elements are not close."""
        self.assertFalse(np.allclose(_array(a), _array(b), rtol, atol), msg)

    def assertNear(self, f1, f2, err, msg=None):
        """Two numbers lie no further apart than `err`."""
        self.assertLessEqual(abs(float(f1) - float(f2)), err, msg)

    def assertArrayNear(self, farray1, farray2, err, msg=None):
        """The numbers of two lists lie no further apart than `err`."""
        for one, other in zip(farray1, farray2, strict=True):
            self.assertNear(one, other, err, msg)

    def assertAllGreater(self, a, comparison_target):
        """All elements are greater."""
        self.assertTrue((_array(a) > comparison_target).all())

    def assertAllGreaterEqual(self, a, comparison_target):
        """All elements are greater or the same."""
        self.assertTrue((_array(a) >= comparison_target).all())

    def assertAllLess(self, a, comparison_target):
        """All elements are less."""
        self.assertTrue((_array(a) < comparison_target).all())

    def assertAllLessEqual(self, a, comparison_target):
        """All elements are less or the same."""
        self.assertTrue((_array(a) <= comparison_target).all())

    def assertAllInRange(self, target, lower_bound, upper_bound, open_lower_bound=False, open_upper_bound=False):
        """All elements are in a range."""
        x = _array(target)
        self.assertTrue((x > lower_bound if open_lower_bound else x >= lower_bound).all())
        self.assertTrue((x < upper_bound if open_upper_bound else x <= upper_bound).all())

    def assertAllInSet(self, target, expected_set):
        """All elements are among some values."""
        self.assertTrue(np.isin(_array(target), list(expected_set)).all())

    def assertShapeEqual(self, input_a, input_b, msg=None):
        """The shapes are the same."""
        self.assertEqual(tuple(input_a.shape), tuple(input_b.shape), msg)

    def assertDTypeEqual(self, target, expected_dtype):
        """The dtype is an expected one."""
        self.assertEqual(dtypes.as_dtype(_array(target).dtype), dtypes.as_dtype(expected_dtype))

    def assertLen(self, container, expected_len, msg=None):
        """There are so many."""
        self.assertEqual(len(container), expected_len, msg)

    def assertEmpty(self, container, msg=None):
        """There are none."""
        self.assertEqual(len(container), 0, msg)

    def assertStartsWith(self, actual, expected_start, msg=None):
        """A text begins with another one."""
        self.assertTrue(actual.startswith(expected_start), msg)

    @contextlib.contextmanager
    def assertRaisesWithPredicateMatch(self, exception_type, expected_err_re_or_predicate):
        """An error is raised whose text fits a pattern, or of which a function is true."""
        with self.assertRaises(exception_type) as caught:
            yield
        error, wanted = caught.exception, expected_err_re_or_predicate
        if callable(wanted):
            self.assertTrue(wanted(error))
        else:
            self.assertRegex(str(error), wanted)

    def assertRaisesOpError(self, expected_err_re_or_predicate):
        """`assertRaisesWithPredicateMatch` of TensorFlow's errors."""
        from tandem.compat.tensorflow._errors import OpError

        return self.assertRaisesWithPredicateMatch(OpError, expected_err_re_or_predicate)


def main(argv=None):
    """Run the tests of the script."""
    unittest.main(module="__main__", argv=argv or sys.argv)


NAMES = {"TestCase": TestCase, "main": main}
