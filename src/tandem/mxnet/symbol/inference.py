"""Shapes and dtypes of a graph's values, found in both directions.

Forwards they come from running each operator on torch's meta device. Backwards there are three sources: the shapes of
learned inputs (`operators.learned`), operators whose inputs and outputs are alike, and a few rules of MXNet's besides.
"""

import ast
import warnings

import torch

from tandem.core import graph
from tandem.core.dtypes import torch_dtype
from tandem.core.errors import explain, suggest
from tandem.mxnet import util
from tandem.mxnet.base import MXNetError
from tandem.mxnet.operators import learned
from tandem.mxnet.symbol import alike, evaluate, rules
from tandem.mxnet.symbol.nodes import SPECIAL, Entry, auxiliary, visit

# What sizes stand in where only dtypes are wanted: an operator accepts one of them.
_DUMMIES = ((4, 4), (4, 4, 4, 4), (4, 4, 4), (4,), (4, 4, 4, 4, 4), (1, 1))


class Facts:
    """What is known of each value of a graph: sizes (None: unknown; a shape None: not even how many) and dtype."""

    def __init__(self, entries):
        self.order = visit(entries)
        self._shapes, self._dtypes = {}, {}
        self._ran = {}
        self._of_kinds = {}
        self._open = set()
        self.changed = False
        for node in self.order:
            if node.is_variable:
                self._from_attributes(node)

    def _from_attributes(self, node):
        attrs = node.attrs
        if "__shape__" in attrs:
            try:
                shape = ast.literal_eval(attrs["__shape__"])
                self.tell_shape(Entry(node), known(shape if isinstance(shape, (tuple, list)) else (shape,)))
            except (ValueError, SyntaxError, TypeError) as error:
                raise MXNetError(
                    explain("A variable's shape cannot be read", given=f"{node.name}: {attrs['__shape__']}")
                ) from error
        if attrs.get("__dtype__", "-1") != "-1":
            from tandem.mxnet.symbol.symbol import DTYPE_NUMBERS

            names = {str(number): name for name, number in DTYPE_NUMBERS.items()}
            if attrs["__dtype__"] not in names:
                raise MXNetError(
                    explain("A variable's dtype cannot be read", given=f"{node.name}: {attrs['__dtype__']}")
                )
            self.tell_dtype(Entry(node), torch_dtype(names[attrs["__dtype__"]]))

    # --- what is known -----------------------------------------------------------------------------------------------

    def shape(self, entry):
        """The shape of a value, or None."""
        return self._shapes.get((id(entry.node), entry.index))

    def dtype(self, entry):
        """The dtype of a value, or None."""
        return self._dtypes.get((id(entry.node), entry.index))

    def is_whole(self, entry):
        """Whether each size is known."""
        shape = self.shape(entry)
        return shape is not None and None not in shape

    def was_open(self, node):
        """Whether an operator that makes an array did not say its whole shape."""
        return id(node) in self._open

    def tell_shape(self, entry, shape, where=None):
        """Merge a shape into what is known of a value.

        Raises MXNetError where they differ.
        """
        if shape is None:
            return
        key = id(entry.node), entry.index
        before = self._shapes.get(key)
        after = tuple(shape) if before is None else _merged(before, shape)
        if after is None:
            operator = where or entry.node
            raise MXNetError(
                explain(
                    f"Error in operator {operator.name}: Shape inconsistent, Provided = {_plain(before)},"
                    f" inferred shape={_plain(shape)} of {entry.node.output_names()[entry.index]}",
                )
            )
        if after != before:
            self._shapes[key] = after
            self.changed = True

    def tell_dtype(self, entry, dtype, where=None):
        """Note the dtype of a value.

        Raises MXNetError where another one is known.
        """
        if dtype is None:
            return
        key = id(entry.node), entry.index
        before = self._dtypes.get(key)
        if before is None:
            self._dtypes[key] = dtype
            self.changed = True
        elif before is not dtype:
            names = [str(one).removeprefix("torch.") for one in (before, dtype)]
            raise MXNetError(
                explain(
                    f"Error in operator {(where or entry.node).name}: Incompatible attr in node"
                    f" {entry.node.output_names()[entry.index]}: expected {names[1]}, got {names[0]}"
                )
            )

    def give_shape(self, node, shape):
        """The shape that a variable is given: a whole one goes before the one of the variable's attributes, which
        goes before one with unknown sizes.
        """
        if None not in shape:
            self._shapes.pop((id(node), 0), None)
        if self.shape(Entry(node)) is None:
            self.tell_shape(Entry(node), shape, node)

    def give_dtype(self, node, dtype):
        """The dtype that a variable is given, before that of its attributes."""
        self._dtypes.pop((id(node), 0), None)
        self.tell_dtype(Entry(node), dtype, node)

    # --- the search --------------------------------------------------------------------------------------------------

    def search(self, dtypes, shapes=True):
        """Infer until nothing new comes.

        dtypes: whether dtypes are wanted (else every unknown one is float32); shapes: whether shapes are.
        """
        nodes = [node for node in self.order if not node.is_variable]
        while True:
            self.changed = False
            for node in nodes:
                self._step(node, dtypes, shapes)
            if not self.changed:
                return self
            nodes.reverse()

    def default_dtypes(self):
        """float32 for every variable of which nothing is known; gives whether there was one."""
        self.changed = False
        for node in self.order:
            if node.is_variable and self.dtype(Entry(node)) is None:
                self.tell_dtype(Entry(node), torch.float32)
        return self.changed

    def _step(self, node, dtypes, shapes):
        outputs = [Entry(node, place) for place in range(node.visible)]
        special = SPECIAL.get(node.row.name)
        if special is not None:
            special.infer(node, outputs, self, dtypes, shapes)
            return
        if shapes:
            self._shape_rules(node, outputs)
        if dtypes:
            self._dtype_rules(node, outputs)
        self._forward(node, outputs, dtypes, shapes)

    def _shape_rules(self, node, outputs):
        row = node.row
        attributes = node.binding.attributes
        if row.name in alike.SHAPES:
            values = [*node.inputs, *outputs]
            for value in values:
                shape = self.shape(value)
                if shape is not None:
                    for other in values:
                        self.tell_shape(other, shape, node)
        if row.creates and isinstance(attributes.get("shape", 0), (tuple, type(None))):
            shape = known(attributes["shape"] or ()) if attributes["shape"] is not None else None
            if shape == () and not util.is_np_shape():
                shape = None if row.name in ("_zeros", "_ones", "_full") else (1,)
            if shape is None or None in shape:
                self._open.add(id(node))
            self.tell_shape(outputs[0], shape)
        if row.creates and attributes.get("infer_range") and attributes["stop"] is None:
            self._open.add(id(node))
            self.tell_shape(outputs[0], (None,), node)
        if row.name in learned.SHAPES and node.inputs:
            data = self.shape(node.inputs[0])
            if data is not None:
                try:
                    found = learned.shapes(row.name, data, attributes)
                except (ValueError, TypeError, IndexError) as error:
                    if None not in data:
                        raise MXNetError(explain(f"Error in operator {node.name}: {error}")) from error
                    found = {}
                taken = node.binding.taken
                for key, entry in zip(taken, node.inputs):
                    if key in found and not (row.name == "LeakyReLU" and self.is_whole(entry)):
                        self.tell_shape(entry, found[key], node)  # (one slope may serve all channels)
        rule = rules.SHAPES.get(row.name)
        if rule is not None:
            rule(self, node, outputs, attributes)

    def _dtype_rules(self, node, outputs):
        row, attributes = node.row, node.binding.attributes
        rule = rules.DTYPES.get(row.name)
        if rule is not None:
            rule(self, node, outputs, attributes)
        elif row.name in alike.DTYPES:
            self._one_dtype([*node.inputs, *outputs], node)
        elif row.same_dtype and row.name not in rules.MIXED:
            self._one_dtype(node.inputs, node)
        wanted = attributes.get("dtype")
        if isinstance(wanted, torch.dtype) and (row.creates or row.name in rules.TYPED):
            for output in outputs[:1]:
                self.tell_dtype(output, wanted, node)
        elif row.creates and wanted is None and rule is None:
            self.tell_dtype(outputs[0], torch.float32, node)

    def _one_dtype(self, values, node):
        """One dtype for all, where an operator insists on it; else for those whose dtype is not known."""
        insists = node.row.same_dtype
        for value in values:
            dtype = self.dtype(value)
            if dtype is not None:
                for other in values:
                    if insists or self.dtype(other) is None:
                        self.tell_dtype(other, dtype, node)
                return

    # --- forwards ----------------------------------------------------------------------------------------------------

    def _forward(self, node, outputs, dtypes, shapes):
        told = not shapes or node.row.name in alike.SHAPES or node.row.creates
        if told and self._is_done(outputs, dtypes, shapes):
            return
        inputs = node.inputs
        if node.row.creates and (self.was_open(node) or (not shapes)):
            return
        if not shapes and any(self.dtype(entry) is None for entry in inputs):
            return
        assumed = rules.assumed_dtypes(node)
        given_dtypes = tuple(self.dtype(entry) or default for entry, default in zip(inputs, assumed))
        if not dtypes and node.row.same_dtype and len(set(given_dtypes)) > 1:
            given_dtypes = tuple(assumed)  # some are a parameter's own, others were not looked for
        if shapes:
            given = tuple(self.shape(entry) for entry in inputs)
            if None in given:
                return
            key = given, given_dtypes
            if self._ran.get(id(node)) == key:
                return
            self._ran[id(node)] = key
            partial = any(None in shape for shape in given)
            if partial and node.row.name in rules.WHOLE:
                return
            try:
                found = self._on_meta(node, given, given_dtypes)
            except (MXNetError, RuntimeError, ValueError, IndexError, TypeError, NotImplementedError) as error:
                if partial:
                    return
                found = self._by_running(node, given, given_dtypes, error)
        else:
            found = self._by_dummies(node, given_dtypes)
            if found is None:
                return
        known_types = all(self.dtype(entry) is not None for entry in inputs)
        for output, spec in zip(outputs, found):
            if shapes:
                shape = spec.shape
                if shape == () and not util.is_np_shape():
                    shape = (1,)
                self.tell_shape(output, shape, node)
            if dtypes and known_types:
                self._tell_found(node, output, torch_dtype(spec.dtype))

    def _tell_found(self, node, output, dtype):
        if self.dtype(output) is None:
            self.tell_dtype(output, dtype, node)

    def _is_done(self, outputs, dtypes, shapes):
        return all(
            (not shapes or self.is_whole(entry)) and (not dtypes or self.dtype(entry) is not None) for entry in outputs
        )

    def _on_meta(self, node, shapes, dtypes):
        """What an operator gives for inputs of these kinds: operators that are alike, as those of a recurrent network's
        steps, are run once.
        """
        key = node.row.name, tuple(sorted(node.parameters().items())), shapes, dtypes
        found = self._of_kinds.get(key)
        if found is None:
            found = self._of_kinds[key] = self._run_on_meta(node, shapes, dtypes)
        return found

    @staticmethod
    def _run_on_meta(node, shapes, dtypes):
        values = [graph.Symbolic(shape, dtype) for shape, dtype in zip(shapes, dtypes)]
        device = torch.device("meta")
        return graph.infer(lambda *tensors: evaluate.call(node, tensors, False, device=device), values)

    def _by_running(self, node, shapes, dtypes, error):
        """What an operator gives that reads values, which the meta device has not: run it on zeros."""
        try:
            with torch.no_grad():
                zeros = [torch.zeros(shape, dtype=dtype) for shape, dtype in zip(shapes, dtypes)]
                results = evaluate.call(node, zeros, False)
        except (MXNetError, RuntimeError, ValueError, IndexError, TypeError) as refusal:
            raise MXNetError(f"Error in operator {node.name}: {refusal}") from error
        if node.row.name in rules.BY_VALUES:
            return [graph.Symbolic([None] * result.dim(), result.dtype) for result in results]
        return [graph.Symbolic(result.shape, result.dtype) for result in results]

    def _by_dummies(self, node, dtypes):
        for dummy in _DUMMIES:
            shapes = [dummy] * len(dtypes)
            if node.row.name in learned.SHAPES:
                try:
                    found = learned.shapes(node.row.name, dummy, node.binding.attributes)
                except (ValueError, IndexError, TypeError):
                    continue
                shapes = [found.get(key, dummy) for key in node.binding.taken]
            try:
                return self._on_meta(node, tuple(shapes), dtypes)
            except (MXNetError, RuntimeError, ValueError, IndexError, TypeError, NotImplementedError):
                continue
        if not dtypes:
            return None
        return [graph.Symbolic((), dtypes[0]) for _ in range(node.visible)]


