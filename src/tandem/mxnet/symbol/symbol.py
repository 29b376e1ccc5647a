"""`mx.sym.Symbol`: some outputs of a graph of operators that has no values yet."""

import numpy as np

from tandem.core.errors import explain
from tandem.mxnet import attribute
from tandem.mxnet.base import MXNetError, NotImplementedForSymbol
from tandem.mxnet.ndarray.ndarray import _STORAGE_TYPE_STR_TO_ID, mxnet_dtype
from tandem.mxnet.symbol import inference
from tandem.mxnet.symbol.nodes import HIDDEN, Entry, Node, auxiliary, copy_graph, visit

__all__ = ["Group", "Symbol", "Variable", "load", "load_json", "var"]

# MXNet's numbers of dtypes, in attributes of variables.
DTYPE_NUMBERS = {
    "float32": 0, "float64": 1, "float16": 2, "uint8": 3, "int32": 4, "int8": 5, "int64": 6, "bool": 7, "bfloat16": 12,
}  # fmt: skip


class Symbol:
    """One or more outputs of a graph; `mx.sym.Variable` and operators of `mx.sym` make them.

    A symbol has a name where it has one output; calling it composes a new graph in which variables are replaced.
    """

    __slots__ = ("_entries",)
    __array_priority__ = 1000.0  # `np_scalar + symbol` asks the symbol
    __hash__ = None  # type: ignore[assignment]

    def __init__(self, handle):
        if isinstance(handle, Symbol):
            handle = handle._entries
        self._entries = list(handle)

    @classmethod
    def _check_input(cls, value, operator, name):
        """Raise TypeError where an operator that answers this kind of symbol does not take another one."""

    # --- what it is --------------------------------------------------------------------------------------------------

    def __repr__(self):
        name = self.name
        if name is None:
            return f"<{type(self).__name__} group [{', '.join(str(one.name) for one in self)}]>"
        return f"<{type(self).__name__} {name}>"

    @property
    def name(self):
        """The name of its node; None for a group of several nodes' outputs."""
        nodes = {id(entry.node) for entry in self._entries}
        return self._entries[0].node.name if len(nodes) == 1 else None

    @property
    def handle(self):
        """The number that stands for the symbol (MXNet: the address of its C object)."""
        return id(self)

    def __len__(self):
        return len(self._entries)

    def __iter__(self):
        return (type(self)([entry]) for entry in self._entries)

    def __bool__(self):
        raise NotImplementedForSymbol(self.__bool__, "bool")

    def __getitem__(self, index):
        """One output by its number or name, or a group by a slice.

        Raises ValueError for a name that none or several outputs have, IndexError for a number that is too high.
        """
        if isinstance(index, slice):
            start, stop, step = index.start or 0, index.stop, index.step or 1
            stop = len(self) if stop is None else stop
            return Group([Symbol.__getitem__(self, place) for place in range(start, stop, step)], type(self))
        if isinstance(index, str):
            found = [place for place, name in enumerate(self.list_outputs()) if name == index]
            if len(found) > 1:
                raise ValueError(f'There are multiple outputs with name "{index}"')
            if not found:
                raise ValueError(f'Cannot find output that matches name "{index}"')
            index = found[0]
        if not isinstance(index, (int, np.integer)):
            raise TypeError("Symbol only support integer index to fetch i-th output")
        if index >= len(self):
            raise IndexError
        if index < 0:
            raise MXNetError(explain("Symbol only accept nonnegative index", given=index))
        return type(self)([self._entries[index]])

    def list_outputs(self):
        """The names of the outputs."""
        return [entry.node.output_names()[entry.index] for entry in self._entries]

    def _variables(self):
        order = visit(self._entries)
        written = auxiliary(order)
        return [(node, id(node) in written) for node in order if node.is_variable]

    def list_inputs(self):
        """The names of all variables: arguments and auxiliary states."""
        return [node.name for node, _ in self._variables()]

    def list_arguments(self):
        """The names of the variables that are not auxiliary states, in the order of `bind`."""
        return [node.name for node, written in self._variables() if not written]

    def list_auxiliary_states(self):
        """The names of the variables that operators write (BatchNorm's running statistics)."""
        return [node.name for node, written in self._variables() if written]

    @property
    def num_outputs(self):
        """How many outputs there are."""
        return len(self._entries)

    # --- parts and compositions --------------------------------------------------------------------------------------

    def get_internals(self):
        """The outputs of all nodes below, as one group; one is got by name: ``internals["fc1_output"]``."""
        return type(self)(
            [
                Entry(node, place, node.version if node.is_variable else 0)
                for node in visit(self._entries)
                for place in range(node.visible)
            ]
        )

    def get_children(self):
        """The inputs of the nodes, as one group; None for a variable."""
        entries, seen = [], set()
        for entry in self._entries:
            if id(entry.node) not in seen:
                seen.add(id(entry.node))
                entries.extend(entry.node.inputs)
        return type(self)(entries) if entries else None

    def __copy__(self):
        return self.__deepcopy__(None)

    def __deepcopy__(self, _):
        return type(self)(copy_graph(self._entries))

    def __reduce__(self):
        return type(self), ((),), self.__getstate__()

    def __getstate__(self):
        return {"handle": self.tojson(remove_amp_cast=False)}

    def __setstate__(self, state):
        """Become the symbol of a pickled one's state."""
        self._entries = load_json(state["handle"])._entries

    def __call__(self, *args, **kwargs):
        """A new symbol in which variables are replaced by symbols, by name: ``net(data=other)``.

        name: the new name of the output's node. Raises TypeError for what is no Symbol, MXNetError for a name that no
        variable has.
        """
        made = self.__copy__()
        made._compose(*args, **kwargs)
        return made

    def _compose(self, *args, **kwargs):
        name = kwargs.pop("name", None)
        for value in [*args, *kwargs.values()]:
            if not isinstance(value, Symbol):
                raise TypeError("Compose expect `Symbol` as arguments")
        if args and kwargs:
            raise TypeError("compose only accept input Symbols either as positional or keyword arguments, not both")
        if args:
            raise MXNetError(
                explain(
                    "General composition only support kwargs for now",
                    expected="symbols by the names of the variables that they replace",
                    given=f"{len(args)} positional symbols",
                )
            )
        for key, value in kwargs.items():
            if len(value._entries) != 1:
                raise MXNetError(
                    explain(f"Keyword Argument {key} is a tuple, single value is required", given=repr(value))
                )
        if name:
            self._entries[0].node.name = name
            self._entries[0].node._outputs = None
        order = visit(self._entries)
        variables = [node for node in order if node.is_variable]
        known = {node.name for node in variables}
        for key in kwargs:
            if key not in known:
                raise MXNetError(
                    explain(
                        f"Keyword argument name {key} not found among the variables",
                        expected=", ".join(node.name for node in variables),
                        given=f"{key}={kwargs[key]!r}",
                    )
                )
        replaced = {id(node): kwargs[node.name]._entries[0] for node in variables if node.name in kwargs}
        for node in order:
            if any(id(entry.node) in replaced for entry in node.inputs):
                node.inputs = [replaced.get(id(entry.node), entry) for entry in node.inputs]
                node.update_versions()

    # --- attributes --------------------------------------------------------------------------------------------------

    def attr(self, key):
        """The attribute of its node, a string, or None; of a group, none."""
        nodes = {id(entry.node) for entry in self._entries}
        if len(nodes) > 1:
            return None
        return _attribute(self._entries[0].node, key)

    def list_attr(self, recursive=False):
        """The attributes of the first node.

        Raises DeprecationWarning where those of all nodes are wanted: `attr_dict` has them.
        """
        if recursive:
            raise DeprecationWarning(
                "Symbol.list_attr with recursive=True has been deprecated. Please use attr_dict instead."
            )
        return _shown(self._entries[0].node)

    def attr_dict(self):
        """Name of a node -> its attributes, for all nodes that have some."""
        return {node.name: shown for node in visit(self._entries) if (shown := _shown(node))}

    def _set_attr(self, **kwargs):
        """Set attributes of its node, to strings.

        Raises ValueError for other values, MXNetError on a group and for what the operator cannot read.
        """
        for value in kwargs.values():
            if not isinstance(value, str):
                raise ValueError("Set Attr only accepts string values")
        node = self._entries[0].node
        if any(entry.node is not node for entry in self._entries):
            raise MXNetError(explain("Symbol.SetAttrs only works for non-grouped symbol", given=repr(self)))
        before = dict(node.attrs)
        node.attrs.update({f"__{key}__" if key in HIDDEN else key: value for key, value in kwargs.items()})
        if not node.is_variable:
            node.forget()
            try:
                node.binding  # noqa: B018 (parses)
            except MXNetError:
                node.attrs = before
                node.forget()
                raise

    # --- inference ---------------------------------------------------------------------------------------------------

    def infer_shape(self, *args, **kwargs):
        """Shapes of (arguments, outputs, auxiliary states) from some shapes, by position or name; sizes 0 (with NumPy's
        shapes -1) are not known.

        (None, None, None), and a warning, where they do not follow. Raises MXNetError where they do not fit.
        """
        return inference.infer_shape(self, False, args, kwargs)

    def infer_shape_partial(self, *args, **kwargs):
        """`infer_shape` that answers what is known: unknown sizes are 0, wholly unknown shapes ()."""
        return inference.infer_shape(self, True, args, kwargs)

    def infer_type(self, *args, **kwargs):
        """dtypes of (arguments, outputs, auxiliary states) from some dtypes, by position or name.

        (None, None, None), and a warning, where they do not follow. Raises MXNetError where they do not fit.
        """
        return inference.infer_type(self, False, args, kwargs)

    def infer_type_partial(self, *args, **kwargs):
        """`infer_type` that answers what is known, None for the rest."""
        return inference.infer_type(self, True, args, kwargs)

    # --- files -------------------------------------------------------------------------------------------------------

    def tojson(self, remove_amp_cast=True):
        """The graph as text, in the format of MXNet 1.x.

        remove_amp_cast: leave out the casts that mixed precision put in.
        """
        from tandem.mxnet.symbol import files

        return files.dumps(self, remove_amp_cast)

    def save(self, fname, remove_amp_cast=True):
        """Write `tojson` into a file."""
        from tandem.mxnet.symbol import files

        files.save(self, fname, remove_amp_cast)

    def debug_str(self):
        """The graph as text for people: each variable and operator with its inputs and attributes."""
        from tandem.mxnet.symbol import files

        return files.debug_str(self)

    # --- running -----------------------------------------------------------------------------------------------------

    def bind(self, ctx, args, args_grad=None, grad_req="write", aux_states=None, group2ctx=None, shared_exec=None):
        """An `Executor` of this graph on given arrays.

        args, args_grad, aux_states: lists in the order of `list_arguments` (`list_auxiliary_states`), or dicts by name;
        grad_req: 'write', 'add' or 'null', or a list or dict of these; group2ctx: the context of each ctx_group;
        shared_exec: an executor to share memory with, which torch's allocator does by itself.
        Raises ValueError where an array is missing, MXNetError where shapes or dtypes do not fit.
        """
        from tandem.mxnet.symbol import binding

        return binding.bind(self, ctx, args, args_grad, grad_req, aux_states, group2ctx, shared_exec)

    def simple_bind(
        self,
        ctx,
        grad_req="write",
        type_dict=None,
        stype_dict=None,
        group2ctx=None,
        shared_arg_names=None,
        shared_exec=None,
        shared_buffer=None,
        **kwargs,
    ):
        """An `Executor` with arrays of its own, of inferred shapes, filled with zeros.

        kwargs: name -> shape of inputs; type_dict: name -> dtype; shared_arg_names, shared_exec, shared_buffer: which
        arguments' arrays are those of another executor, and a dict of arrays by name to take from and add to.
        Raises RuntimeError where shapes are missing or do not fit.
        """
        from tandem.mxnet.symbol import binding

        return binding.simple_bind(
            self, ctx, grad_req, type_dict, stype_dict, group2ctx, shared_arg_names, shared_exec, shared_buffer, kwargs
        )

    def eval(self, ctx=None, **kwargs):
        """The outputs for given arrays, by name, as a list."""
        from tandem.mxnet import context

        return self.bind(context.current_context() if ctx is None else ctx, kwargs).forward()

    def gradient(self, wrt):
        """Raises MXNetError, as in MXNet 1.9.1: gradients come from an executor's `backward`."""
        raise MXNetError(
            explain(
                "not implemented: Symbol.gradient",
                expected="bind(...).backward()",
                given=f"wrt={wrt!r}",
            )
        )

    def optimize_for(
        self, backend, args=None, aux=None, ctx=None, shape_dict=None, type_dict=None, stype_dict=None,
        skip_infer=False, **kwargs,
    ):  # fmt: skip
        """The symbol as a backend of MXNet's C library would rewrite it: there are none, so that it stays as it is."""
        return self.__copy__()

    def get_backend_symbol(self, backend):
        """The symbol as a backend of MXNet's C library would rewrite it: there are none, so that it stays as it is.

        Raises MXNetError for a backend that MXNet does not have either.
        """
        if backend not in ("MKLDNN", "MKLDNN_QUANTIZE"):
            raise MXNetError(
                explain(
                    f"SubgraphProperty {backend} is not found in SubgraphBackendRegistry",
                    expected="MKLDNN or MKLDNN_QUANTIZE",
                    given=repr(backend),
                )
            )
        return self.__copy__()

    # --- what only arrays have, and the other kind -------------------------------------------------------------------

    def wait_to_read(self):
        """Raises NotImplementedForSymbol."""
        raise NotImplementedForSymbol(self.wait_to_read)

    def asnumpy(self):
        """Raises NotImplementedForSymbol."""
        raise NotImplementedForSymbol(self.asnumpy)

    def asscalar(self):
        """Raises NotImplementedForSymbol."""
        raise NotImplementedForSymbol(self.asscalar)

    def copy(self):
        """Raises NotImplementedForSymbol."""
        raise NotImplementedForSymbol(self.copy)

    def as_in_context(self):
        """Raises NotImplementedForSymbol."""
        raise NotImplementedForSymbol(self.as_in_context)

    def detach(self):
        """Raises NotImplementedForSymbol."""
        raise NotImplementedForSymbol(self.detach)

    def backward(self):
        """Raises NotImplementedForSymbol."""
        raise NotImplementedForSymbol(self.backward)

    def as_np_ndarray(self):
        """The same outputs as a symbol of `mx.sym.np`."""
        from tandem.mxnet.symbol.numpy import _Symbol

        return _Symbol(self._entries)

    def as_nd_ndarray(self):
        """The same outputs as a classic symbol."""
        return Symbol(self._entries)


