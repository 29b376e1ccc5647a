"""`Block`: the base of everything in Gluon, a `torch.nn.Module` with MXNet's names, parameters and files."""

import re
import threading
import warnings
from collections import OrderedDict

import torch

from tandem.core import arrays, graph, scope
from tandem.core.arrays import Array
from tandem.core.errors import Unsupported, explain
from tandem.core.module import Module
from tandem.mxnet import initializer, name
from tandem.mxnet.gluon import files
from tandem.mxnet.gluon.parameter import Parameter, ParameterDict
from tandem.mxnet.gluon.utils import HookHandle
from tandem.mxnet.gluon.weights import array_class
from tandem.mxnet.ndarray.ndarray import NDArray

__all__ = ["Block"]


class _BlockScope:
    """Names of blocks and parameters made inside `with block.name_scope():` begin with the block's prefix."""

    _threads = threading.local()

    def __init__(self, block):
        self._block = block
        self._counter = {}
        self._before = []

    @classmethod
    def current(cls):
        """The innermost scope of this thread, or None."""
        return getattr(cls._threads, "scope", None)

    @staticmethod
    def create(prefix, params, hint):
        """The prefix and the `ParameterDict` of a new block.

        prefix, params: as given to it, or None; hint: its alias ("dense").
        """
        current = _BlockScope.current()
        if prefix is None:
            if current is None:
                prefix = name.current().get(None, hint) + "_"
            else:
                number = current._counter.get(hint, 0)
                current._counter[hint] = number + 1
                prefix = f"{hint}{number}_"
        if params is not None:
            params = ParameterDict(params.prefix, params)
        elif current is None:
            params = ParameterDict(prefix)
        else:
            parent = current._block.params
            params = ParameterDict(parent.prefix + prefix, parent._shared)
        return (prefix if current is None else current._block.prefix + prefix), params

    def __enter__(self):
        if self._block._empty_prefix:
            return self
        manager = name.Prefix(self._block.prefix)
        self._before.append((_BlockScope.current(), manager))
        _BlockScope._threads.scope = self
        manager.__enter__()
        return self

    def __exit__(self, *exception):
        if self._block._empty_prefix:
            return
        _BlockScope._threads.scope, manager = self._before.pop()
        manager.__exit__(*exception)

    def __getstate__(self):
        return {**self.__dict__, "_before": []}


class _Children(OrderedDict):
    """A block's children by name, in step with torch's registry of submodules."""

    def __init__(self, block=None):
        super().__init__()
        self._block = block

    def __setitem__(self, key, child):
        super().__setitem__(key, child)
        # A module of another kind is registered itself, not its adapter: `state_dict` has its plain names.
        self._block._modules[key] = getattr(child, "_foreign", child)

    def __delitem__(self, key):
        super().__delitem__(key)
        self._block._modules.pop(key, None)

    def __reduce__(self):
        return _Children, (), {"_block": self._block, "_items": list(self.items())}

    def __setstate__(self, state):
        self._block = state["_block"]
        for key, child in state["_items"]:
            OrderedDict.__setitem__(self, key, child)


class _Keeping(threading.local):
    found = None  # in a hybridized call: (block, attribute) -> the arrays that it was set to


keeping = _Keeping()


