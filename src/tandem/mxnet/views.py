"""Rows of the operator table as Python functions on arrays.

`function_of(row, kind)` gives the function behind `nd.X`: a closure that reads its row once. Attributes are parsed once
for each way in which they are written and kept; a call then costs the unwrapping of arrays, one call into `ops` and
the wrapping of the result.
"""

import inspect
from functools import partial

import torch

from tandem.core import scope
from tandem.core.arrays import Array
from tandem.core.dtypes import dtype_name
from tandem.core.errors import explain
from tandem.mxnet import context as contexts
from tandem.mxnet import util
from tandem.mxnet.base import MXNetError, _Null, missing
from tandem.mxnet.operators.attributes import REQUIRED
from tandem.mxnet.operators.table import OPERATORS, STORAGE_MATTERS
from tandem.mxnet.paths import in_graph, path_of, with_one_axis

# Ways of writing attributes that one function remembers; scalars that change on every call must not pile up.
_REMEMBERED = 256

_scope = scope._current
_switches = util._switches
_grad_enabled = torch.is_grad_enabled
_set_grad = torch._C._set_grad_enabled


class _Binding:
    """One way of calling an operator: the function with its attributes, and the inputs it then takes."""

    __slots__ = ("attributes", "context", "count", "function", "taken", "training", "visible")

    def __init__(self, row, given):
        given = {name: value for name, value in given.items() if value is not _Null}
        self.context = None
        if row.creates and "ctx" in given:
            ctx = given.pop("ctx")
            self.context = parse_context(ctx) if ctx is not None and ctx != "" else None
        attributes = row.parse(given)
        self.attributes = attributes
        self.taken = row.taken(attributes)
        passed = {name: value for name, value in attributes.items() if name not in ("ctx", row.variadic)}
        self.visible = row.visible(attributes) if callable(row.visible) else row.visible
        self.function = partial(row.function, **passed) if passed else row.function
        self.count = len(self.taken)
        if row.variadic is None and self.taken != row.inputs[: self.count]:
            self.function = _by_name(self.function, self.taken)
        self.training = self.function
        if row.modal:
            self.training = partial(self.function, training=True)
            self.function = partial(self.function, training=False)
        if attributes.get("forward_stype", "default") not in ("default", None):
            self.count = -1  # a sparse result: `sparse_calls` sees to it


def _by_name(function, names):
    return lambda *tensors, **flags: function(**dict(zip(names, tensors)), **flags)


def parse_context(ctx):
    """A context from a `Context` or a string such as "gpu(0)"."""
    if isinstance(ctx, contexts.Context):
        return ctx
    kind, _, number = str(ctx).partition("(")
    return contexts.Context(kind, int(number.rstrip(")") or 0))


def function_of(row, kind, name=None, *, scalars=False):
    """The function that applies the operator `row` to arrays of type `kind` and answers such arrays.

    scalars: whether these may be without axes even where np_shape is off.
    """
    if row.name in STORAGE_MATTERS:
        from tandem.mxnet.ndarray import sparse_calls

        return sparse_calls.operator_of(row, name)
    count = len(row.inputs)
    bindings = {}
    variadic = row.variadic is not None
    others = row.inputs[1:]
    new = kind.__new__
    check_dtype, modal, creates, aliases_input = row.same_dtype, row.modal, row.creates, row.aliases_input
    differentiable, list_output, mutates, updates = row.differentiable, row.list_output, row.mutates, row.updates
    again = row.again

    def operator(*args, out=None, name=None, **given):
        # 1. Which arguments are arrays, which are attributes.
        extra = ()
        if variadic:
            arrays = _variadic_arrays(row, args, given)
        elif len(args) == count:
            arrays = args
        elif len(args) > count:
            arrays, extra = args[:count], args[count:]
        elif len(args) == 1 and not any(map(given.__contains__, others)):
            arrays = args
        else:
            arrays = list(args)
            for key in row.inputs[len(args) :]:
                arrays.append(given.pop(key, None))
        # 2. The attributes, parsed, from memory where they were written like this before.
        try:
            binding = bindings[(extra, *given.items()) if given or extra else ()]
        except (KeyError, TypeError, NotImplementedError):  # arrays of mx.np have no hash
            key = (extra, *given.items()) if given or extra else ()
            if extra:
                out, given, key = _name_extra(row, extra, out, given, key)
            binding = _remember(row, bindings, key, given)
        else:
            if extra and len(extra) > len(row.attributes):
                out = extra[len(row.attributes)]
        # 3. The tensors.
        try:
            tensors = [array._tensor for array in arrays]
        except AttributeError:
            if any(getattr(array, "stype", "default") != "default" for array in arrays):
                from tandem.mxnet.ndarray import sparse_calls

                return sparse_calls.call(row, kind, binding, arrays, out)
            arrays, tensors = _given_arrays(row, arrays)
        if not variadic and len(tensors) != binding.count:
            if binding.count < 0:
                from tandem.mxnet.ndarray import sparse_calls

                return sparse_calls.call(row, kind, binding, arrays, out)
            arrays, tensors = _given_arrays(row, arrays)
            _check_count(row, binding, arrays)
        if mutates or updates:
            _writable(row, arrays, tensors, out)
        if check_dtype and len(tensors) > 1:
            dtype = tensors[0].dtype
            for tensor in tensors:
                if tensor.dtype is not dtype:
                    tensors = mixed(row.name, tensors)
                    break
        # 4. The computation, with gradients only while recording.
        function = binding.training if modal and _scope.training is True else binding.function
        if creates:
            ctx = binding.context or contexts.current_context()
            function = partial(function, device=ctx.torch_device())
        else:
            ctx = arrays[0]._ctx if arrays else None
        try:
            if (_scope.recording and differentiable) or not _grad_enabled():
                result = function(*tensors)
            else:
                _set_grad(False)
                try:
                    result = function(*tensors)
                finally:
                    _set_grad(True)
        except (RuntimeError, ValueError, IndexError, TypeError) as error:
            if isinstance(error, MXNetError):
                raise
            raise operator_error(row.name, tensors, binding.attributes, error) from error
        # 5. The result, as arrays.
        if type(result) is tuple or type(result) is list:
            if binding.visible is not None:
                result = result[: binding.visible]
            if _scope.recording and not all(item.requires_grad for item in result):
                result = in_graph(result, tensors, function if again else None)
            if aliases_input:
                result = [own(item, tensors) for item in result]
            if out is not None:
                return write_all(out, result, row.name)
            arrays = [wrap(kind, item, ctx, scalars) for item in result]
            return arrays[0] if len(arrays) == 1 and not list_output else arrays
        if _scope.recording and not result.requires_grad:
            result = in_graph(result, tensors, function if again else None, row.name)
        if aliases_input:
            result = own(result, tensors)
        if out is not None:
            return write_all(out, (result,), row.name)
        if result.dim() == 0 and not _switches.shape and not scalars:
            result = with_one_axis(result)
        array = new(kind)
        array._tensor = result
        array._ctx = ctx
        return array

    operator.__name__ = operator.__qualname__ = name or row.name
    operator.__doc__ = row.function.__doc__
    operator.__module__ = "mxnet.ndarray"
    operator.__signature__ = signature_of(row)
    return operator


