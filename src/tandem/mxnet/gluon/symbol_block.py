"""Blocks and symbols: `SymbolBlock` runs a symbol as a block; blocks called with symbols give symbols, for `export`."""

from tandem.core import arrays
from tandem.core.arrays import Array
from tandem.core.errors import explain
from tandem.mxnet import initializer, ndarray, symbol
from tandem.mxnet.gluon.block import HybridBlock, _first_array, remember
from tandem.mxnet.gluon.parameter import ParameterDict
from tandem.mxnet.gluon.utils import _namespace
from tandem.mxnet.gluon.weights import DeferredInitializationError
from tandem.mxnet.ndarray.ndarray import NDArray
from tandem.mxnet.symbol.evaluate import run_as_operator
from tandem.mxnet.symbol.inference import Facts
from tandem.mxnet.symbol.nodes import Entry
from tandem.mxnet.symbol.symbol import Group, Symbol

__all__ = ["SymbolBlock"]


def call(block, args, kwargs, inner=False):
    """The symbol of a block's outputs for symbols of its inputs.

    inner: whether the block's own `forward` has run already, and calls `HybridBlock.forward`.
    """
    if type(block).forward is not HybridBlock.forward and not inner:
        with block.name_scope():
            return block.forward(*args, **kwargs)
    first = next(leaf for leaf in arrays.leaves((args, kwargs)) if isinstance(leaf, Symbol))
    F = symbol if type(first) is Symbol else symbol.numpy_extension.F
    params = {key: parameter.var() for key, parameter in block._reg_params.items()}
    if type(first) is not Symbol:
        params = {key: one.as_np_ndarray() for key, one in params.items()}
    with block.name_scope():
        return block.hybrid_forward(F, *args, **kwargs, **params)


def variable(parameter):
    """The symbol that stands for a parameter, always the same."""
    found = parameter.__dict__.get("_var")
    if found is None:
        init = parameter.init
        found = parameter.__dict__["_var"] = symbol.var(
            parameter.name,
            shape=parameter.shape,
            dtype=parameter.dtype,
            lr_mult=parameter.lr_mult,
            wd_mult=parameter.wd_mult,
            init=init if init is None or isinstance(init, str) else initializer.create(init),
            stype=parameter._stype,
        )
    return found


def traced(block):
    """(inputs, outputs) of a block as symbols: one input is called 'data', several 'data0', 'data1', ...

    Raises RuntimeError where the block was not hybridized and run before.
    """
    inputs, outputs = _traced_tree(block)
    outputs = [leaf for leaf in arrays.leaves(outputs) if isinstance(leaf, Symbol)]
    return inputs, outputs[0] if len(outputs) == 1 else Group(outputs)


def _traced_tree(block):
    """(inputs, what the block answers) as symbols; see `traced`."""
    template = block.__dict__.get("_called_with")
    if template is None:
        raise RuntimeError(
            "Please first call block.hybridize() and then run forward with this block at least once before calling"
            " export."
        )
    kinds = [leaf for leaf in arrays.leaves(template) if _is_kind(leaf)]
    inputs = [symbol.var("data" if len(kinds) == 1 else f"data{place}") for place in range(len(kinds))]
    inputs = [one.as_np_ndarray() if _is_numpy(kind) else one for one, kind in zip(inputs, kinds)]
    left = iter(inputs)
    args = arrays.map_tree(lambda leaf: next(left) if _is_kind(leaf) else leaf, template)
    return inputs, block(*args)


def watched(block, args, callback, monitor_all):
    """What a block answers to arrays, computed as a graph; see `HybridBlock.register_op_hook` for the callback."""
    remember(block, args)
    inputs, tree = _traced_tree(block)
    graph = SymbolBlock(
        [leaf for leaf in arrays.leaves(tree) if isinstance(leaf, Symbol)], inputs, block.collect_params()
    )
    ctx = _first_array(args).context

    def tell(name, node, tensor):
        callback(name.encode(), node.row.name.encode(), NDArray._wrap(tensor.detach(), ctx))

    def watch(node, tensors, results):
        if results is None and monitor_all:
            for name, tensor in zip(node.input_names(), tensors):
                tell(name, node, tensor)
        for name, tensor in zip(node.output_names(), results or ()):
            tell(name, node, tensor)
        return tensors

    graph.__dict__["_watch"] = watch
    results = iter(arrays.leaves([graph.forward(*[leaf for leaf in arrays.leaves(args) if isinstance(leaf, Array)])]))
    return arrays.map_tree(lambda leaf: next(results) if isinstance(leaf, Symbol) else leaf, tree)


def _is_kind(leaf):
    return isinstance(leaf, type) and issubclass(leaf, Array)


def _is_numpy(kind):
    return issubclass(kind, NDArray) and _namespace(kind) is not ndarray


def export(block, path, epoch, remove_amp_cast):
    """See `HybridBlock.export`."""
    outputs = traced(block)[1]
    names = f"{path}-symbol.json", f"{path}-{epoch:04d}.params"
    outputs.save(names[0], remove_amp_cast=remove_amp_cast)
    arguments, states = set(outputs.list_arguments()), set(outputs.list_auxiliary_states())
    kept = {}
    for parameter in block.collect_params().values():
        kind = "arg" if parameter.name in arguments else "aux" if parameter.name in states else None
        if kind is not None:
            kept[f"{kind}:{parameter.name}"] = parameter._reduce()
    ndarray.save(names[1], kept)