class Block(Module):
    """Base of layers and models.

    prefix: what the names of its parameters begin with, made from the class's name and a counter where None;
    params: a `ParameterDict` to share parameters from. A subclass makes children and parameters in `__init__` (inside
    `with self.name_scope():` if their names shall begin with the prefix) and overrides `forward`.

    Called with NDArrays it answers NDArrays. Called with torch tensors it answers torch tensors, recorded as torch's
    grad mode says, in the mode that `train()`/`eval()` set; with symbolic values of a Keras model it becomes a part
    of that model. There it initializes itself, with `initialize()`'s defaults, if nobody has.
    """

    def __init__(self, prefix=None, params=None):
        super().__init__()
        fields = self.__dict__
        fields["_empty_prefix"] = prefix == ""
        fields["_prefix"], fields["_params"] = _BlockScope.create(prefix, params, self._alias())
        fields["_name"] = self._prefix.removesuffix("_")
        fields["_scope"] = _BlockScope(self)
        fields["_children"] = _Children(self)
        fields["_reg_params"] = {}

    def __repr__(self):
        lines = "\n".join(
            f"  ({key}): {repr(child).replace(chr(10), chr(10) + '  ')}"
            for key, child in self._children.items()
            if key.isidentifier()
        )
        return f"{type(self).__name__}(\n{lines}\n)"

    # --- attributes ------------------------------------------------------------------------------------------------

    def __setattr__(self, key, value):
        fields = self.__dict__
        existing = fields.get(key)
        if isinstance(existing, (Parameter, Block)) and not isinstance(value, type(existing)):
            raise TypeError(
                explain(
                    f"Changing attribute type for {key} from {type(existing)} to {type(value)} is not allowed",
                    hint=f"`del block.{key}` first.",
                )
            )
        if isinstance(value, Parameter):
            if self._reg_params.get(key, value) is not value:
                raise AssertionError(
                    explain(
                        f"Overriding Parameter attribute {key} is not allowed",
                        hint="If you want to share parameters between blocks, give `params=` to their constructor.",
                    )
                )
            self._reg_params[key] = value
            super().__setattr__(key, value)
        elif isinstance(value, torch.nn.Module):
            self.register_child(value, key)
        elif keeping.found is None or not self._keep(key, value):
            super().__setattr__(key, value)

    def _keep(self, key, value):
        """Whether an attribute that a hybridized call sets is one of its results: an array, or several.

        A replay sets it anew, so that it is no change of what is replayed.
        """
        kept = self.__dict__.setdefault("_kept", set())
        if value is None and key in kept:
            keeping.found.pop((self, key), None)
        elif value is not None and (held := arrays.leaves(value)) and all(isinstance(leaf, Array) for leaf in held):
            if key not in kept:
                Module.mutations += 1
                kept.add(key)
            keeping.found[self, key] = value
        else:
            return False
        self.__dict__[key] = value
        return True

    def __delattr__(self, key):
        if key in self.__dict__.get("_children", ()):
            Module.mutations += 1
            del self._children[key]
            self.__dict__.pop(key, None)
            return
        self.__dict__.get("_reg_params", {}).pop(key, None)
        super().__delattr__(key)

    def register_child(self, block, name=None):
        """Add a child: its parameters belong to this block from now on.

        block: a Block, or a plain torch.nn.Module or Keras layer; name: its name in files, its number where None.
        """
        if not isinstance(block, Block):
            block = self._adopt(block)
        key = str(len(self._children)) if name is None else name
        Module.mutations += 1
        self._children[key] = block
        if key.isidentifier():
            # In reach without torch's own, slower, __getattr__.
            self.__dict__[key] = block

    def _adopt(self, module):
        """A block that stands for a module of another kind.

        Raises ValueError for what is no module.
        """
        from tandem.mxnet.gluon.foreign import adopt

        return adopt(module, self)

    def _alias(self):
        return type(self).__name__.lower()

    @property
    def prefix(self):
        """What the names of the parameters begin with."""
        return self._prefix

    @property
    def name(self):
        """The prefix without its final '_'."""
        return self._name

    @property
    def params(self):
        """The block's own parameters, without its children's."""
        return self._params

    def name_scope(self):
        """A scope in which new blocks and parameters get names that begin with this block's prefix."""
        return self._scope

    # --- parameters ------------------------------------------------------------------------------------------------

    def collect_params(self, select=None):
        """The parameters of this block and all below it.

        select: a regular expression; only names that it matches at their beginning are taken.
        """
        self._warn_of_unregistered_blocks()
        found = ParameterDict(self._params.prefix)
        found._block = self
        pattern = None if select is None else re.compile(select)
        for block in self._walk():
            own = block.params
            if pattern is None:
                found.update(own)
            else:
                for key, value in own.items():
                    if pattern.match(key):
                        found._params[key] = value
                found._growing.extend(own._growing)
        return found

    def _walk(self):
        """This block and all below it, parents first; a block that is there twice comes twice."""
        yield self
        for child in self._children.values():
            yield from child._walk()

    def _warn_of_unregistered_blocks(self):
        known = set(map(id, self._children.values()))
        for key, value in self.__dict__.items():
            if key.startswith("_") or not isinstance(value, (list, tuple, dict)):
                continue
            items = value.values() if isinstance(value, dict) else value
            if any(isinstance(item, Block) and id(item) not in known for item in items):
                warnings.warn(
                    f'"{type(self).__name__}.{key}" is an unregistered container with Blocks. Note that Blocks inside'
                    " the list, tuple or dict will not be registered automatically. Make sure to register them using"
                    " register_child() or switching to nn.Sequential/nn.HybridSequential instead. ",
                    UserWarning,
                    stacklevel=3,
                )

    def _collect_params_with_prefix(self, prefix=""):
        """Structural name ("0.weight") -> parameter: the keys of files."""
        prefix = prefix + "." if prefix else ""
        found = {prefix + key: value for key, value in self._reg_params.items()}
        for key, child in self._children.items():
            found.update(child._collect_params_with_prefix(prefix + key))
        return found

    def initialize(self, init=None, ctx=None, verbose=False, force_reinit=False):
        """Initialize all parameters, those of unknown shape at the first forward.

        init: an initializer or its name, Uniform(0.07) where None, for parameters that have none of their own;
        ctx: a context or a list of contexts, each with its replica; verbose: log what is filled with what;
        force_reinit: replace values that are there.
        """
        init = initializer.Uniform() if init is None else init
        self.collect_params().initialize(init, ctx, verbose, force_reinit)

    def cast(self, dtype):
        """Change the dtype of all parameters."""
        for child in self._children.values():
            child.cast(dtype)
        for parameter in self.params.values():
            parameter.cast(dtype)

    def save_parameters(self, filename, deduplicate=False):
        """Write all parameters to a file in MXNet's format, by structural name.

        deduplicate: whether a parameter that is shared is written once only.
        """
        files.save_block(self, filename, deduplicate)

    def load_parameters(
        self,
        filename,
        ctx=None,
        allow_missing=False,
        ignore_extra=False,
        cast_dtype=False,
        dtype_source="current",
    ):
        """Read parameters from a file that `save_parameters`, `ParameterDict.save` or `export` wrote, here or in MXNet.

        ctx: where to put parameters that are not initialized; allow_missing, ignore_extra: whether the file may lack
        parameters or hold others; cast_dtype: whether it may hold another dtype, which is cast to the current one or,
        with dtype_source='saved', taken.
        Raises AssertionError for a missing parameter, another shape or dtype, ValueError for one too many, MXNetError
        for a file that cannot be read.
        """
        files.load_block(self, filename, ctx, allow_missing, ignore_extra, cast_dtype, dtype_source)

    def save_params(self, filename):
        """The old name of `save_parameters`, which writes full names."""
        warnings.warn("save_params is deprecated. Please use save_parameters.", UserWarning, stacklevel=2)
        self.collect_params().save(filename, strip_prefix=self.prefix)

    def load_params(self, filename, ctx=None, allow_missing=False, ignore_extra=False):
        """The old name of `load_parameters`."""
        warnings.warn("load_params is deprecated. Please use load_parameters.", UserWarning, stacklevel=2)
        self.load_parameters(filename, ctx, allow_missing, ignore_extra)

    def save(self, prefix):
        """Write the structure and the parameters under a prefix.

        Raises Unsupported.
        """
        raise _no_structure("save", "save_parameters")

    def load(self, prefix):
        """Read what `save` wrote.

        Raises Unsupported.
        """
        raise _no_structure("load", "load_parameters")

    # --- calls -----------------------------------------------------------------------------------------------------

    def __call__(self, *args, **kwargs):
        if args and isinstance(args[0], NDArray):
            return self._run(args, kwargs)
        leaves = arrays.leaves((args, kwargs))
        if any(isinstance(leaf, Array) for leaf in leaves):
            return self._run(args, kwargs)
        for leaf in leaves:
            if isinstance(leaf, graph.Symbolic):
                return self._call_symbolic(type(leaf), args, kwargs)
        if any(isinstance(leaf, torch.Tensor) for leaf in leaves):
            return self._call_tensors(args, kwargs)
        if any(hasattr(leaf, "list_outputs") for leaf in leaves):
            return self._call_symbols(args, kwargs)
        return self._run(args, kwargs)

    def _call_symbols(self, args, kwargs):
        """A call with symbols of `mx.sym`."""
        return self.forward(*args, **kwargs)

    def _run(self, args, kwargs):
        for hook in self._forward_pre_hooks.values():
            hook(self, args)
        outputs = self.forward(*args, **kwargs)
        for hook in self._forward_hooks.values():
            hook(self, args, outputs)
        return outputs

    def forward(self, *args):
        """Computes the outputs; every subclass has its own."""
        raise NotImplementedError(
            explain(f"{type(self).__name__} does not say what it computes", hint="Override forward(self, x, ...).")
        )

    def _call_tensors(self, args, kwargs):
        """A call with torch tensors: gradients as torch's grad mode says, answers as torch tensors."""
        self._initialize_if_nobody_did()
        args, kwargs = arrays.wrap((args, kwargs), array_class())
        before = scope.set_recording(torch.is_grad_enabled()), scope.set_training(self.is_training())
        try:
            outputs = self._run(args, kwargs)
        finally:
            scope.set_recording(before[0])
            scope.set_training(before[1])
        return arrays.unwrap(outputs)

    def _call_symbolic(self, kind, args, kwargs):
        """A call with symbolic values adds a node to their graph."""
        self._initialize_if_nobody_did()
        try:
            spec = graph.infer(self, args, kwargs)
        except Exception as error:
            try:  # a block that reads values
                spec = graph.infer_by_running(self, args, kwargs)
            except Exception:
                raise error from None
        for parameter in self.collect_params().values():
            if parameter._deferred_init:
                parameter._finish_deferred_init()
        return graph.apply(self, args, kwargs, kind=kind, spec=spec)

    def _initialize_if_nobody_did(self):
        if self.__dict__.get("_was_initialized"):
            return
        # What modules of other kinds brought along has its values.
        parameters = [one for one in self.collect_params().values() if not one.is_foreign]
        if not any(parameter._data is not None or parameter._deferred_init for parameter in parameters):
            self.initialize()
        self.__dict__["_was_initialized"] = True

    def hybridize(self, active=True, **kwargs):
        """Have all HybridBlocks below record their computation once and replay it (or, with False, no longer)."""
        for child in self._children.values():
            child.hybridize(active, **kwargs)

    # --- hooks and traversal -----------------------------------------------------------------------------------------

    def register_forward_hook(self, hook):
        """Have `hook(block, inputs, outputs)` called after each forward; its `detach()` ends that."""
        return HookHandle._of(super().register_forward_hook(hook))

    def register_forward_pre_hook(self, hook):
        """Have `hook(block, inputs)` called before each forward; its `detach()` ends that."""
        return HookHandle._of(super().register_forward_pre_hook(hook))

    def register_op_hook(self, callback, monitor_all=False):
        """Have `callback(name, operator, array)` called for operators in hybridized blocks below.

        See `HybridBlock.register_op_hook`.
        """
        for child in self._children.values():
            child.register_op_hook(callback, monitor_all)

    def apply(self, fn):
        """Call `fn(block)` for all blocks below and then for this one; answers this one."""
        for child in self._children.values():
            child.apply(fn)
        fn(self)
        return self

    def summary(self, *inputs):
        """Print a table of the layers, their output shapes and their parameters, for some inputs.

        Raises AssertionError for a hybridized block.
        """
        from tandem.mxnet.gluon.summary import print_summary

        print_summary(self, inputs)

    # --- as a torch module -------------------------------------------------------------------------------------------

    def _apply(self, fn, recurse=True):
        super()._apply(fn, recurse)
        for parameter in self.params.values():
            parameter.follow()
        for parameter in self._reg_params.values():
            parameter.follow()
        return self

    def _load_from_state_dict(self, state_dict, prefix, *args):
        # Values of parameters whose shape is not known yet tell it.
        for key, parameter in self._reg_params.items():
            saved = state_dict.get(prefix + key)
            if saved is not None and parameter._data is None:
                array = array_class()._wrap(saved.detach())
                parameter._load_init(array, None, cast_dtype=True)
        super()._load_from_state_dict(state_dict, prefix, *args)


def _no_structure(name, instead):
    return Unsupported(explain(f"{name}() is not there yet", hint=f"{instead}() has the parameters."))
