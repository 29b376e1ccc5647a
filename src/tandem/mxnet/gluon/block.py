"""`HybridBlock` and `SymbolBlock` (and, from here, `Block`)."""

from typing import NamedTuple

import torch

from tandem.core import arrays, graph, scope
from tandem.core.arrays import Array
from tandem.core.errors import Unsupported, explain
from tandem.mxnet import context as contexts
from tandem.mxnet import gradients, ndarray
from tandem.mxnet.base import MXNetError
from tandem.mxnet.gluon import probabilities
from tandem.mxnet.gluon.base import Block, _BlockScope, keeping
from tandem.mxnet.gluon.nested import _flatten, _regroup  # noqa: F401
from tandem.mxnet.gluon.utils import HookHandle, _brief_print_list, _indent, namespace_of  # noqa: F401
from tandem.mxnet.gluon.weights import DeferredInitializationError
from tandem.mxnet.ndarray.ndarray import NDArray, SparseStorage
from tandem.mxnet.paths import has_whole_path

_scope = scope._current
_modes = torch._C._len_torch_dispatch_stack

__all__ = ["Block", "HybridBlock", "SymbolBlock", "_BlockScope"]  # noqa: F822 (SymbolBlock: on demand)


def _lists(outputs):
    """What a hybridized block answers: lists where its computation has tuples, as MXNet's cached graph has it."""
    return [_lists(one) for one in outputs] if isinstance(outputs, (tuple, list)) else outputs


class _Outputs(NamedTuple):
    """What a recorded call gives that also sets attributes of blocks to arrays (`self.mu = mu`)."""

    own: object  # the block's outputs
    kept: dict  # number of the attribute in the block's `_places` -> arrays


