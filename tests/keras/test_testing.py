"""`keras.src.testing` and the scopes: the checks pass for sound layers and fail for unsound ones."""

import numpy as np
import pytest
import torch

from tandem import keras
from tandem.keras import internals, layers, ops
from tandem.keras.internals import core, optional, scopes, shapes, utilities
from tandem.keras.testing import TestCase, test_utils

SOUND = [
    (layers.Dense, {"units": 4}, {"input_shape": (2, 3), "expected_output_shape": (2, 4)}),
    (layers.Dropout, {"rate": 0.5}, {"input_shape": (2, 3), "expected_num_seed_generators": 1}),
    (layers.BatchNormalization, {}, {"input_shape": (5, 3), "expected_num_non_trainable_weights": 2}),
    (layers.Embedding, {"input_dim": 4, "output_dim": 3}, {"input_shape": (2,), "input_dtype": "int32"}),
    (layers.LSTM, {"units": 3, "return_state": True}, {"input_shape": (3, 2, 4), "expected_num_losses": 0}),
    (layers.Add, {}, {"input_shape": [(2, 3), (2, 3)], "expected_output_shape": (2, 3), "supports_masking": True}),
    (layers.LayerNormalization, {"axis": (1, 2)}, {"input_shape": (2, 3, 4), "expected_output_shape": (2, 3, 4)}),
    (layers.Normalization, {"mean": [1.0, 2.0], "variance": [1.0, 4.0]}, {"input_shape": (3, 2)}),
    (layers.Flatten, {}, {"input_data": np.ones((2, 3, 4), "float32"), "expected_output": np.ones((2, 12), "float32")}),
]  # fmt: skip


class Case(TestCase):
    def runTest(self):
        """Nothing: the methods are called one by one."""


@pytest.fixture
def case():
    case = Case()
    case.setUp()
    yield case
    case.doCleanups()


@pytest.mark.filterwarnings("ignore:The model does not have any trainable weights")
@pytest.mark.parametrize(("kind", "arguments", "expected"), SOUND, ids=lambda value: getattr(value, "__name__", ""))
def test_a_sound_layer_passes(case, kind, arguments, expected):
    case.run_layer_test(kind, arguments, **expected)


@pytest.mark.parametrize(
    "expected",
    [
        {"expected_output_shape": (2, 5)},
        {"expected_output_dtype": "float16"},
        {"expected_num_trainable_weights": 1},
        {"expected_num_non_trainable_weights": 1},
        {"expected_num_seed_generators": 1},
        {"expected_num_losses": 1},
        {"supports_masking": False},
        {"assert_built_after_instantiation": True},
        {"expected_output": np.zeros((2, 4))},
    ],
    ids=str,
)
def test_a_wrong_expectation_fails(case, expected):
    with pytest.raises(AssertionError):
        case.run_layer_test(layers.Dense, {"units": 4}, input_shape=(2, 3), **expected)


class _Forgetful(layers.Layer):
    """Its config leaves its argument out."""

    def __init__(self, size=1, **kwargs):
        super().__init__(**kwargs)
        self.size = size
        if size > 1:
            self.large = True

    def get_config(self):
        return {"name": self.name}

    def call(self, x):
        return x


class _Wide(layers.Layer):
    """Its output has not the compute dtype."""

    def call(self, x):
        return ops.cast(x, "float64")


class _Broken(layers.Layer):
    """It says another shape than it gives."""

    def call(self, x):
        return x

    def compute_output_shape(self, input_shape):
        return (*input_shape, 1)


@pytest.mark.filterwarnings("ignore:The model does not have any trainable weights")
@pytest.mark.parametrize(("kind", "arguments"), [(_Forgetful, {"size": 2}), (_Wide, {}), (_Broken, {})])
def test_an_unsound_layer_fails(case, kind, arguments):
    with keras.saving.CustomObjectScope({kind.__name__: kind}), pytest.raises(AssertionError):
        case.run_layer_test(kind, arguments, input_shape=(2, 3), custom_objects={kind.__name__: kind})