def _writable(row, arrays, tensors, out):
    """Replace the tensors that the operator writes: autograd does not learn of it, as in MXNet."""
    count = len(tensors)
    for position in row.positions("mutates", count):
        tensors[position] = tensors[position].data
    targets = out if isinstance(out, (list, tuple)) else (out,)
    for position in row.positions("updates", count):
        here = any(target is arrays[position] for target in targets)
        tensors[position] = tensors[position].data if here else tensors[position].detach().clone()


def wrap(kind, tensor, ctx, scalars=False):
    """An array of `kind` around a tensor; without np_shape there are no 0-d arrays, unless these may be `scalars`."""
    if tensor.dim() == 0 and not _switches.shape and not scalars:
        tensor = with_one_axis(tensor)
    array = kind.__new__(kind)
    array._tensor = tensor
    array._ctx = ctx
    return array


def own(result, tensors):
    """The result in memory of its own: MXNet's operators never answer a view of an input."""
    if result._is_view() or any(result is tensor for tensor in tensors):
        copy = result.clone(memory_format=torch.contiguous_format)
        if (path := path_of(result)) is not None:
            copy._mxnet_path = path
        return copy
    return result


def write_all(out, results, name):
    """Write results into the array, or the list of arrays, given as `out=`; answer it."""
    targets = out if isinstance(out, (list, tuple)) else (out,)
    if len(targets) != len(results):
        raise MXNetError(
            explain(f"Operator {name} has {len(results)} outputs", given=f"out= with {len(targets)} arrays")
        )
    for target, result in zip(targets, results):
        if not isinstance(target, Array):
            raise TypeError(explain("out= takes an NDArray", given=type(target).__name__))
        try:
            held = target._tensor
        except AttributeError:  # a sparse array
            target._assign(result)
            continue
        shape = tuple(result.shape) or (1,)
        if tuple(held.shape) not in (shape, tuple(result.shape)) or held.dtype is not result.dtype:
            raise MXNetError(
                explain(
                    f"out= does not fit the result of {name}",
                    expected=f"{dtype_name(result.dtype)} {shape}",
                    given=f"{dtype_name(held.dtype)} {tuple(held.shape)}",
                )
            )
        if held.data_ptr() != result.data_ptr() or result.numel() == 0:
            target._assign(result.reshape(held.shape))
    return out


def operator_error(name, tensors, attributes, error):
    """The MXNetError for what went wrong inside an operator."""
    what = [f"{dtype_name(tensor.dtype)} {tuple(tensor.shape)}" for tensor in tensors]
    parameters = [f"{key}={value!r}" for key, value in attributes.items()]
    reason = str(error).split("\n", 1)[0]
    return MXNetError(explain(f"Operator {name} failed: {reason}", given=", ".join([*what, *parameters])))


# Under mixed precision: makes one dtype of an operator's inputs, `widen(name, tensors)`.
widen = None