def known(shape):
    """A shape as it is kept: None for sizes that MXNet's numbers say are not known."""
    unknown = -1 if util.is_np_shape() else 0
    return tuple(None if size is None or size < 0 or size == unknown else int(size) for size in shape)


def _merged(a, b):
    if len(a) != len(b):
        return None
    merged = []
    for left, right in zip(a, b):
        if left is not None and right is not None and left != right:
            return None
        merged.append(right if left is None else left)
    return tuple(merged)


def _plain(shape):
    """A shape as MXNet answers it."""
    unknown = -1 if util.is_np_shape() else 0
    if shape is None:
        return None if util.is_np_shape() else ()
    return tuple(unknown if size is None else size for size in shape)


# --- what users call -------------------------------------------------------------------------------------------------


def _given(symbol, args, kwargs, what):
    """Name -> what was given of the arguments, by position or name."""
    if args and kwargs:
        raise ValueError(f"Can only specify known argument {what} either by positional or kwargs way.")
    arguments = symbol.list_arguments()
    if len(args) > len(arguments):
        raise MXNetError(
            explain(f"Too many {what}", expected=f"{len(arguments)} ({', '.join(arguments)})", given=len(args))
        )
    return {**{name: value for name, value in zip(arguments, args) if value is not None}, **kwargs}