class HybridBlock(Block):
    """A block whose computation can be recorded once and replayed (`hybridize`).

    A subclass overrides `hybrid_forward(F, x, ..., **params)`, where F is `mx.nd` and the block's parameters come as
    arrays under their attributes' names; or, as in MXNet 2, `forward(x, ...)` with `self.weight.data()`.
    """

    _op_hook = None  # (callback, monitor_all)

    def __init__(self, prefix=None, params=None):
        super().__init__(prefix=prefix, params=params)
        self.__dict__["_active"] = False
        self.__dict__["_flags"] = {}

    def __getstate__(self):
        # What was recorded works on the memory of this block, not of a copy.
        return {key: value for key, value in self.__dict__.items() if key not in ("_replay", "_op_hook", "_places")}

    def register_child(self, block, name=None):
        """Add a child: a HybridBlock, or a plain torch.nn.Module or Keras layer.

        Raises ValueError for a Block that is no HybridBlock.
        """
        if not isinstance(block, HybridBlock):
            block = self._adopt(block)
        super().register_child(block, name)

    def _adopt(self, module):
        from tandem.mxnet.gluon.foreign import adopt_hybrid

        return adopt_hybrid(module, self)

    # --- calls -----------------------------------------------------------------------------------------------------

    def _run(self, args, kwargs):
        for hook in self._forward_pre_hooks.values():
            hook(self, args)
        if self._active and not (_modes() and graph.on_meta()):
            replay = self.__dict__.get("_replay")
            if self._op_hook is not None:
                outputs = self._call_watched(args, kwargs)
            else:
                inside, _scope.inside = _scope.inside, True
                inlined = replay is not None and replay.inlined and _scope.recording
                try:
                    outputs = self.forward(*args, **kwargs) if inlined else self._call_hybrid(replay, args, kwargs)
                finally:
                    _scope.inside = inside
                if not inside and type(outputs) in (tuple, list):
                    outputs = _lists(outputs)
                if not inlined:
                    probabilities.mark_replayed(self, outputs)
        else:
            outputs = self.forward(*args, **kwargs)
        for hook in self._forward_hooks.values():
            hook(self, args, outputs)
        return outputs

    def _call_hybrid(self, replay, args, kwargs):
        """The computation of a hybridized block: recorded, and replayed once it is known."""
        if replay is None:
            remember(self, args)
            with scope.eagerly():  # the blocks in it are part of its recording
                outputs = self.forward(*args, **kwargs)
            if not any(parameter._deferred_init for parameter in self.collect_params().values()):
                # Loaded here: without hybridize() nobody needs the engine. And not made before: creating parameters is
                # no part of the computation.
                from tandem.engine.hybrid import Hybrid

                self.__dict__["_replay"] = Hybrid(
                    self._on_tensors,
                    self._tensors,
                    name=self.name,
                    watch=(self,),
                    deliver=gradients.deliver,
                    inline=self._flags["inline_limit"],
                )
            return outputs
        try:
            if kwargs or not all(isinstance(arg, NDArray) for arg in args):
                first = _first_array((args, kwargs))
                given = arrays.unwrap((args, kwargs))
            else:
                first, given = args[0], (tuple([arg._tensor for arg in args]), kwargs)
        except SparseStorage:  # what sparse arrays hold changes in size: nothing to replay
            with scope.eagerly():
                return self.forward(*args, **kwargs)
        if _scope.recording and has_whole_path(given):
            with scope.eagerly():  # the gradients of whole numbers are no torch graph's, so there is nothing to replay
                return self.forward(*args, **kwargs)
        kind, ctx = type(first), first.context
        before = torch.is_grad_enabled()
        torch._C._set_grad_enabled(bool(_scope.recording))
        try:
            outputs = replay(kind, ctx, *given)
        except SparseStorage:  # a result's
            self._active = False
            return self.forward(*args, **kwargs)
        finally:
            torch._C._set_grad_enabled(before)
        if isinstance(outputs, torch.Tensor):
            return kind._wrap(outputs, ctx)
        outputs = arrays.map_tree(
            lambda leaf: kind._wrap(leaf, ctx) if isinstance(leaf, torch.Tensor) else leaf, outputs
        )
        if type(outputs) is not _Outputs:
            return outputs
        for place, value in outputs.kept.items():
            block, key = self._places[place]
            block.__dict__[key] = value
        return outputs.own

    def register_op_hook(self, callback, monitor_all=False):
        """Have `callback(name, operator, array)` called in each forward, once hybridized, for the operators inside.

        It is told of each output, before that of each input with `monitor_all`. Names are of bytes, as in MXNet, which
        tells of backward operators too. Nothing is replayed meanwhile.
        """
        self.__dict__["_op_hook"] = callback, monitor_all
        super().register_op_hook(callback, monitor_all)

    def _call_watched(self, args, kwargs):
        from tandem.mxnet.gluon import symbol_block

        hook = self._op_hook
        if kwargs:
            raise ValueError(
                explain("A block whose operators are watched takes no named arguments", given=", ".join(kwargs))
            )
        self.__dict__["_op_hook"] = None  # its tracing is no forward
        try:
            return symbol_block.watched(self, args, *hook)
        finally:
            self.__dict__["_op_hook"] = hook

    def _on_tensors(self, kind, ctx, args, kwargs):
        """The computation on plain tensors: what is recorded."""
        args, kwargs = arrays.map_tree(
            lambda leaf: kind._wrap(leaf, ctx) if isinstance(leaf, torch.Tensor) else leaf, (args, kwargs)
        )
        if keeping.found is not None:  # a block in another one, which gives these attributes
            return arrays.unwrap(self.forward(*args, **kwargs))
        keeping.found = found = {}
        try:
            outputs = self.forward(*args, **kwargs)
        finally:
            keeping.found = None
        if not found:
            return arrays.unwrap(outputs)
        places = self.__dict__.setdefault("_places", [])
        places += [place for place in found if place not in places]
        return arrays.unwrap(_Outputs(outputs, {places.index(place): value for place, value in found.items()}))

    def _tensors(self):
        """All that may learn here: parameters, their replicas, and what a user's class of parameters holds."""
        held = [parameter._data or () for parameter in self.collect_params().values()]
        tensors = [*torch.nn.Module.parameters(self), *(data._tensor for replicas in held for data in replicas)]
        return list({id(tensor): tensor for tensor in tensors}.values())

    def forward(self, x, *args):
        """Calls `hybrid_forward` with the parameters as arrays on the context of the input.

        Raises ValueError where no argument is an array.
        """
        if not isinstance(x, Array) and any(hasattr(leaf, "list_outputs") for leaf in arrays.leaves((x, args))):
            return self._call_symbols((x, *args), {}, inner=True)
        first = x if isinstance(x, Array) else _first_array((x, *args))
        ctx = first.context
        F = ndarray if type(first) is NDArray else namespace_of(first)
        try:
            params = {key: parameter.data(ctx) for key, parameter in self._reg_params.items()}
        except RuntimeError as error:
            if graph.on_meta():
                return self._trace(F, x, args)
            if not isinstance(error, DeferredInitializationError):
                raise
            self._finish_from_data(x, *args)
            params = {key: parameter.data(ctx) for key, parameter in self._reg_params.items()}
        try:
            if ctx == contexts.current_context():
                return self.hybrid_forward(F, x, *args, **params)
            with ctx:
                return self.hybrid_forward(F, x, *args, **params)
        except MXNetError as error:
            _locate(error, self)
            raise

    def _trace(self, F, x, args):
        """The forward while shapes are being inferred and parameters have no values yet."""
        from tandem.mxnet.gluon import tracing

        self._infer_own_shapes(x, *args)
        namespace, params = tracing.stand_ins(self, F)
        return self.hybrid_forward(namespace, x, *args, **params)

    def hybrid_forward(self, F, x, *args, **kwargs):
        """Computes the outputs with the operators of `F`; a subclass overrides this or `forward`."""
        raise NotImplementedError(
            explain(
                f"{type(self).__name__} does not say what it computes", hint="Override hybrid_forward(self, F, x, ...)."
            )
        )

    # --- shapes of parameters ----------------------------------------------------------------------------------------

    def _finish_from_data(self, *args):
        """Find the shapes of the block's own parameters from inputs and create them.

        Raises ValueError where they do not follow.
        """
        try:
            self._infer_own_shapes(*args)
            for parameter in [*self.params.values(), *self._reg_params.values()]:
                parameter._finish_deferred_init()
        except Exception as error:
            raise ValueError(f"Deferred initialization failed because shape cannot be inferred. {error}") from error

    def _infer_own_shapes(self, *args):
        if type(self).infer_shape is not HybridBlock.infer_shape:
            self.infer_shape(*args)
            return
        shapes = self._shapes_from_data(*args)
        if shapes is None:
            if graph.on_meta():
                return  # the trace that is running fills them in on its way
            self.infer_shape(*args)
            return
        for key, shape in shapes.items():
            if key in self._reg_params:
                self._reg_params[key].shape = shape

    def _shapes_from_data(self, *args):
        """Attribute -> shape of the parameters, for given inputs; None where only running the block tells."""
        return

    def infer_shape(self, *args):
        """Set the shapes of this block's and its children's parameters from inputs.

        Raises ValueError where they do not follow.
        """
        from tandem.mxnet.gluon import tracing

        tracing.infer(self, args)

    def infer_type(self, *args):
        """Set the dtype of this block's and its children's parameters to that of the first input."""
        self.cast(_first_array(args).dtype)

    # --- recording -------------------------------------------------------------------------------------------------

    def hybridize(
        self,
        active=True,
        backend=None,
        clear=True,
        static_alloc=False,
        static_shape=False,
        inline_limit=2,
        forward_bulk_size=None,
        backward_bulk_size=None,
        **kwargs,
    ):
        """Record the computation once for each kind of inputs and replay it (or, with active=False, no longer).

        static_alloc, static_shape: a replay has fixed buffers and shapes in any case, and what it answers is the
        caller's, as in MXNet 1.9.1, which makes the outputs anew with static_alloc too. inline_limit: blocks of so few
        differentiable operations are not recorded for training. forward_bulk_size, backward_bulk_size: how many
        operations MXNet's engine takes at once; a recording is one piece.
        Raises Unsupported for a backend or its options.
        """
        if backend is not None or kwargs:
            raise Unsupported(
                explain(
                    "Backends of hybridize() are plug-ins to MXNet's C library, which is not there",
                    expected="backend=None and no further options",
                    given=f"backend={backend!r} {kwargs or ''}",
                )
            )
        self.__dict__["_active"] = active
        if clear or not active:
            self._clear_cached_op()
        self.__dict__["_flags"] = {
            "static_alloc": static_alloc,
            "static_shape": static_shape,
            "inline_limit": inline_limit,
        }
        for child in self._children.values():
            child.hybridize(
                active,
                static_alloc=static_alloc,
                static_shape=static_shape,
                inline_limit=inline_limit,
                forward_bulk_size=forward_bulk_size,
                backward_bulk_size=backward_bulk_size,
            )

    def _clear_cached_op(self):
        # MXNet's name; blocks of GluonCV call it when a setting of theirs changes.
        self.__dict__.pop("_replay", None)

    def optimize_for(self, x, *args, backend=None, clear=False, **kwargs):
        """Hybridize the block and run it once.

        Raises Unsupported for a backend.
        """
        self.hybridize(True, backend, clear, **kwargs)
        self(x, *args)

    def export(self, path, epoch=0, remove_amp_cast=True):
        """Write the computation as `path-symbol.json` and the parameters as `path-0000.params`, as MXNet has them.

        The block has been hybridized and run before, so that its inputs are known.
        Raises RuntimeError otherwise.
        """
        from tandem.mxnet.gluon import symbol_block

        return symbol_block.export(self, path, epoch, remove_amp_cast)

    def _call_symbols(self, args, kwargs, inner=False):
        from tandem.mxnet.gluon import symbol_block

        return symbol_block.call(self, args, kwargs, inner)


def __getattr__(name):
    if name == "SymbolBlock":
        from tandem.mxnet.gluon.symbol_block import SymbolBlock

        return SymbolBlock
    raise AttributeError(name)


def remember(block, args):
    """Keep what kind of inputs a block was called with."""
    # It stands here and not beside what reads it: a net that is only run needs no symbols.
    block.__dict__["_called_with"] = arrays.map_tree(lambda leaf: type(leaf) if isinstance(leaf, Array) else leaf, args)


def _first_array(args):
    for leaf in arrays.leaves(args):
        if isinstance(leaf, Array):
            return leaf
    raise ValueError(
        explain(
            "In HybridBlock, there must be one NDArray or one Symbol in the input",
            expected="an NDArray (mx.nd.array(...) makes one)",
            given=", ".join(type(arg).__name__ for arg in args),
        )
    )


def _locate(error, block):
    """Put the name of the innermost block that it happened in before the message of an operator's error."""
    if not getattr(error, "_located", False):
        error._located = True
        error.args = (f"Error in {block.name} ({type(block).__name__}): {error}",)
