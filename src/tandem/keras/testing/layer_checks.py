"""`run_layer_test`: does a layer build, run, train, infer shapes, serialise and keep to its dtype policy?"""

import numpy as np
import torch

from tandem.core import devices
from tandem.keras import backend, dtype_policies, models, ops, random, tree
from tandem.keras.symbolic import KerasTensor


def is_shape(x):
    """Whether x is one shape: a tuple or list of ints and Nones."""
    return isinstance(x, (tuple, list)) and all(isinstance(size, (int, type(None))) for size in x)


def _map_shapes(function, shape, dtype):
    """`function(shape, dtype)` for each shape of a tree (one dtype for all, or a tree of them)."""
    if is_shape(shape):
        return function(tuple(shape), dtype)
    each = dtype if isinstance(dtype, type(shape)) and not isinstance(dtype, str) else None
    if isinstance(shape, dict):
        return {key: _map_shapes(function, shape[key], each[key] if each else dtype) for key in shape}
    kind = type(shape)
    return kind(_map_shapes(function, one, each[i] if each else dtype) for i, one in enumerate(shape))


def _random(shape, dtype):
    shape = tuple(2 if size is None else size for size in shape)
    if dtype == "bool":
        return ops.cast(random.randint(shape, 0, 2), "bool")
    if backend.is_int_dtype(dtype):
        return ops.cast(random.randint(shape, 0, 2), dtype)
    return random.uniform(shape, dtype=dtype)


def _tensors(value):
    return [leaf for leaf in tree.flatten(value) if leaf is not None]


def _seed_generators(layer):
    found = [value for value in vars(layer).values() if getattr(value, "is_seed_generator", False)]
    for inner in layer._layers:
        found += _seed_generators(inner)
    return list({id(one): one for one in found}.values())


