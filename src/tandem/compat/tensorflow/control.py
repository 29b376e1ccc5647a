"""Loops and branches, `tf.debugging`, `tf.print`, `tf.py_function`."""

import functools
import sys
import time

import numpy as np

from tandem.compat.tensorflow import _dtypes as dtypes
from tandem.compat.tensorflow._errors import InvalidArgumentError
from tandem.compat.tensorflow._strings import StringTensor
from tandem.compat.tensorflow.ragged_rows import RaggedTensor
from tandem.compat.tensorflow.shape_vectors import Sizes
from tandem.compat.tensorflow.shapes import RaggedTensorSpec, TensorShape
from tandem.compat.tensorflow.sparse_tensors import SparseTensor
from tandem.compat.tensorflow.tensor import adopt, convert, convert_pair, is_symbolic
from tandem.core.errors import explain
from tandem.keras import ops, tensors, tree

# --- loops and branches ----------------------------------------------------------------------------------------------


def cond(pred, true_fn=None, false_fn=None, name=None, **old):
    """``true_fn()`` where the condition holds, else ``false_fn()``: only one of them runs."""
    true_fn, false_fn = old.pop("fn1", true_fn), old.pop("fn2", false_fn)
    if old.keys() - {"strict"}:
        raise TypeError(explain("tf.cond has no such argument", given=list(old)))
    if is_symbolic(pred):
        return ops.cond(pred, true_fn, false_fn)
    return adopt(true_fn() if bool(convert(pred)) else false_fn())


def case(pred_fn_pairs, default=None, exclusive=False, strict=False, name="case"):
    """What belongs to the first condition that holds."""
    pairs = pred_fn_pairs.items() if isinstance(pred_fn_pairs, dict) else pred_fn_pairs
    hits = [one for pred, one in pairs if bool(pred)]
    if exclusive and len(hits) > 1:
        raise InvalidArgumentError("More than one condition evaluated as True but exclusive=True.")
    if not hits and default is None:
        raise InvalidArgumentError("None of conditions evaluated as True.")
    return adopt((hits or [default])[0]())


def switch_case(branch_index, branch_fns, default=None, name="switch_case"):
    """What the function of a number gives; the last one (or `default`) for numbers of none."""
    functions = dict(branch_fns) if isinstance(branch_fns, (dict,)) or isinstance(branch_fns[0], tuple) else None
    functions = dict(enumerate(branch_fns)) if functions is None else functions
    return adopt(functions.get(int(branch_index), default or functions[max(functions)])())


def while_loop(
    cond,
    body,
    loop_vars,
    shape_invariants=None,
    parallel_iterations=10,
    back_prop=True,
    swap_memory=False,
    maximum_iterations=None,
    name=None,
):
    """``loop_vars = body(*loop_vars)`` as long as ``cond(*loop_vars)``, at most `maximum_iterations` times."""
    values = tree.map_structure(lambda one: convert(one) if not hasattr(one, "_make") else one, loop_vars)
    count = 0
    while (maximum_iterations is None or count < int(maximum_iterations)) and bool(cond(*values)):
        found = body(*values)
        found = found if isinstance(found, (list, tuple)) else (found,)
        values = type(loop_vars)(found) if type(loop_vars) in (list, tuple) else found
        count += 1
    return adopt(values)


def map_fn(
    fn,
    elems,
    dtype=None,
    parallel_iterations=None,
    back_prop=True,
    swap_memory=False,
    infer_shape=True,
    name=None,
    fn_output_signature=None,
):
    """A function of each row, the results as one; its dtype is that of `fn_output_signature`, if that is given."""
    from tandem.compat.tensorflow import elements

    elems = _tree(elems)
    rows = [elements.row(elems, number) for number in range(len(elements.leaves(elems)[0]))]
    results = [elements.structure(_tuples(fn(row))) for row in rows]
    kind = dtype if fn_output_signature is None else fn_output_signature
    any_length = isinstance(kind, RaggedTensorSpec) or (
        kind is None and any(isinstance(leaf, RaggedTensor) for leaf in elements.leaves(elems))
    )
    found = elements.stack_ragged(results) if any_length else elements.stack(results)
    if kind is None or not isinstance(kind, str):
        return found
    return elements.map_leaves(lambda leaf: ops.cast(leaf, str.__str__(kind)) if kind != leaf.dtype else leaf, found)


