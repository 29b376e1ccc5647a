"""`tf.Variable` and `tf.Module`."""

import contextlib
import functools

import torch

from tandem.compat.tensorflow import _dtypes as dtypes
from tandem.compat.tensorflow.shapes import TensorShape
from tandem.compat.tensorflow.tensor import Ref, Tensor, adopt, convert, plain
from tandem.core.errors import explain
from tandem.keras import naming, ops, tree
from tandem.keras import variables as keras_variables


class VariableSynchronization:
    """When replicas combine a variable."""

    AUTO, NONE, ON_WRITE, ON_READ = "auto", "none", "on_write", "on_read"


class VariableAggregation:
    """How replicas combine a variable."""

    NONE, SUM, MEAN, ONLY_FIRST_REPLICA = "none", "sum", "mean", "only_first_replica"


class IndexedSlices:
    """Rows of a tensor whose other rows are 0 or as they were: values (count, …) at indices (count,)."""

    def __init__(self, values, indices, dense_shape=None):
        self.values, self.indices = convert(values), convert(indices)
        self.dense_shape = None if dense_shape is None else convert(dense_shape, dtypes.int64)

    dtype = property(lambda self: dtypes.as_dtype(self.values.dtype), doc="The dtype of the values.")

    @property
    def shape(self):
        """The sizes of the whole, unknown where they are not given."""
        return TensorShape(None if self.dense_shape is None else self.dense_shape.tolist())

    def whole(self):
        """All rows, a tensor. Raises ValueError where nothing says how many there are."""
        if self.dense_shape is None:
            raise ValueError("Tensor conversion requested for IndexedSlices without a dense_shape")
        zeros = ops.zeros(tuple(self.dense_shape.tolist()), dtype=self.dtype.name)
        return adopt(ops.scatter_update(zeros, ops.expand_dims(self.indices, -1), self.values, reduction="add"))

    def __array__(self, dtype=None, copy=None):
        found = self.whole().numpy()
        return found if dtype is None else found.astype(dtype)

    def __repr__(self):
        return f"IndexedSlices(indices={self.indices}, values={self.values}, dense_shape={self.dense_shape})"


