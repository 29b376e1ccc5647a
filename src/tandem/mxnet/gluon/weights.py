"""`Parameter`, `Constant`: a block's weights, on one context or several."""

import warnings

import torch
from torch.utils._python_dispatch import _disable_current_modes

from tandem.core.dtypes import dtype_name, torch_dtype
from tandem.core.errors import explain
from tandem.core.module import Holder
from tandem.mxnet import context as contexts
from tandem.mxnet import gradients, initializer, util
from tandem.mxnet.base import MXNetError, mx_real_t
from tandem.mxnet.gluon import sparse_weights
from tandem.mxnet.gluon.inner_names import InnerNames
from tandem.mxnet.gluon.utils import _as_contexts
from tandem.mxnet.ndarray.ndarray import NDArray, mxnet_dtype

__all__ = ["Constant", "DeferredInitializationError", "Parameter", "tensor_types"]

tensor_types = (NDArray,)

_REQUESTS = ("write", "add", "null")


class DeferredInitializationError(MXNetError):
    """A parameter was asked for its values before its shape was known."""


def shape_is_known(shape):
    """Whether a shape has no unknown sizes (0, or -1 under np_shape)."""
    if shape is None:
        return False
    unknown = -1 if util.is_np_shape() else 0
    if not shape:
        return unknown == -1
    return all(size > unknown for size in shape)


def array_class():
    """The class of arrays that Gluon makes: `mx.np.ndarray` under np_array, else `mx.nd.NDArray`."""
    if util.is_np_array():
        from tandem.mxnet.numpy import ndarray

        return ndarray
    return NDArray


def _array(values):
    """Values as an array of the kind that Gluon makes, on the CPU."""
    if util.is_np_array():
        from tandem.mxnet.numpy import array
    else:
        from tandem.mxnet.ndarray import array
    return array(values, ctx=contexts.cpu())