class LayerChecks:
    """The part of `TestCase` that looks at layers."""

    def run_layer_test(
        self,
        layer_cls,
        init_kwargs,
        input_shape=None,
        input_dtype=None,
        input_sparse=False,
        input_ragged=False,
        input_data=None,
        call_kwargs=None,
        expected_output_shape=None,
        expected_output_dtype=None,
        expected_output_sparse=False,
        expected_output_ragged=False,
        expected_output=None,
        expected_num_trainable_weights=None,
        expected_num_non_trainable_weights=None,
        expected_num_non_trainable_variables=None,
        expected_num_seed_generators=None,
        expected_num_losses=None,
        supports_masking=None,
        expected_mask_shape=None,
        custom_objects=None,
        run_training_check=True,
        run_mixed_precision_check=True,
        assert_built_after_instantiation=False,
        tpu_atol=None,
        tpu_rtol=None,
    ):
        """Check a layer class with arguments `init_kwargs`, on random inputs of a shape (a tree of them) or given ones.

        The layer must come back from its config; building, a symbolic call and an eager one must agree in shape and
        dtype with each other and with what is expected; with the training check a model of the layer must fit, eagerly
        and replayed; with that of mixed precision outputs and weights must have the policy's dtypes (not on a CPU,
        where torch lacks many functions of float16).
        tpu_atol, tpu_rtol: for devices not in use. Raises ValueError unless either inputs or a shape are given.
        """
        if (input_shape is None) == (input_data is None):
            raise ValueError("One of `input_shape` and `input_data` must be given, not both.")
        if input_sparse or input_ragged:
            raise ValueError("Sparse and ragged inputs are not supported by the torch backend.")
        if expected_mask_shape is not None:
            self.assertTrue(supports_masking, "`expected_mask_shape` is given, but not `supports_masking=True`.")
        call_kwargs = call_kwargs or {}
        counts = {
            "trainable_weights": expected_num_trainable_weights,
            "non_trainable_weights": expected_num_non_trainable_weights,
            "non_trainable_variables": expected_num_non_trainable_variables,
        }

        layer = layer_cls(**init_kwargs)
        self.run_class_serialization_test(layer, custom_objects)
        if assert_built_after_instantiation:
            self.assertTrue(layer.built, "The layer is not built when it is made.")
        if supports_masking is not None:
            self.assertEqual(layer.supports_masking, supports_masking, "Wrong `supports_masking`.")

        if input_data is not None:
            data = tree.map_structure(lambda x: x if isinstance(x, str) else ops.convert_to_tensor(x), input_data)
            shape = tree.map_structure(lambda x: tuple(x.shape), data)
            dtype = tree.map_structure(lambda x: backend.standardize_dtype(x.dtype), data)
        else:
            shape, dtype = input_shape, input_dtype or backend.floatx()
            data = _map_shapes(_random, shape, dtype)

        self._check_build(layer_cls(**init_kwargs), shape, counts, expected_num_seed_generators)
        symbolic = _map_shapes(lambda shape, dtype: KerasTensor(shape, dtype), shape, dtype)
        expected = (expected_output_shape, expected_output_dtype)
        self._check_symbolic(layer_cls(**init_kwargs), symbolic, call_kwargs, expected, expected_mask_shape)
        layer = layer_cls(**init_kwargs)
        self._check_call(layer, data, call_kwargs, expected, expected_output, counts)
        if expected_num_losses is not None:
            self.assertLen(layer.losses, expected_num_losses)
        self._check_compute_dtype(layer_cls, init_kwargs, data, call_kwargs, expected_output_dtype)
        if run_training_check:
            for jit in (False, True):
                self._check_training(layer_cls(**init_kwargs), data, call_kwargs, eagerly=not jit)
        if run_mixed_precision_check and devices.default().type != "cpu":
            for name in ("mixed_float16", "mixed_bfloat16"):
                self._check_policy(layer_cls, init_kwargs, name, data, call_kwargs)

    def _check_counts(self, layer, counts):
        for name, count in counts.items():
            if count is not None:
                self.assertLen(getattr(layer, name), count, msg=f"Unexpected number of {name}")

    def _check_build(self, layer, shape, counts, seed_generators):
        layer.build(shape)
        self.assertTrue(layer.built, "The layer is not built after `build`.")
        self._check_counts(layer, counts)
        if seed_generators is not None:
            self.assertLen(_seed_generators(layer), seed_generators, msg="Unexpected number of seed generators")

    def _check_symbolic(self, layer, inputs, call_kwargs, expected, mask_shape):
        outputs = layer(inputs, **call_kwargs)
        self._check_outputs(outputs, expected, "symbolic")
        for leaf in _tensors(outputs):
            self.assertIsInstance(leaf, KerasTensor)
        if mask_shape is not None:
            mask = layer.compute_mask(inputs, KerasTensor(mask_shape, "bool"))
            self.assertEqual(tuple(mask.shape), tuple(mask_shape), "Wrong shape of the mask.")

    def _check_call(self, layer, data, call_kwargs, expected, values, counts):
        outputs = layer(data, **call_kwargs)
        self._check_outputs(outputs, expected, "eager")
        self._check_counts(layer, counts)
        if values is not None:
            for actual, wanted in zip(_tensors(outputs), _tensors(values), strict=True):
                self.assertAllClose(actual, wanted, atol=1e-5, rtol=1e-5)
        inferred = layer.compute_output_spec(tree.map_structure(_spec_of, data), **call_kwargs)
        found = tree.map_structure(lambda x: tuple(x.shape), outputs)
        self.assertEqual(
            [tuple(spec.shape) for spec in _tensors(inferred)],
            [tuple(one.shape) for one in _tensors(outputs)],
            f"`compute_output_spec` says another shape than the call gives: {found}",
        )

    def _check_outputs(self, outputs, expected, how):
        shape, dtype = expected
        leaves = _tensors(outputs)
        if shape is not None:
            wanted = [tuple(shape)] if is_shape(shape) else [tuple(s) for s in _shapes(shape)]
            self.assertEqual([tuple(leaf.shape) for leaf in leaves], wanted, f"Wrong shapes of {how} outputs.")
        if dtype is not None:
            wanted = [dtype] * len(leaves) if isinstance(dtype, str) else tree.flatten(dtype)
            found = [backend.standardize_dtype(leaf.dtype) for leaf in leaves]
            self.assertEqual(found, wanted, f"Wrong dtypes of {how} outputs.")

    def _check_compute_dtype(self, layer_cls, init_kwargs, data, call_kwargs, dtype):
        layer = layer_cls(**init_kwargs)
        outputs = layer(data, **call_kwargs)
        if dtype is None:
            for leaf in _tensors(outputs):
                name = backend.standardize_dtype(leaf.dtype)
                if backend.is_float_dtype(name):
                    self.assertEqual(name, layer.compute_dtype, "An output has not the layer's compute dtype.")

    def _check_training(self, layer, data, call_kwargs, eagerly):
        class Wrapped(models.Model):
            def __init__(self):
                super().__init__()
                self.layer = layer

            def call(self, x, training=False):
                return self.layer(x, **call_kwargs)

        model = Wrapped()
        outputs = model(data)
        targets = tree.map_structure(lambda x: np.ones(tuple(x.shape), _float_name(x)), outputs)
        losses = [_scalar_loss] * len(_tensors(outputs)) if tree.is_nested(outputs) else _scalar_loss
        model.compile(optimizer="sgd", loss=losses, run_eagerly=eagerly)
        model.fit(data, targets, batch_size=len(_tensors(data)[0]), epochs=1, verbose=0)

    def _check_policy(self, layer_cls, init_kwargs, name, data, call_kwargs):
        policy = dtype_policies.DTypePolicy(name)
        layer = layer_cls(**{**init_kwargs, "dtype": policy})
        with torch.no_grad():
            outputs = layer(data, **call_kwargs)
        for leaf in _tensors(outputs):
            found = backend.standardize_dtype(leaf.dtype)
            if backend.is_float_dtype(found) and layer.autocast:
                self.assertEqual(found, policy.compute_dtype, "An output has not the policy's compute dtype.")
        for weight in layer.weights:
            if backend.is_float_dtype(weight.dtype):
                self.assertEqual(weight.dtype, policy.variable_dtype, "A weight has not the policy's variable dtype.")


def _shapes(shape):
    if isinstance(shape, dict):
        shape = [shape[key] for key in sorted(shape)]
    return [one for inner in shape for one in ([inner] if is_shape(inner) else _shapes(inner))]


def _spec_of(x):
    return KerasTensor(tuple(x.shape), backend.standardize_dtype(x.dtype))


def _float_name(x):
    name = backend.standardize_dtype(x.dtype)
    return name if backend.is_float_dtype(name) and name != "bfloat16" else "float32"


def _scalar_loss(y_true, y_pred):
    """A loss that every output has, whatever its dtype: the squared distance from one."""
    return ops.mean(ops.square(ops.cast(y_pred, "float32") - ops.cast(y_true, "float32")))