def mixed(name, tensors):
    """What an operator takes that got inputs of several dtypes: under mixed precision, inputs of one.

    Raises MXNetError otherwise.
    """
    if widen is None:
        raise dtype_error(name, tensors)
    return widen(name, tensors)


def dtype_error(name, tensors):
    return MXNetError(
        explain(
            f"Operator {name} takes inputs of one dtype",
            expected=dtype_name(tensors[0].dtype),
            given=", ".join(dtype_name(tensor.dtype) for tensor in tensors),
            hint="Use .astype() on one of them.",
        )
    )


def _variadic_arrays(row, args, given):
    """The arrays of a variadic operator: positional, a list, or under its input's name."""
    args = list(args)
    if row.inputs[0] in given:
        args.append(given.pop(row.inputs[0]))
    arrays = []
    for item in args:
        if isinstance(item, (list, tuple)):
            arrays.extend(item)
        else:
            arrays.append(item)
    if row.variadic:
        if int(given.get(row.variadic, len(arrays))) != len(arrays) and row.variadic == "num_args":
            raise MXNetError(
                explain(
                    f"Operator {row.name} got another number of arrays than {row.variadic} says",
                    expected=given[row.variadic],
                    given=len(arrays),
                )
            )
        if row.variadic == "num_args":
            given.pop(row.variadic, None)
    return arrays


def _name_extra(row, extra, out, given, key):
    """Positional arguments after the arrays are attributes in order, then `out`, then `name`."""
    names = list(row.attributes)
    if len(extra) > len(names) + 2:
        raise TypeError(
            explain(
                f"{row.name}() got too many positional arguments",
                expected=", ".join([*row.inputs, *names, "out", "name"]),
                given=f"{len(row.inputs) + len(extra)} arguments",
            )
        )
    if len(extra) > len(names):
        out = extra[len(names)]
        key = None  # an array in the key would be kept alive
    by_place = dict(zip(names, extra))
    for name in given.keys() & by_place.keys():
        raise TypeError(f"{row.name}() got multiple values for argument {name!r}")
    return out, {**by_place, **given}, key


def _remember(row, bindings, key, given):
    binding = _Binding(row, given)
    try:
        hash(key)
    except (TypeError, NotImplementedError):
        return binding  # a list among the attributes: read anew each time
    if key is not None:
        if len(bindings) >= _REMEMBERED:
            bindings.clear()
        bindings[key] = binding
    return binding


def _given_arrays(row, arrays):
    """The arrays that were given, without the Nones.

    Raises AssertionError, as MXNet does, where one is not an array.
    """
    found = []
    for position, array in enumerate(arrays):
        if array is None:
            continue
        if not isinstance(array, Array):
            name = row.inputs[min(position, len(row.inputs) - 1)]
            raise AssertionError(
                explain(
                    f"Argument {name} of {row.name} must have NDArray type",
                    expected="an NDArray",
                    given=f"{type(array).__name__} {array!r}"[:200],
                    hint="mx.nd.array(...) makes one.",
                )
            )
        found.append(array)
    return found, [array._tensor for array in found]


def _check_count(row, binding, arrays):
    most, least = len(binding.taken), len([name for name in binding.taken if name not in row.optional])
    if not least <= len(arrays) <= most:
        raise MXNetError(
            explain(
                f"Operator {row.name} takes another number of inputs",
                expected=f"{most} ({', '.join(binding.taken)})",
                given=f"{len(arrays)} arrays",
            )
        )


def signature_of(row):
    """The signature as MXNet's generated functions have it."""
    positional, keyword = inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.VAR_KEYWORD
    if row.variadic is not None:
        return inspect.Signature(
            [inspect.Parameter(row.inputs[0], inspect.Parameter.VAR_POSITIONAL), inspect.Parameter("kwargs", keyword)]
        )
    parameters = [inspect.Parameter(name, positional, default=None) for name in row.inputs]
    for name, attribute in row.attributes.items():
        default = _Null if attribute.default is REQUIRED else attribute.default
        parameters.append(inspect.Parameter(name, positional, default=default))
    parameters += [inspect.Parameter(name, positional, default=None) for name in ("out", "name")]
    return inspect.Signature([*parameters, inspect.Parameter("kwargs", keyword)])


class Namespace:
    """The names of one MXNet module that come from the operator table, made into functions when first used.

    module: its dotted name; kind: a function that answers the array type (called late: the modules import each other);
    names: public name -> operator name; scalars: as in `function_of`.
    """

    def __init__(self, module, kind, names, *, scalars=False):
        self.module, self.kind, self.names, self.scalars = module, kind, names, scalars

    def get(self, name, scope_globals):
        """The function for `name`, kept in the module's globals from then on.

        Raises AttributeError with a suggestion where there is none.
        """
        if name not in self.names:
            raise missing(self.module, name, self.dir(scope_globals))
        function = function_of(OPERATORS[self.names[name]], self.kind(), name, scalars=self.scalars)
        scope_globals[name] = function
        return function

    def dir(self, scope_globals):
        """All public names: those of the table and those written in the module."""
        return sorted({*self.names, *(name for name in scope_globals if not name.startswith("_"))})