vectorized_map = lambda fn, elems, fallback_to_while_loop=True, warn=True: map_fn(fn, elems)  # noqa: E731


def _tuples(value):
    return tuple(value) if isinstance(value, list) and any(tensors.is_tensor(one) for one in value) else value


def _tree(elems):
    from tandem.compat.tensorflow import elements

    return elements.structure(_tuples(elems))


def scan(
    fn,
    elems,
    initializer=None,
    parallel_iterations=10,
    back_prop=True,
    swap_memory=False,
    infer_shape=True,
    reverse=False,
    name=None,
):
    """``state = fn(state, row)`` row by row: all states as one."""
    found = _states(fn, elems, initializer, reverse)
    from tandem.compat.tensorflow import elements

    return elements.stack(found[::-1] if reverse else found)


def _states(fn, elems, initializer, reverse):
    from tandem.compat.tensorflow import elements

    elems = _tree(elems)
    rows = [elements.row(elems, number) for number in range(len(elements.leaves(elems)[0]))]
    rows = rows[::-1] if reverse else rows
    state = rows.pop(0) if initializer is None else elements.structure(initializer)
    found = [state] if initializer is None else []
    for row in rows:
        state = elements.structure(_tuples(fn(state, row)))
        found.append(state)
    return found or [state]


def foldl(fn, elems, initializer=None, **kwargs):
    """``state = fn(state, row)`` row by row: the last state."""
    return _states(fn, elems, initializer, False)[-1]


def foldr(fn, elems, initializer=None, **kwargs):
    """``state = fn(state, row)`` from the last row to the first: the last state."""
    return _states(fn, elems, initializer, True)[-1]


def group(*inputs, **kwargs):
    """None: what was computed has been computed."""
    return


def no_op(name=None):
    """None."""
    return


def tuple_(tensors, name=None, control_inputs=None):
    """The tensors."""
    return list(tensors)


def py_function(func=None, inp=None, Tout=None, name=None):
    """What a function of tensors gives, in the dtypes of `Tout`; without one, a decorator."""
    if func is None:
        return lambda inner: functools.wraps(inner)(lambda *args: py_function(inner, args, Tout))
    found = func(*[convert(one) for one in inp or ()])
    return _of_types(found, Tout)


def numpy_function(func=None, inp=None, Tout=None, stateful=True, name=None):
    """What a function of arrays gives, in the dtypes of `Tout`; without one, a decorator."""
    if func is None:
        return lambda inner: functools.wraps(inner)(lambda *args: numpy_function(inner, args, Tout))
    found = func(*[convert(one).numpy() for one in inp or ()])
    return _of_types(found, Tout)


def _of_types(found, types):
    if isinstance(types, (list, tuple)):
        found = found if isinstance(found, (list, tuple)) else (found,)
        return [_of_types(*pair) for pair in zip(found, types, strict=True)]
    if types is None:
        return None
    kind = dtypes.as_dtype(getattr(types, "dtype", types))
    found = convert(found)
    if kind != found.dtype:
        raise InvalidArgumentError(
            explain("A function gave another dtype", expected=kind.name, given=dtypes.as_dtype(found.dtype).name)
        )
    return found