def test_assertions(case):
    case.assertAllClose({"a": [1.0, 2.0]}, {"a": np.array([1.0, 2.0])})
    case.assertAllClose(keras.Variable([1.0]), torch.ones(1))
    case.assertNotAllClose([1.0], [1.1])
    case.assertAllEqual(ops.ones(2), [1, 1])
    case.assertDType(ops.ones(2), "float32")
    case.assertShape(ops.ones((2, 3)), (2, 3))
    case.assertLen([1, 2], 2)
    case.assertEmpty([])
    failing = [
        (case.assertAllClose, [1.0], [1.1]),
        (case.assertNotAllClose, [1.0], [1.0]),
        (case.assertAllEqual, [1], [2]),
        (case.assertDType, ops.ones(2), "int32"),
        (case.assertShape, ops.ones(2), (3,)),
        (case.assertLen, [1], 2),
        (case.assertEmpty, [1]),
        (case.assertSparse, ops.ones(1)),
        (case.assertFileExists, "/nowhere"),
    ]
    for check, *arguments in failing:
        with pytest.raises(AssertionError):
            check(*arguments)


def test_data_for_tests():
    (x, _), (other, labels) = test_utils.get_test_data(5, 2, (3,), 4, random_seed=1)
    assert x.shape == (5, 3) and x.dtype == np.float32 and other.shape == (2, 3) and labels.dtype == np.int64
    np.testing.assert_array_equal(test_utils.get_test_data(5, 2, (3,), 4, random_seed=1)[0][0], x)
    assert list(test_utils.named_product(size=(1, 2), bias=(True,))) == [
        {"testcase_name": "1_bias", "size": 1, "bias": True},
        {"testcase_name": "2_bias", "size": 2, "bias": True},
    ]


def test_a_stateless_scope_keeps_what_was_assigned():
    mapped, free = keras.Variable([1.0, 2.0]), keras.Variable([5.0])
    given = torch.tensor([3.0, 4.0])
    with keras.StatelessScope([(mapped, given)]) as scope:
        assert scopes.in_stateless_scope() and mapped.numpy().tolist() == [3.0, 4.0]
        mapped.assign_add([1.0, 1.0])
        free.assign([6.0])
    assert not scopes.in_stateless_scope()
    assert (mapped.numpy().tolist(), free.numpy().tolist(), given.tolist()) == ([1.0, 2.0], [5.0], [3.0, 4.0])
    assert scope.get_current_value(mapped).tolist() == [4.0, 5.0] and scope.get_current_value(free).tolist() == [6.0]
    for pairs in ([(1, given)], [(mapped, torch.zeros(3))]):
        with pytest.raises(ValueError, match="StatelessScope"):
            keras.StatelessScope(pairs)


def test_a_stateless_call_leaves_the_layer_as_it_is():
    model = keras.Sequential(
        [keras.Input((3,)), layers.Dense(2, activity_regularizer="l2"), layers.BatchNormalization()]
    )
    before = model.get_weights()
    trainable = [torch.full(tuple(v.shape), 2.0, requires_grad=True) for v in model.trainable_variables]
    states = [v.value + 1 for v in model.non_trainable_variables]
    x = torch.randn(4, 3)
    outputs, new, losses = model.stateless_call(trainable, states, x, training=True, return_losses=True)
    assert len(losses) == 1 and [tuple(v.shape) for v in new] == [(2,), (2,)]
    assert not torch.equal(new[0], states[0])
    outputs.square().sum().backward()
    assert all(value.grad is not None for value in trainable)
    for one, other in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)
    with pytest.raises(ValueError, match="1:1"):
        model.stateless_call(trainable[1:], states, x)
    with pytest.raises(ValueError, match="must be built"):
        layers.Dense(2).stateless_call([], [], x)