class SymbolBlock(HybridBlock):
    """A block that computes a symbol's outputs.

    outputs: a symbol, or a list of them; inputs: the variables that its calls give, one or a list; params: a
    `ParameterDict` with parameters for the other variables, which it makes where they are not there.
    Raises ValueError for what is no symbol, AssertionError for an input that is no variable.
    """

    def __init__(self, outputs, inputs, params=None):
        super().__init__(prefix=None, params=None)
        self.__dict__["_prefix"] = ""
        self.__dict__["_params"] = ParameterDict("", params)
        inputs = [inputs] if isinstance(inputs, Symbol) else list(inputs)
        for one in [*inputs, *(outputs if isinstance(outputs, (list, tuple)) else [outputs])]:
            if not isinstance(one, Symbol):
                raise ValueError(
                    "When hybridized, the input of HybridBlock output must be (nested) list of Symbol or NDArray,"
                    f" but got {one} of type {type(one)}"
                )
        if isinstance(outputs, (list, tuple)):
            outputs = outputs[0] if len(outputs) == 1 else Group(outputs)
        for one in inputs:
            if len(one) != 1 or not one._entries[0].node.is_variable:
                raise AssertionError(f"Input symbols must be variable, but {one.name} is an output of operators")
        self.__dict__["_symbol"], self.__dict__["_kinds"] = outputs, {}
        self.__dict__["_input_names"] = [one.name for one in inputs]
        facts = Facts(outputs._entries).search(dtypes=True, shapes=False)
        states = set(outputs.list_auxiliary_states())
        for node in facts.order:
            if not node.is_variable or node.name in self._input_names:
                continue
            given = {"allow_deferred_init": True}
            if node.name in states:
                given["grad_req"] = "null"
            dtype = facts.dtype(Entry(node))
            if dtype is not None:
                given["dtype"] = str(dtype).removeprefix("torch.")
            parameter = self.params.get(node.name, **given)
            taken = "." in node.name or hasattr(type(self), node.name)  # torch's modules have rules for names
            setattr(self, f"parameter_{node.name.replace('.', '_')}" if taken else node.name, parameter)

    @staticmethod
    def imports(symbol_file, input_names, param_file=None, ctx=None, allow_missing=False, ignore_extra=False):
        """A block from files that `export`, `Symbol.save` or `save_checkpoint` wrote, here or in MXNet.

        input_names: of the variables that calls give, one or a list; param_file: the `.params` file, None: parameters
        wait for `initialize`; ctx: where to put them.
        """
        outputs = symbol.load(str(symbol_file))
        names = [input_names] if isinstance(input_names, str) else list(input_names)
        block = SymbolBlock(outputs, [symbol.var(name) for name in names])
        if param_file is not None:
            block.collect_params().load(
                str(param_file), ctx, allow_missing, ignore_extra, cast_dtype=True, dtype_source="saved"
            )
        return block

    def forward(self, x, *args):
        """The outputs for the inputs, in the order of `inputs`: an array, or a list of arrays."""
        given = [leaf for leaf in arrays.leaves((x, args)) if isinstance(leaf, (Array, Symbol))]
        if len(given) != len(self._input_names):
            raise ValueError(
                explain(
                    "SymbolBlock got another number of inputs",
                    expected=f"{len(self._input_names)} ({', '.join(self._input_names)})",
                    given=len(given),
                )
            )
        if isinstance(given[0], Symbol):
            made = self._symbol(**dict(zip(self._input_names, given)))
            return made if len(made) == 1 else list(made)
        first = _first_array(given)
        ctx = first.context
        try:
            params = {key: parameter.data(ctx) for key, parameter in self.params.items()}
        except DeferredInitializationError:
            self._finish_from_data(*given)
            params = {key: parameter.data(ctx) for key, parameter in self.params.items()}
        values = {**params, **dict(zip(self._input_names, given))}
        results = run_as_operator(self._symbol, self._kinds, given, self._facts, values, self.__dict__.get("_watch"))
        outputs = [type(first)._wrap(tensor, ctx) for tensor in results]
        return outputs[0] if len(outputs) == 1 else outputs

    def _facts(self, given):
        facts = Facts(self._symbol._entries)
        known = dict(zip(self._input_names, given))
        for node in facts.order:
            array = known.get(node.name)
            parameter = self.params._params.get(node.name) if array is None else None
            if not node.is_variable:
                continue
            if array is not None:
                facts.tell_shape(Entry(node), tuple(array.shape))
            elif parameter is not None and parameter._data is not None:
                facts.tell_shape(Entry(node), parameter.shape)
        return facts.search(dtypes=False)

    def infer_shape(self, *args):
        """Set the shapes of the parameters from inputs."""
        facts = self._facts([leaf for leaf in arrays.leaves(args) if isinstance(leaf, Array)])
        for node in facts.order:
            if node.is_variable and node.name in self.params and facts.is_whole(Entry(node)):
                self.params[node.name].shape = facts.shape(Entry(node))

    def _call_symbols(self, args, kwargs):
        return self.forward(*args, **kwargs)

    def cast(self, dtype):
        """Change the dtype of all parameters."""
        super().cast(dtype)
        self._kinds.clear()

    def __getstate__(self):
        return {**super().__getstate__(), "_kinds": {}}

    def __repr__(self):
        outputs = repr(self._symbol)
        return f"{type(self).__name__}(\n{outputs} : {len(self._input_names)} -> {len(self._symbol)}\n)"

    def hybrid_forward(self, F, x, *args, **kwargs):
        """Raises NotImplementedError: the symbol says what is computed."""
        raise NotImplementedError