class TensorArray:
    """A row of tensors, written one by one."""

    def __init__(
        self, dtype, size=0, dynamic_size=False, clear_after_read=None, element_shape=None, name=None, **kwargs
    ):
        if kwargs.keys() - {"infer_shape", "tensor_array_name", "colocate_with_first_write_call"}:
            raise TypeError(explain("TensorArray has no such argument", given=list(kwargs)))
        self.dtype, self._grows = dtypes.as_dtype(dtype), dynamic_size
        self._values = [None] * int(size)
        self.element_shape = TensorShape(element_shape)

    def write(self, index, value, name=None):
        """Put a tensor at a place; returns the array."""
        index = int(index)
        if index >= len(self._values):
            if not self._grows:
                raise InvalidArgumentError(
                    f"Tried to write to index {index} but array is not resizeable and size is: {len(self._values)}"
                )
            self._values += [None] * (index + 1 - len(self._values))
        self._values[index] = convert(value, None if tensors.is_tensor(value) else self.dtype)
        return self

    def _at(self, index):
        value = self._values[index]
        if value is None:
            like = next((one for one in self._values if one is not None), None)
            value = ops.zeros(self.element_shape if like is None else like.shape, dtype=self.dtype.name)
        return adopt(value)

    def read(self, index, name=None):
        """The tensor at a place."""
        return self._at(int(index))

    def stack(self, name=None):
        """All as one tensor."""
        return adopt(ops.stack([self._at(number) for number in range(len(self._values))]))

    def concat(self, name=None):
        """All one after the other."""
        return adopt(ops.concatenate([self._at(number) for number in range(len(self._values))]))

    def gather(self, indices, name=None):
        """Those at some places as one tensor."""
        return adopt(ops.stack([self._at(int(number)) for number in indices]))

    def unstack(self, value, name=None):
        """Take the rows of a tensor; returns the array."""
        self._values = list(convert(value))
        return self

    def size(self, name=None):
        """How many there are."""
        return convert(len(self._values))

    def identity(self):
        """The array."""
        return self


# --- debugging -------------------------------------------------------------------------------------------------------


def _show(value, summarize=3, inner=False):
    if isinstance(value, dict):
        pairs = (f"{_show(key, summarize, True)}: {_show(one, summarize, True)}" for key, one in value.items())
        return "{" + ", ".join(pairs) + "}"
    if isinstance(value, (list, tuple)):
        inside = ", ".join(_show(one, summarize, True) for one in value)
        return f"[{inside}]" if isinstance(value, list) else f"({inside})"
    if isinstance(value, RaggedTensor):
        return str(value.to_list())
    if isinstance(value, str):
        return f"'{value}'" if inner else value
    if isinstance(value, SparseTensor):
        parts = (_show(one, summarize) for one in (value.indices, value.values, value.dense_shape))
        return "'SparseTensor(indices={}, values={}, shape={})'".format(*parts)
    if (
        tensors.is_tensor(value)
        or isinstance(value, (Sizes, StringTensor))
        or (hasattr(value, "numpy") and not isinstance(value, type))
    ):
        return _rows(np.asarray(value if isinstance(value, (Sizes, StringTensor)) else convert(value)), summarize)
    return repr(value) if isinstance(value, np.ndarray) else str(value)


def _rows(array, summarize, depth=0):
    """An array as TensorFlow prints it: numbers as short as they are, the first and last few of each axis."""
    if not array.ndim:
        return _number(array.item() if array.dtype == object else array[()])
    parts = list(range(len(array)))
    if summarize not in (None, -1) and len(array) > 2 * summarize:
        parts = [*parts[:summarize], None, *parts[len(array) - summarize :]]
    lines = ["..." if one is None else _rows(array[one], summarize, depth + 1) for one in parts]
    between = " " if array.ndim == 1 else "\n" * (array.ndim - 1) + " " * (depth + 1)
    return "[" + between.join(lines) + "]"


def _number(value):
    if isinstance(value, (bytes, str)):
        return f'"{value.decode("utf-8", "replace") if isinstance(value, bytes) else value}"'
    if isinstance(value, (bool, np.bool_)):
        return "1" if value else "0"
    if isinstance(value, np.floating):
        few, many = (15, 17) if value.dtype == np.float64 else (6, 9)
        short = f"{float(value):.{few}g}"
        return short if value.dtype.type(short) == value else f"{float(value):.{many}g}"
    return str(value)


def print_(*inputs, output_stream=sys.stderr, summarize=3, sep=" ", end="\n", name=None):
    """Print tensors as numbers, to the standard error stream unless another is given."""
    text = sep.join(_show(one, summarize) for one in inputs) + end
    if isinstance(output_stream, str):
        if not output_stream.startswith("file://"):
            raise ValueError(explain("Unknown output stream", expected="sys.stdout, file://…", given=output_stream))
        with open(output_stream.removeprefix("file://"), "a", encoding="utf-8") as file:
            file.write(text)
        return
    stream = sys.stderr if output_stream is None else output_stream
    stream.write(text)