def tell(facts, given, tell_one, what):
    """Hand what was given by name to the variables of that name.

    Raises MXNetError for a name that no variable has.
    """
    left = set(given)
    for node in facts.order:
        if node.is_variable and node.name in given:
            left.discard(node.name)
            tell_one(node, given[node.name])
    if left:
        unknown = min(left)
        names = [node.name for node in facts.order if node.is_variable]
        raise MXNetError(
            explain(
                f"Keyword argument name {unknown} not found among the {what}'s arguments",
                expected=", ".join(names),
                given=f"{unknown}={given[unknown]}",
                hint=suggest(unknown, names),
            )
        )


def _parts(symbol, facts, read):
    """read(entry) of (arguments, outputs, auxiliary states)."""
    written = auxiliary(facts.order)
    variables = [node for node in facts.order if node.is_variable]
    return (
        [read(Entry(node)) for node in variables if id(node) not in written],
        [read(entry) for entry in symbol._entries],
        [read(Entry(node)) for node in variables if id(node) in written],
    )


def infer_shape(symbol, partial, args, kwargs):
    """See `Symbol.infer_shape`."""
    given = _given(symbol, args, kwargs, "shapes")
    for name, shape in given.items():
        if not isinstance(shape, (tuple, list)):
            raise TypeError(f"Arguments need to be shapes (tuple), but '{name}' is {type(shape)}.")
    facts = Facts(symbol._entries)
    tell(facts, given, lambda node, shape: facts.give_shape(node, known(shape)), "symbol")
    facts.search(dtypes=False)
    found = _parts(symbol, facts, lambda entry: _plain(facts.shape(entry)))
    if partial:
        return found
    whole = _parts(symbol, facts, facts.is_whole)
    if all(all(part) for part in whole):
        return found
    unknown = [(name, shape) for name, shape, ok in zip(symbol.list_arguments(), found[0], whole[0]) if not ok]
    _warn("shape for the following arguments (0s in shape means unknown dimensions)", unknown)
    return None, None, None


def infer_type(symbol, partial, args, kwargs):
    """See `Symbol.infer_type`."""
    from tandem.mxnet.ndarray.ndarray import NUMPY_TYPES, mxnet_dtype

    given = _given(symbol, args, kwargs, "types")
    facts = Facts(symbol._entries)
    tell(facts, given, lambda node, dtype: facts.give_dtype(node, mxnet_dtype(dtype)), "symbol")
    facts.search(dtypes=True, shapes=False)
    found = _parts(symbol, facts, lambda entry: None if facts.dtype(entry) is None else NUMPY_TYPES[facts.dtype(entry)])
    if partial or not any(one is None for part in found for one in part):
        return found
    unknown = [(name, dtype) for name, dtype in zip(symbol.list_arguments(), found[0]) if dtype is None]
    _warn("type for the following arguments", unknown)
    return None, None, None


def _warn(what, unknown):
    listed = "\n\t".join(f"{name}: {value}" for name, value in unknown)
    warnings.warn(f"Cannot decide {what}. Consider providing them as input:\n\t{listed}", UserWarning, stacklevel=4)