class Variable(keras_variables.Variable):
    """A value that `assign` changes.

    initial_value: a number, list, array, tensor or function without arguments; trainable: whether tapes and optimizers
    see it; dtype: by default the value's own, float32 for Python's floats and int32 for its whole numbers; constraint:
    a function applied after each update; shape: what the value is broadcast to.
    """

    def __init__(
        self,
        initial_value=None,
        trainable=None,
        validate_shape=True,
        caching_device=None,
        name=None,
        variable_def=None,
        dtype=None,
        import_scope=None,
        constraint=None,
        synchronization=VariableSynchronization.AUTO,
        aggregation=VariableAggregation.NONE,
        shape=None,
    ):
        for argument, value in (("variable_def", variable_def), ("import_scope", import_scope)):
            if value is not None:
                raise NotImplementedError(explain(f"`{argument}` of tf.Variable is not there", given=repr(value)))
        if initial_value is None:
            raise ValueError("The `initial_value` arg to `tf.Variable` must be specified")
        value = initial_value() if callable(initial_value) and not isinstance(initial_value, Tensor) else initial_value
        if shape is not None and not TensorShape(shape).is_fully_defined():
            raise NotImplementedError(
                explain("A variable of a shape that changes is not there", given=f"shape={shape}")
            )
        value = convert(value, dtype)
        if not isinstance(value, torch.Tensor):
            raise NotImplementedError(explain("Variables hold numbers", given=repr(value)))
        super().__init__(
            plain(value),
            shape=None if shape is None else tuple(shape),
            trainable=trainable is not False,
            aggregation=aggregation,
            synchronization=synchronization,
            name=name.replace("/", "_") if name else naming.auto_name("Variable"),
        )
        self._given_name = "/".join(filter(None, (naming.current_path(), name or "Variable")))
        if constraint is not None:
            self.constraint = constraint

    @property
    def value(self):
        """The value, a tensor (which may be called, as TensorFlow 2's method)."""
        found = keras_variables.Variable.value.fget(self)
        if not torch.is_grad_enabled():
            return found.detach().as_subclass(Tensor)
        # A gradient that is asked for later is that of the value now, also where `assign` comes in between.
        return adopt(found.clone())

    def read_value(self):
        """The value, a tensor."""
        return self.value

    @property
    def name(self):
        """The name with ":0"."""
        return f"{self._given_name}:0"

    @property
    def shape(self):
        """The sizes."""
        return TensorShape(self.tensor.shape)

    def get_shape(self):
        """The sizes."""
        return self.shape

    @property
    def dtype(self):
        """The dtype."""
        return dtypes.as_dtype(keras_variables.Variable.dtype.fget(self))

    def numpy(self):
        """The value as a NumPy array (a copy); as a number of NumPy's where there are no axes."""
        return super().numpy()[()]

    def ref(self):
        """What can be a key of a dict in the variable's place."""
        return Ref(self)

    experimental_ref = ref

    def initialized_value(self):
        """The value: variables are there from the beginning."""
        return self.value

    def is_initialized(self):
        """True: variables are there from the beginning."""
        return True

    def set_shape(self, shape):
        """Raise ValueError where `shape` is not the variable's."""
        self.shape.assert_is_compatible_with(shape)

    # --- changes ---------------------------------------------------------------------------------------------------
    def assign(self, value, use_locking=False, name=None, read_value=True):
        """Copy `value` in; returns the variable."""
        super().assign(convert(value, None if hasattr(value, "dtype") else self.dtype))
        return self

    def assign_add(self, delta, use_locking=False, name=None, read_value=True):
        """Add in place; returns the variable."""
        super().assign_add(convert(delta, None if hasattr(delta, "dtype") else self.dtype))
        return self

    def assign_sub(self, delta, use_locking=False, name=None, read_value=True):
        """Subtract in place; returns the variable."""
        super().assign_sub(convert(delta, None if hasattr(delta, "dtype") else self.dtype))
        return self

    def scatter_nd_update(self, indices, updates, name=None):
        """Write `updates` at `indices` (count, axes indexed); returns the variable."""
        return self.assign(ops.scatter_update(self.value, convert(indices), convert(updates, self.dtype)))

    def scatter_nd_add(self, indices, updates, name=None):
        """Add `updates` at `indices` (count, axes indexed); returns the variable."""
        return self.assign(
            ops.scatter_update(self.value, convert(indices), convert(updates, self.dtype), reduction="add")
        )

    def _scattered(self, slices, change):
        """Rows changed one after the other: `change` of (what a row is, what is given for it)."""
        found = self.value
        if change is None or change in ("add", "max", "min"):
            places = ops.expand_dims(slices.indices, -1)
            return self.assign(ops.scatter_update(found, places, convert(slices.values, self.dtype), reduction=change))
        for number, row in zip(slices.indices.tolist(), slices.values):
            found = ops.slice_update(
                found, (number, *[0] * (len(self.shape) - 1)), ops.expand_dims(change(found[number], row), 0)
            )
        return self.assign(found)

    def scatter_update(self, sparse_delta, use_locking=False, name=None):
        """Write rows (`IndexedSlices`); returns the variable."""
        return self._scattered(sparse_delta, None)

    def scatter_add(self, sparse_delta, use_locking=False, name=None):
        """Add rows (`IndexedSlices`); returns the variable."""
        return self._scattered(sparse_delta, "add")

    def scatter_sub(self, sparse_delta, use_locking=False, name=None):
        """Subtract rows (`IndexedSlices`); returns the variable."""
        return self._scattered(IndexedSlices(ops.negative(sparse_delta.values), sparse_delta.indices), "add")

    def scatter_max(self, sparse_delta, use_locking=False, name=None):
        """The larger of what is there and rows (`IndexedSlices`); returns the variable."""
        return self._scattered(sparse_delta, "max")

    def scatter_min(self, sparse_delta, use_locking=False, name=None):
        """The smaller of what is there and rows (`IndexedSlices`); returns the variable."""
        return self._scattered(sparse_delta, "min")

    def scatter_mul(self, sparse_delta, use_locking=False, name=None):
        """Multiply by rows (`IndexedSlices`); returns the variable."""
        return self._scattered(sparse_delta, ops.multiply)

    def scatter_div(self, sparse_delta, use_locking=False, name=None):
        """Divide by rows (`IndexedSlices`); returns the variable."""
        return self._scattered(sparse_delta, ops.divide)

    def scatter_nd_sub(self, indices, updates, name=None):
        """Subtract `updates` at `indices` (count, axes indexed); returns the variable."""
        return self.scatter_nd_add(indices, ops.negative(convert(updates, self.dtype)))

    def sparse_read(self, indices, name=None):
        """The rows of some numbers."""
        return adopt(ops.take(self.value, convert(indices), axis=0))

    def gather_nd(self, indices, name=None):
        """The entries or blocks at indices (…, axes indexed)."""
        from tandem.compat.tensorflow import arrays

        return arrays.NAMES["gather_nd"](self.value, indices)

    def count_up_to(self, limit):
        """The value, which is counted up by 1. Raises OutOfRangeError at the limit."""
        from tandem.compat.tensorflow._errors import OutOfRangeError

        now = self.numpy()
        if now >= limit:
            raise OutOfRangeError(f"Reached limit of {limit}")
        self.assign_add(1)
        return convert(now)

    def eval(self, session=None):
        """The value, NumPy's."""
        return self.numpy()

    def load(self, value, session=None):
        """Copy `value` in."""
        self.assign(value)

    def __float__(self):
        return float(self.numpy())

    def __int__(self):
        return int(self.numpy())

    def __iter__(self):
        return iter(self.value)

    def __len__(self):
        if not self.tensor.dim():
            raise TypeError("Scalar tensor has no `len()`")
        return self.tensor.shape[0]

    def __getitem__(self, key):
        found = keras_variables.Variable.value.fget(self)
        if torch.is_grad_enabled():
            found = found.as_subclass(Tensor)[key].clone()  # as `value` does, but of the part alone
        else:
            found = found.detach().as_subclass(Tensor)[key]
        found.assign = functools.partial(self._assign_at, key)
        return found

    def _assign_at(self, key, value):
        """`variable[key].assign(value)`; returns the variable."""
        changed = adopt(keras_variables.Variable.value.fget(self).detach().clone())
        changed[key] = convert(value, None if hasattr(value, "dtype") else self.dtype)
        return self.assign(changed)

    def __deepcopy__(self, memo):
        copied = Variable(self.value, trainable=self.trainable, name=self._given_name, constraint=self.constraint)
        memo[id(self)] = copied
        return copied

    def __repr__(self):
        value = repr(self.numpy()) if len(self.shape) else str(self.numpy())
        value = f"\n{value}" if "\n" in value else value
        return f"<tf.Variable '{self.name}' shape={self.shape} dtype={self.dtype.name}, numpy={value}>"

    __str__ = __repr__

    def __format__(self, spec):
        return format(self.numpy(), spec) if spec else str(self)