def _assertion(name, holds):
    def check(x, y, message=None, summarize=None, name=None):
        x, y = convert_pair(x, y)
        if not bool(ops.all(holds(x, y))):
            raise InvalidArgumentError(
                f"{message or ''} Condition x {check.sign} y did not hold. x: {_show(x)} y: {_show(y)}".strip()
            )

    check.__name__ = f"assert_{name}"
    check.__doc__ = f"Raise InvalidArgumentError unless x is {name} y everywhere."
    return check


DEBUGGING = {}
for _name, _sign, _holds in (
    ("equal", "==", ops.equal),
    ("none_equal", "!=", ops.not_equal),
    ("less", "<", ops.less),
    ("less_equal", "<=", ops.less_equal),
    ("greater", ">", ops.greater),
    ("greater_equal", ">=", ops.greater_equal),
):
    _check = _assertion(_name, _holds)
    _check.sign = _sign
    DEBUGGING[f"assert_{_name}"] = _check


def _sign(name, holds):
    def check(x, message=None, summarize=None, name=None):
        if not bool(ops.all(holds(convert(x), 0))):
            raise InvalidArgumentError(f"{message or ''} x was not {check.word}. x: {_show(convert(x))}".strip())

    check.__name__, check.word = f"assert_{name}", name.replace("_", "-")
    check.__doc__ = f"Raise InvalidArgumentError unless x is {name} everywhere."
    return check


for _name, _holds in {
    "positive": ops.greater,
    "negative": ops.less,
    "non_negative": ops.greater_equal,
    "non_positive": ops.less_equal,
}.items():
    DEBUGGING[f"assert_{_name}"] = _sign(_name, _holds)


def assert_near(x, y, rtol=None, atol=None, message=None, summarize=None, name=None):
    """Raise InvalidArgumentError unless ``|x - y| <= atol + rtol * |y|`` everywhere."""
    x, y = convert_pair(x, y)
    step = 10 * np.finfo(dtypes.as_dtype(x.dtype).as_numpy_dtype).eps
    limit = ops.add(step if atol is None else atol, ops.multiply(step if rtol is None else rtol, ops.absolute(y)))
    if not bool(ops.all(ops.less_equal(ops.absolute(ops.subtract(x, y)), limit))):
        raise InvalidArgumentError(
            f"{message or ''} x and y not equal to tolerance. x: {_show(x)} y: {_show(y)}".strip()
        )


def assert_all_finite(x, message=None, name=None):
    """x. Raises InvalidArgumentError where it holds what is not finite."""
    x = convert(x)
    if not bool(ops.all(ops.isfinite(x))):
        raise InvalidArgumentError(f"{message or ''} : Tensor had NaN or Inf values".strip())
    return x


def assert_rank(x, rank, message=None, name=None):
    """Raise ValueError unless x has so many axes."""
    if len(x.shape) != int(rank):
        raise ValueError(f"{message or ''} Tensor must have rank {int(rank)}. Received rank {len(x.shape)}.".strip())


def assert_rank_at_least(x, rank, message=None, name=None):
    """Raise ValueError unless x has so many axes or more."""
    if len(x.shape) < int(rank):
        raise ValueError(f"{message or ''} Tensor must have rank at least {int(rank)}.".strip())


def assert_type(tensor, tf_type, message=None, name=None):
    """Raise TypeError unless a tensor is of a dtype."""
    if dtypes.as_dtype(tf_type) != tensor.dtype:
        raise TypeError(
            f"{message or ''} tensor must be of type {tf_type!r}; got {dtypes.as_dtype(tensor.dtype)!r}".strip()
        )


def assert_scalar(tensor, name=None, message=None):
    """The tensor. Raises ValueError where it has axes."""
    if len(tensor.shape):
        raise ValueError(f"{message or ''} Expected scalar shape, saw shape: {tensor.shape}.".strip())
    return tensor


def assert_shapes(shapes, data=None, summarize=None, message=None, name=None):
    """Raise ValueError unless tensors have shapes, in which letters are sizes that must agree."""
    known = {}
    for tensor, wanted in shapes.items() if isinstance(shapes, dict) else shapes:
        tensor = tensor.deref() if hasattr(tensor, "deref") else tensor
        sizes = tuple(tensor.shape)
        fits = len(sizes) == len(wanted)
        for size, name_or_size in zip(sizes, wanted):
            if isinstance(name_or_size, str) and not name_or_size.isdigit():
                fits = fits and known.setdefault(name_or_size, size) == size
            elif name_or_size is not None:
                fits = fits and int(name_or_size) == size
        if not fits:
            raise ValueError(
                f"{message or ''} Tensor has shape {sizes}, expected {tuple(wanted)} with {known}.".strip()
            )