def _attribute(node, key):
    value = node.attrs.get(key)
    if value is None and key in HIDDEN:
        value = node.attrs.get(f"__{key}__")
    return value


def _shown(node):
    shown = dict(node.attrs)
    for key in HIDDEN:
        if f"__{key}__" in shown:
            shown[key] = shown[f"__{key}__"]
    return shown


def var(name, attr=None, shape=None, lr_mult=None, wd_mult=None, dtype=None, init=None, stype=None, **kwargs):
    """A variable: a value that comes from outside.

    attr: attributes, strings; shape, dtype, stype: what is known of it (0 in the shape: unknown); lr_mult, wd_mult:
    what the optimizer multiplies its learning rate and decay with; init: its initializer or the text of one; further
    attributes have two underscores on either side.
    Raises TypeError for a name that is no string, ValueError for an attribute without underscores.
    """
    if not isinstance(name, str):
        raise TypeError("Expect a string for variable `name`")
    for value in (attr or {}).values():
        if not isinstance(value, str):
            raise ValueError("Set Attr only accepts string values")
    attrs = {f"__{key}__" if key in HIDDEN else key: value for key, value in attribute.current().get(attr).items()}
    if shape is not None:
        attrs["__shape__"] = str(tuple(int(size) for size in shape) if isinstance(shape, (tuple, list)) else shape)
    if lr_mult is not None:
        attrs["__lr_mult__"] = str(lr_mult)
    if wd_mult is not None:
        attrs["__wd_mult__"] = str(wd_mult)
    if dtype is not None:
        attrs["__dtype__"] = str(DTYPE_NUMBERS[str(mxnet_dtype(dtype)).removeprefix("torch.")])
    if init is not None:
        attrs["__init__"] = init if isinstance(init, str) else init.dumps()
    if stype is not None:
        attrs["__storage_type__"] = str(_STORAGE_TYPE_STR_TO_ID[stype])
    for key, value in kwargs.items():
        if not (key.startswith("__") and key.endswith("__")):
            raise ValueError(
                f"Attribute name={key} is not supported. Additional attributes must start and end with double"
                " underscores, e.g, __yourattr__"
            )
        attrs[key] = str(value)
    return Symbol([Entry(Node(None, name, attrs))])


Variable = var


def Group(symbols, create_fn=Symbol):
    """The outputs of some symbols as one.

    create_fn: makes the symbol. Raises TypeError for an empty list and for what is no Symbol.
    """
    symbols = list(symbols) if not isinstance(symbols, Symbol) else [symbols]
    if not symbols or any(not isinstance(symbol, Symbol) for symbol in symbols):
        raise TypeError("Expected a list of symbols as input")
    return create_fn([entry for symbol in symbols for entry in symbol._entries])


def load(fname):
    """The symbol of a file that `Symbol.save` wrote, here or in MXNet, of any version.

    Raises MXNetError where it cannot be read.
    """
    from tandem.mxnet.symbol import files

    if not isinstance(fname, str):
        raise TypeError("fname need to be string")
    return files.load(fname)


def load_json(json_str):
    """The symbol of a text as `tojson` makes it.

    Raises TypeError for what is no string, MXNetError where it cannot be read.
    """
    from tandem.mxnet.symbol import files

    if not isinstance(json_str, str):
        raise TypeError("fname required to be string")
    return files.loads(json_str)