class Parameter(InnerNames, Holder):
    """A named array of weights, with one replica per context and a gradient for each.

    name: its full name; grad_req: 'write' (each backward overwrites the gradient), 'add' (accumulates until
    `zero_grad`) or 'null' (none); shape: a size of 0 is unknown; dtype; lr_mult, wd_mult: factors on the learning
    rate and the weight decay; init: an initializer of its own; allow_deferred_init: whether unknown sizes may wait
    for the first forward; differentiable: False for state that is not learned; stype, grad_stype: the storage of the
    values and of the gradient, 'default', 'row_sparse' or 'csr'. Rows of row_sparse values are had with
    `row_sparse_data`, from the `Trainer` that keeps them.
    The first replica's tensor is a `torch.nn.Parameter` that the owning blocks have registered.
    Raises AssertionError for an unknown grad_req.
    """

    is_foreign = False  # whether a module of another kind owns the values

    def __init__(
        self,
        name,
        grad_req="write",
        shape=None,
        dtype=mx_real_t,
        lr_mult=1.0,
        wd_mult=1.0,
        init=None,
        allow_deferred_init=False,
        differentiable=True,
        stype="default",
        grad_stype="default",
    ):
        for kind, given in (("stype", stype), ("grad_stype", grad_stype)):
            if given not in ("default", "row_sparse", "csr"):
                raise AssertionError(
                    explain(
                        f"{kind} for Parameter '{name}' must be one of 'default', 'row_sparse', or 'csr'",
                        given=repr(given),
                    )
                )
        self._stype, self._grad_stype = stype, grad_stype
        self.name = name
        self.lr_mult = lr_mult
        self.wd_mult = wd_mult
        self.init = init
        self.is_parameter = differentiable
        self._differentiable = differentiable
        self._allow_deferred_init = allow_deferred_init
        self._dtype = dtype
        self._shape = (shape,) if isinstance(shape, int) else (None if shape is None else tuple(shape))
        self._data = None
        self._deferred_init = ()
        self._grad_req = None
        self.grad_req = grad_req

    # --- what it is ------------------------------------------------------------------------------------------------

    @property
    def grad_req(self):
        """'write', 'add' or 'null'; can be set at any time."""
        return self._grad_req

    @grad_req.setter
    def grad_req(self, request):
        if request not in _REQUESTS:
            raise AssertionError(
                explain("grad_req must be one of 'write', 'add', or 'null'", given=f"{request!r} for {self.name}")
            )
        if not self._differentiable:
            request = "null"
        if request != self._grad_req:
            self._grad_req = request
            self._attach()

    @property
    def learns(self):
        """Whether a `Trainer` updates the values; False also where torch's `requires_grad_(False)` said so."""
        return self.grad_req != "null" and (self._data is None or gradients.variable(self._data[0]).requires_grad)

    @learns.setter
    def learns(self, flag):
        if not flag and self.grad_req != "null":
            self._frozen_req, self.grad_req = self.grad_req, "null"
        elif flag:
            self.grad_req = self.__dict__.pop("_frozen_req", "write")
            for data in self._data or ():
                gradients.variable(data).requires_grad_(self.grad_req != "null")

    @property
    def dtype(self):
        """The dtype, as it was given."""
        return self._dtype

    @dtype.setter
    def dtype(self, dtype):
        self.cast(dtype)

    @property
    def shape(self):
        """The shape; unknown sizes are 0 (-1 under np_shape); None where nothing is known."""
        if self._shape is None or not util.is_np_shape():
            return self._shape
        return tuple(size if size > 0 or self._data is not None else -1 for size in self._shape)

    @shape.setter
    def shape(self, shape):
        shape = tuple(int(size) for size in shape)
        if self._shape is not None and (
            len(self._shape) != len(shape) or any(old not in (-1, 0, new) for old, new in zip(self._shape, shape))
        ):
            raise AssertionError(
                explain(
                    f"The given shape is incompatible with Parameter {self.name}",
                    expected=f"shape {self._shape} (0 is any size)",
                    given=f"shape {shape}",
                )
            )
        self._shape = shape

    @property
    def stype(self):
        """The storage of the values."""
        return self._stype

    @property
    def grad_stype(self):
        """The storage of the gradient."""
        return self._grad_stype

    # --- initialisation --------------------------------------------------------------------------------------------

    def initialize(self, init=None, ctx=None, default_init=None, force_reinit=False):
        """Create the values on one or several contexts; later, where the shape is not known yet.

        init: what to fill with, before the parameter's own `init` and `default_init` (Uniform(0.07)); ctx: a context
        or a list of them; force_reinit: whether values that are there are replaced.
        Raises ValueError where the shape is unknown and `allow_deferred_init` is False.
        """
        if self._data is not None and not force_reinit:
            warnings.warn(
                f"Parameter '{self.name}' is already initialized, ignoring. Set force_reinit=True to re-initialize.",
                UserWarning,
                stacklevel=2,
            )
            return
        self._data = None
        if default_init is None:
            default_init = initializer.Uniform()
        if init is None:
            init = default_init if self.init is None else self.init
        self._deferred_init = (init, _as_contexts(ctx), default_init, None)
        if shape_is_known(self.shape):
            self._finish_deferred_init()
        elif not self._allow_deferred_init:
            self._deferred_init = ()
            raise ValueError(
                explain(
                    f"Cannot initialize Parameter '{self.name}' because it has invalid shape: {self.shape}",
                    expected="a shape without unknown sizes, or allow_deferred_init=True",
                )
            )

    def _finish_deferred_init(self):
        """Create the values now that the shape is known; does nothing where nothing was deferred."""
        if not self._deferred_init:
            return
        init, ctx, default_init, data = self._deferred_init
        if not shape_is_known(self.shape):
            raise AssertionError(
                explain(
                    f"Cannot initialize Parameter '{self.name}' because its shape is not known",
                    expected="in_units, in_channels, input_size or the like, or a first forward",
                    given=f"shape {self.shape}",
                )
            )
        self._deferred_init = ()
        # Shapes may be being inferred just now, where every tensor is made on the meta device: not these.
        with _disable_current_modes():
            if data is None:
                data = self._empty(ctx[0])
                initializer.fill(initializer.InitDesc(self.name, {"__init__": init}), data, default_init)
            self._init_impl(data, ctx)

    def _empty(self, ctx):
        tensor = torch.zeros(self._shape, dtype=torch_dtype(self._dtype), device=ctx.torch_device())
        return array_class()._wrap(tensor, ctx)

    def _init_impl(self, data, ctx_list):
        """Make the replicas, one per context, from an array."""
        kind, values = array_class(), sparse_weights.dense(data)
        if self._stype != "default":
            dtype = torch_dtype(self._dtype)
            copies = [values.detach().to(ctx.torch_device(), dtype, copy=True) for ctx in ctx_list]
            self._data = [sparse_weights.replica(self._stype, *pair) for pair in zip(copies, ctx_list)]
            self._attach()
            return  # torch has no parameter to see
        self._data = [kind._wrap(self._own(values, ctx.torch_device()), ctx) for ctx in ctx_list]
        self._attach()
        super().bind(self._data[0]._tensor)

    def _own(self, tensor, device):
        """A tensor of this parameter's own with these values: a leaf."""
        tensor = tensor.detach().to(device, torch_dtype(self._dtype), copy=True).contiguous()
        return torch.nn.Parameter(tensor, requires_grad=False) if self._differentiable else tensor

    def _attach(self):
        """Have gradients computed as `grad_req` says; whole numbers (a quantized weight, an index) have dense ones."""
        if not torch_dtype(self._dtype).is_floating_point and self._grad_stype != "default":
            return
        for array in self._data or ():
            gradients.attach(array, self.grad_req, stype=self._grad_stype)

    def _load_init(self, data, ctx, cast_dtype=False, dtype_source="current"):
        """Take values from a file: an array.

        cast_dtype: whether another dtype is accepted; dtype_source: 'current' (cast the values to this parameter's
        dtype) or 'saved' (take theirs).
        """
        if dtype_source not in ("current", "saved"):
            raise AssertionError(explain("Unknown dtype_source", expected="'current' or 'saved'", given=dtype_source))
        shape = tuple(data.shape)
        if self._shape is not None:
            fits = len(self._shape) == len(shape) and all(
                own in (-1, 0) or own == size for own, size in zip(self._shape, shape)
            )
            if not fits:
                raise AssertionError(
                    explain(
                        f"Failed loading Parameter '{self.name}' from saved params: shape incompatible",
                        expected=f"{self._shape}",
                        given=f"saved {shape}",
                    )
                )
            self._shape = tuple(size if own in (-1, 0) else own for own, size in zip(self._shape, shape))
        else:
            self._shape = shape
        own, saved = torch_dtype(self._dtype), mxnet_dtype(data.dtype)
        if own is not saved:
            if not cast_dtype:
                raise AssertionError(
                    explain(
                        f"Failed loading Parameter '{self.name}' from saved params: dtype incompatible",
                        expected=dtype_name(own),
                        given=f"saved {dtype_name(saved)}",
                        hint="Set cast_dtype=True to cast the dtype of saved params.",
                    )
                )
            if dtype_source == "saved":
                self._change_dtype(data.dtype)
        ctx = None if ctx is None else _as_contexts(ctx)
        if self._data is None:
            if self._deferred_init:
                deferred = self._deferred_init[1]
                if ctx is not None and set(ctx) != set(deferred):
                    raise AssertionError(
                        explain(
                            f"Failed to load Parameter '{self.name}' on {ctx} because it was previous initialized on"
                            f" {deferred}",
                            hint="Give no ctx, or reset_ctx() first.",
                        )
                    )
                ctx = deferred
            elif ctx is None:
                ctx = [contexts.cpu()]
            self._deferred_init = ()
            self._init_impl(data, ctx)
            return
        if ctx is not None and set(ctx) != set(self.list_ctx()):
            raise AssertionError(
                explain(
                    f"Failed to load Parameter '{self.name}' on {ctx} because it was previous initialized on"
                    f" {self.list_ctx()}",
                    hint="Give no ctx, or reset_ctx() first.",
                )
            )
        self.set_data(data)

    def reset_ctx(self, ctx):
        """Move the values to one or several other contexts.

        Raises ValueError before initialization.
        """
        ctx = _as_contexts(ctx)
        if self._data is not None:
            self._init_impl(self._reduce(), ctx)
        elif self._deferred_init:
            init, _, default_init, data = self._deferred_init
            self._deferred_init = (init, ctx, default_init, data)
        else:
            raise ValueError(
                explain(f"Cannot reset context for Parameter '{self.name}' because it has not been initialized")
            )

    def cast(self, dtype):
        """Change the dtype of values and gradients."""
        self._change_dtype(dtype)

    def _change_dtype(self, dtype):
        wanted = torch_dtype(dtype)
        self._dtype = dtype
        if self._data is None:
            return
        if self._stype != "default":
            self._init_impl(self._reduce(), self.list_ctx())
            return
        self._data = [type(data)._wrap(self._own(data._tensor, data._tensor.device), data._ctx) for data in self._data]
        if self._differentiable and not wanted.is_floating_point:
            self._grad_req = "null"
        self._attach()
        super().bind(self._data[0]._tensor)

    # --- values ----------------------------------------------------------------------------------------------------

    def _check_and_get(self, arrays, ctx):
        """The array on a context (list: all of them) among the replicas' arrays."""
        if arrays is not None:
            if ctx is list:
                return arrays
            if ctx is None:
                if len(arrays) == 1:
                    return arrays[0]
                ctx = contexts.current_context()
            for array in arrays:
                if array.context == ctx:
                    return array
            if getattr(ctx, "device_type", "") in ("cpu_pinned", "cpu_shared"):  # what is there is the CPU's to MXNet
                return self._check_and_get(arrays, contexts.cpu(ctx.device_id))
            raise RuntimeError(
                explain(
                    f"Parameter '{self.name}' was not initialized on context {ctx}",
                    expected=f"one of {[array.context for array in arrays]}",
                    given=str(ctx),
                    hint="initialize(ctx=...) or reset_ctx() put it there.",
                )
            )
        if self._deferred_init:
            raise DeferredInitializationError(
                explain(
                    f"Parameter '{self.name}' has not been initialized yet because initialization was deferred",
                    expected="a first forward, which tells the shape",
                    given=f"shape {self.shape}",
                    hint="Pass one batch of data through the network before accessing Parameters, or give in_units, "
                    "in_channels and the like to the layers.",
                )
            )
        raise RuntimeError(
            explain(
                f"Parameter '{self.name}' has not been initialized",
                hint="Call initialize() first; and create Trainer with Block.collect_params() instead of Block.params, "
                "which does not include Parameters of nested child Blocks.",
            )
        )

    def data(self, ctx=None):
        """The values on a context: the array itself, not a copy.

        Raises DeferredInitializationError before the shape is known, RuntimeError before `initialize` or where there is
        no replica on `ctx`.
        """
        data = self._data
        if data is not None and len(data) == 1 and (ctx is None or ctx is data[0]._ctx) and self._stype == "default":
            return data[0]
        sparse_weights.refuse_data(self, "data()")
        return self._check_and_get(data, ctx)

    def list_data(self):
        """The values on all contexts, in the order of `initialize`."""
        sparse_weights.refuse_data(self, "list_data()")
        return self._check_and_get(self._data, list)

    def grad(self, ctx=None):
        """The gradient on a context.

        Raises RuntimeError where grad_req is 'null'.
        """
        return self._gradient(self._check_and_get(self._data, ctx))

    def list_grad(self):
        """The gradients on all contexts."""
        return [self._gradient(data) for data in self._check_and_get(self._data, list)]

    def _gradient(self, data):
        if self.grad_req == "null":
            raise RuntimeError(
                explain(f"Cannot get gradient array for Parameter '{self.name}' because grad_req='null'")
            )
        return data.grad

    def list_ctx(self):
        """The contexts that the parameter is, or will be, on.

        Raises RuntimeError before `initialize`.
        """
        if self._data is not None:
            return [data.context for data in self._data]
        if self._deferred_init:
            return self._deferred_init[1]
        raise RuntimeError(
            explain(f"Parameter '{self.name}' has not been initialized", hint="Call initialize() first.")
        )

    def set_data(self, data):
        """Set the values on all contexts from an array.

        Raises AssertionError for an array of another shape.
        """
        self.shape = data.shape
        if self._data is None:
            if not self._deferred_init:
                raise AssertionError(
                    explain(f"Parameter '{self.name}' has not been initialized", hint="Call initialize() first.")
                )
            if not isinstance(data, NDArray):
                data = _array(data)
            self._deferred_init = (*self._deferred_init[:3], data)
            return
        if self._stype != "default":
            sparse_weights.set_all(self, data)
            return
        if getattr(data, "stype", "default") != "default":
            data = data.tostype("default")
        if isinstance(data, NDArray):
            data = type(self._data[0])._wrap(data._tensor, data._ctx)  # classic arrays and mx.np's fill each other
        for array in self._data:
            array[:] = data
        keeper = self.__dict__.get("_keeper")
        trainer = None if keeper is None else keeper()
        if trainer is not None:
            trainer._keep(self, data)

    def zero_grad(self):
        """Set the gradients on all contexts to 0."""
        if self.grad_req != "null":
            for data in self._data or ():
                gradients.variable(data).grad = None  # reads as zeros

    def _reduce(self):
        """The mean over the replicas, on the CPU."""
        if self._stype != "default":
            self._check_and_get(self._data, list)
            return sparse_weights.all_rows(self)
        data = [array.as_in_context(contexts.cpu()) for array in self.list_data()]
        return data[0].copy() if len(data) == 1 else sum(data[1:], data[0]) / len(data)

    def var(self):
        """The symbol that stands for this parameter, always the same."""
        from tandem.mxnet.gluon import symbol_block

        return symbol_block.variable(self)

    def row_sparse_data(self, row_id):
        """The row_sparse array on row_id's context, with the rows of these numbers.

        row_id: an array of row numbers. Raises RuntimeError for another storage, or without a `Trainer`.
        """
        sparse_weights.refuse_rows(self, "row_sparse_data()")
        replica = self._check_and_get(self._data, getattr(row_id, "context", None))
        return sparse_weights.row_sparse_data(self, row_id, [replica])[0]

    def list_row_sparse_data(self, row_id):
        """`row_sparse_data` on all contexts."""
        sparse_weights.refuse_rows(self, "list_row_sparse_data()")
        return sparse_weights.row_sparse_data(self, row_id, self._check_and_get(self._data, list))

    # --- as a holder of a torch tensor -------------------------------------------------------------------------------

    def bind(self, tensor):
        """Hold a tensor that came from outside: `Module.to`, `load_state_dict` and the like."""
        device = contexts.of_device(tensor.device)
        kept = self._data is not None and self._data[0].context.torch_device() == tensor.device
        ctx = [data.context for data in self._data] if kept else [device]
        self._shape, self._dtype, self._deferred_init = tuple(tensor.shape), dtype_name(tensor.dtype), ()
        kind = array_class()
        others = [self._own(tensor, one.torch_device()) for one in ctx[1:]]
        self._data = [kind._wrap(item, one) for item, one in zip([tensor, *others], ctx)]
        self._attach()
        super().bind(tensor)

    def follow(self):
        """Take note of a change that was made to the tensor in place (`Module.to` does that)."""
        if self._data is None or self._stype != "default":
            return
        tensor = self.tensor
        if tensor.dtype is not torch_dtype(self._dtype) or tensor.device != self._data[0].context.torch_device():
            self.bind(tensor)

    def __getstate__(self):
        state = {
            key: value for key, value in self.__dict__.items() if key not in ("tensor", "_data", "_trainer", "_keeper")
        }
        plain = self._stype == "default"
        replicas = [(data._tensor if plain else data.detach(), data.context) for data in self._data or ()]
        state["replicas"] = None if self._data is None else replicas
        return state

    def __setstate__(self, state):
        replicas = state.pop("replicas")
        self.__dict__.update(state)
        self._data = None
        if replicas is not None and self._stype != "default":
            self._data = [data for data, _ in replicas]
            self._attach()
        elif replicas is not None:
            kind = array_class()
            self._data = [kind._wrap(tensor, ctx) for tensor, ctx in replicas]
            self.tensor = replicas[0][0]
            self._attach()


class Constant(Parameter):
    """A parameter that holds a given array and is never trained.

    name: its full name; value: an array (or what `mx.nd.array` takes).
    """

    _kind = "Constant"

    def __init__(self, name, value):
        if not isinstance(value, NDArray):
            value = _array(value)
        self.value = value
        super().__init__(
            name,
            grad_req="null",
            shape=value.shape,
            dtype=value.dtype,
            init=initializer.Constant(value),
            differentiable=False,
        )

    @property
    def grad_req(self):
        """Always 'null'."""
        return "null"

    @grad_req.setter
    def grad_req(self, request):
        if request != "null":
            warnings.warn(
                f'Constant parameter "{self.name}" does not support grad_req other than "null", and new value'
                f' "{request}" is ignored.',
                UserWarning,
                stacklevel=2,
            )