class Module:
    """A holder of variables: its own, and those of the modules, layers and lists that are its attributes."""

    def __init__(self, name=None):
        self._name = name or naming.auto_name(type(self).__name__)

    @property
    def name(self):
        """The name."""
        return self.__dict__.get("_name") or naming.auto_name(type(self).__name__)

    @property
    def name_scope(self):
        """A scope of the module's name."""
        return naming.name_scope(self.name)

    @classmethod
    def with_name_scope(cls, method):
        """The method, with names below the module's."""

        def scoped(self, *args, **kwargs):
            with self.name_scope:
                return method(self, *args, **kwargs)

        return scoped

    @property
    def variables(self):
        """All variables, without doubles."""
        return tuple(_variables(self, set()))

    @property
    def trainable_variables(self):
        """The variables that learn."""
        return tuple(one for one in self.variables if one.trainable)

    @property
    def non_trainable_variables(self):
        """The variables that do not learn."""
        return tuple(one for one in self.variables if not one.trainable)

    @property
    def submodules(self):
        """The modules inside."""
        return tuple(_modules(self, set()))


def _parts(module):
    for _, value in sorted(vars(module).items()):
        with contextlib.suppress(TypeError):  # structures with keys that have no order
            yield from tree.flatten(value)


def _variables(module, seen):
    for one in _parts(module):
        if id(one) in seen:
            continue
        seen.add(id(one))
        if isinstance(one, keras_variables.Variable):
            yield one
        elif isinstance(one, Module):
            yield from _variables(one, seen)
        elif hasattr(one, "trainable_variables"):
            for variable in one.variables:
                if id(variable) not in seen:
                    seen.add(id(variable))
                    yield variable


def _modules(module, seen):
    for one in _parts(module):
        if isinstance(one, Module) and id(one) not in seen:
            seen.add(id(one))
            yield one
            yield from _modules(one, seen)