def check_numerics(tensor, message="", name=None):
    """The tensor. Raises InvalidArgumentError where it holds what is not finite."""
    return assert_all_finite(tensor, message)


def Assert(condition, data, summarize=None, name=None):
    """Raise InvalidArgumentError, with the data, unless a condition holds."""
    if not bool(convert(condition)):
        raise InvalidArgumentError(
            f"Expected 'tf.Tensor(False, shape=(), dtype=bool)' to be true. Summarized data: {data}"
        )


def assert_rank_in(x, ranks, message=None, name=None):
    """Raise ValueError unless x has one of some numbers of axes."""
    ranks = [int(one) for one in ranks]
    if len(x.shape) not in ranks:
        raise ValueError(f"{message or ''} Tensor must have rank in {tuple(ranks)}. Received {len(x.shape)}.".strip())


def assert_integer(x, message=None, name=None):
    """Raise TypeError unless x holds whole numbers."""
    kind = dtypes.as_dtype(convert(x).dtype)
    if not kind.is_integer:
        raise TypeError(f'{message or ""} Expected "x" to be integer type. Found: {kind!r}'.strip())


def assert_proper_iterable(values):
    """Raise TypeError for what is no list or the like: tensors, arrays and text."""
    if tensors.is_tensor(values) or isinstance(values, (StringTensor, SparseTensor, np.ndarray, bytes, str)):
        raise TypeError(f'Expected argument "values" to be a "proper" iterable.  Found: {type(values)}')
    if not hasattr(values, "__iter__"):
        raise TypeError(f'Expected argument "values" to be iterable.  Found: {type(values)}')


def assert_same_float_dtype(tensors=None, dtype=None):
    """The dtype, which must be one of floats and that of all tensors. Raises ValueError where it is not."""
    kinds = {dtypes.as_dtype(one.dtype) for one in tensors or ()} | ({dtypes.as_dtype(dtype)} if dtype else set())
    if len(kinds) > 1 or any(not kind.is_floating for kind in kinds):
        raise ValueError(f"Expected floating point type, one for all. Found: {sorted(kind.name for kind in kinds)}")
    return next(iter(kinds), dtypes.float32)


def is_numeric_tensor(tensor):
    """Whether a tensor holds numbers."""
    return tensors.is_tensor(tensor) and not dtypes.as_dtype(tensor.dtype).is_bool


for _function in (
    assert_integer,
    assert_proper_iterable,
    assert_rank_in,
    assert_same_float_dtype,
    is_numeric_tensor,
    assert_near,
    assert_all_finite,
    assert_rank,
    assert_rank_at_least,
    assert_type,
    assert_scalar,
    assert_shapes,
    check_numerics,
    Assert,
):
    DEBUGGING[_function.__name__] = _function


def enable_check_numerics(stack_height_limit=30, path_length_limit=50):
    """Not there."""
    raise NotImplementedError(
        "tf.debugging.enable_check_numerics is not there; write tf.debugging.check_numerics(x, '')."
    )


DEBUGGING["enable_check_numerics"] = enable_check_numerics


def timestamp(name=None):
    """Seconds since 1970, float64."""
    return convert(time.time(), dtypes.float64)


NAMES = {
    "Assert": Assert,
    "TensorArray": TensorArray,
    "case": case,
    "cond": cond,
    "foldl": foldl,
    "foldr": foldr,
    "group": group,
    "map_fn": map_fn,
    "no_op": no_op,
    "numpy_function": numpy_function,
    "print": print_,
    "py_function": py_function,
    "scan": scan,
    "switch_case": switch_case,
    "timestamp": timestamp,
    "tuple": tuple_,
    "vectorized_map": vectorized_map,
    "while_loop": while_loop,
}
NAMES.update({name: DEBUGGING[name] for name in ("assert_equal", "assert_greater", "assert_less", "assert_rank")})