def test_the_dtype_that_variables_are_read_in():
    variable = keras.Variable([1.0])
    with scopes.AutocastScope("float16") as scope:
        assert variable.value.dtype is torch.float16 and scopes.get_autocast_scope().dtype == "float16"
        assert scope.maybe_cast(torch.ones(1)).dtype is torch.float16
        assert scope.maybe_cast(torch.ones(1, dtype=torch.int32)).dtype is torch.int32
    assert scopes.get_autocast_scope() is None
    with pytest.raises(ValueError, match="floating-point"):
        scopes.AutocastScope("int32")


SHAPES = [
    (shapes.broadcast_shapes, [(None, 1), (3, 4)], [3, 4]),
    (shapes.reduce_shape, [(2, 3, None), 1], (2, None)),
    (shapes.reduce_shape, [(2, 3), None, True], (1, 1)),
    (shapes.compute_expand_dims_output_shape, [(2, 3), -1], (2, 3, 1)),
    (shapes.compute_pooling_output_shape, [(None, None, 4, 1), (2, 2), (2, 2), "same"], (None, None, 2, 1)),
    (shapes.compute_conv_output_shape, [(1, 4, 4, 1), 3, (2, 2)], (1, 3, 3, 3)),
    (shapes.compute_conv_output_shape, [(1, 4, 1), 3, (2,), 1, "causal"], (1, 4, 3)),
    (shapes.compute_reshape_output_shape, [(None, 2), (-1,)], (None,)),
    (shapes.compute_transpose_output_shape, [(1, 2), None], (2, 1)),
    (shapes.compute_take_along_axis_output_shape, [(2, 3), (2, 1), 1], [2, 1]),
    (shapes.compute_matmul_output_shape, [(3,), (3, 4)], (4,)),
    (shapes.compute_conv_transpose_output_shape, [(1, 4, 4, 2), 3, 5, 2, "valid"], (1, 9, 9, 5)),
    (shapes.shape_equal, [(1, 2), (1, None)], True),
    (shapes.canonicalize_axis, [-1, 3], 2),
    (shapes.standardize_padding, ["SAME"], "same"),
    (utilities.dtype_size, ["float16"], 16),
    (utilities.is_continuous_axis, [(0, 2)], False),
    (utilities.pythonify_logs, [{"b": 1, "c": {"x": np.float32(1)}}], {"b": 1.0, "x": 1.0}),
    (utilities.remove_long_seq, [3, [[1], [1, 2, 3]], [0, 1]], ([[1]], [0])),
    (utilities.readable_memory_size, [3 * 2**20], "3.00 MB"),
    (utilities.compute_fans, [(3, 3, 4, 5)], (36, 45)),
]


@pytest.mark.parametrize(
    ("function", "arguments", "expected"), SHAPES, ids=lambda value: getattr(value, "__name__", "")
)
def test_helpers_agree_with_keras(function, arguments, expected):
    assert function(*arguments) == expected


@pytest.mark.parametrize(
    ("function", "arguments"),
    [
        (shapes.broadcast_shapes, [(2, 3), (4, 3)]),
        (shapes.compute_reshape_output_shape, [(3,), (5, -1)]),
        (shapes.compute_matmul_output_shape, [(2, 3), (4, 4)]),
        (shapes.validate_string_arg, ["c", ["a", "b"], "Me", "arg"]),
        (shapes.standardize_tuple, [(1, 2), 3, "size"]),
        (shapes.canonicalize_axis, [3, 3]),
        (utilities.dtype_size, ["nope"]),
        (utilities.draw_seed, ["a"]),
        (core.DynamicBackend, ["jax"]),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_helpers_refuse_what_keras_refuses(function, arguments):
    with pytest.raises(ValueError):
        function(*arguments)


def test_modules_that_come_later():
    assert optional.LazyModule("json").loads("3") == 3
    gone = optional.LazyModule("nosuchmodule")
    assert not gone.available
    with pytest.raises(ImportError, match="pip install nosuchmodule"):
        getattr(gone, "thing")  # noqa: B009
    with pytest.raises(ImportError, match="PyTorch"):
        getattr(optional.tensorflow, "constant")  # noqa: B009
    assert internals.core.compute_output_spec(lambda x: x @ x, keras.KerasTensor((3, 3))).shape == (3, 3)
