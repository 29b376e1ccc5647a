"""Mixed precision: `init`, `scale_loss`, `convert_hybrid_block` and the lists of operators."""

import contextlib
import json
import types
from pathlib import Path

from tandem.core.errors import Unsupported, explain
from tandem.mxnet import context as contexts
from tandem.mxnet import operators, util
from tandem.mxnet import optimizer as optimizers
from tandem.mxnet.contrib.amp import casting
from tandem.mxnet.contrib.amp.loss_scaler import LossScaler
from tandem.mxnet.gluon.block import HybridBlock
from tandem.mxnet.gluon.trainer import Trainer

__all__ = [
    "convert_hybrid_block",
    "convert_model",
    "convert_symbol",
    "init",
    "init_trainer",
    "list_conditional_fp32_ops",
    "list_fp32_ops",
    "list_loss_output_functions",
    "list_lp16_fp32_ops",
    "list_lp16_ops",
    "list_lp16_use_fp32_params",
    "list_widest_type_cast",
    "scale_loss",
    "unscale",
]

# MXNet 1.9.1's names of operators by how they are computed.
_LISTS = json.loads((Path(__file__).parent / "lists.json").read_text(encoding="utf-8"))
_TARGETS = ("float16", "bfloat16")


def _listed(name, target_dtype):
    if target_dtype != "float16":
        raise AssertionError(explain("not supported type", expected="'float16'", given=repr(target_dtype)))
    return list(_LISTS[name])


def list_lp16_ops(target_dtype):
    """Operators that are computed in 16 bits."""
    return _listed("lp16_ops", target_dtype)


def list_fp32_ops(target_dtype):
    """Operators that are computed in float32."""
    return _listed("fp32_ops", target_dtype)


def list_lp16_fp32_ops(target_dtype):
    """Operators that are computed in the dtype that they get."""
    return _listed("lp16_fp32_ops", target_dtype)


def list_conditional_fp32_ops(target_dtype):
    """(operator, attribute, values): those that are computed in float32 where the attribute has such a value."""
    return [tuple(one) for one in _listed("conditional_fp32_ops", target_dtype)]


def list_widest_type_cast(target_dtype):
    """Operators whose inputs are all cast to the widest of their dtypes."""
    return _listed("widest_type_cast", target_dtype)


def list_loss_output_functions(target_dtype):
    """Operators that are losses of symbols."""
    return _listed("loss_output_functions", target_dtype)


def list_lp16_use_fp32_params(target_dtype):
    """None: float16 has no operators that keep their parameters in float32."""
    if target_dtype != "float16":
        raise AssertionError(explain("not supported type", expected="'float16'", given=repr(target_dtype)))


def _check_names(low, conditional, full):
    known = operators.names()
    named = [*(low or ()), *(full or ()), *(one[0] for one in conditional or ())]
    for name in named:
        if name not in known:
            raise AssertionError(explain(f"There is no operator {name}", given=f"{name!r} in a list of operators"))


def _policy(target_dtype, low, conditional, full):
    _check_names(low, conditional, full)
    ours = {*(low or ()), *(full or ())}
    return casting.Policy(
        target_dtype,
        [name for name in _LISTS["lp16_ops"] if name not in ours] + list(low or ()),
        [name for name in _LISTS["fp32_ops"] if name not in ours] + list(full or ()),
        [*_LISTS["conditional_fp32_ops"], *(conditional or ())],
    )


def init(target_dtype="float16", target_precision_ops=None, conditional_fp32_ops=None, fp32_ops=None):
    """Have the operators of `mx.nd` cast their inputs from now on; call it before networks are made.

    target_dtype: 'float16' or 'bfloat16'; target_precision_ops, fp32_ops: names of further operators that compute in
    it and in float32; conditional_fp32_ops: (name, attribute, values) of further ones that do for such values.
    gluon.rnn's layers and gluon.loss compute in float32. A second call does nothing, as in MXNet.
    Raises AssertionError for another dtype or an unknown operator, Unsupported while `npx.set_np` is on: operators of
    `mx.np` are not cast.
    """
    if target_dtype not in _TARGETS:
        raise AssertionError(
            explain(
                "AMP currently supports only float16 or bfloat16 as a target_dtype",
                expected="'float16' or 'bfloat16'",
                given=repr(target_dtype),
            )
        )
    if util.is_np_array():
        raise Unsupported(explain("Operators of mx.np are not cast yet", expected="mx.nd", given="npx.set_np() is on"))
    if casting._everywhere is None:
        casting.hold(_policy(target_dtype, target_precision_ops, conditional_fp32_ops, fp32_ops))


def init_trainer(optimizer_or_trainer):
    """Give a Trainer a scale of the loss, and have it leave out steps whose gradients overflow.

    Raises AssertionError before `init`, TypeError for what is no Trainer.
    """
    if casting._everywhere is None:
        raise AssertionError(explain("AMP not initialized, did you forget to call amp.init()?"))
    if isinstance(optimizer_or_trainer, optimizers.Optimizer):
        raise TypeError(explain("AMP is currently only compatible with Gluon Trainer", given="an Optimizer"))
    if not isinstance(optimizer_or_trainer, Trainer):
        raise TypeError(
            explain(
                "optimizer_or_trainer should be a Gluon Trainer or an optimizer",
                given=type(optimizer_or_trainer).__name__,
            )
        )
    trainer = optimizer_or_trainer
    trainer._amp_loss_scaler = LossScaler()
    trainer._amp_original_scale = trainer._scale
    for name in ("_update", "_update_on_store"):
        setattr(trainer, name, types.MethodType(_unless_overflow(getattr(Trainer, name)), trainer))


def _unless_overflow(update):
    def checked(self, *args):
        if not self._amp_loss_scaler.has_overflow(self._params):
            update(self, *args)

    return checked


@contextlib.contextmanager
def scale_loss(loss, optimizer_or_trainer):
    """`with scale_loss(loss, trainer) as scaled:` gives the loss, or each of a list, times the scale.

    The trainer's next step divides the gradients by it.
    Raises AttributeError before `init_trainer`.
    """
    trainer = optimizer_or_trainer
    scale = trainer._amp_loss_scaler.loss_scale
    trainer._scale = trainer._amp_original_scale / scale
    yield [one * scale for one in loss] if isinstance(loss, (list, tuple)) else loss * scale


def unscale(optimizer_or_trainer):
    """Divide the gradients of a Trainer's parameters by the scale now, to look at them or clip them before its step.

    Raises TypeError for what is no Trainer.
    """
    if isinstance(optimizer_or_trainer, Trainer):
        trainer = optimizer_or_trainer
        for parameter in trainer._params:
            if parameter.grad_req != "null" and parameter._data is not None:
                for grad in parameter.list_grad():
                    grad[:] *= trainer._scale
        trainer._scale = 1.0
    elif isinstance(optimizer_or_trainer, optimizers.Optimizer):
        raise TypeError(explain("AMP is currently only compatible with Gluon Trainer", given="an Optimizer"))
    else:
        raise TypeError(
            explain(
                "optimizer_or_trainer should be a Gluon Trainer or an optimizer",
                given=type(optimizer_or_trainer).__name__,
            )
        )


def convert_hybrid_block(
    block,
    target_dtype="float16",
    target_dtype_ops=None,
    fp32_ops=None,
    conditional_fp32_ops=None,
    excluded_sym_names=None,
    ctx=contexts.gpu(0),  # noqa: B008 (MXNet's signature)
    cast_optional_params=False,
):
    """A hybridized block for inference in mixed precision, a `SymbolBlock` with parameters of its own.

    block: hybridized, and called once; ctx: where its parameters are to be; cast_optional_params: whether parameters
    that are only needed in target_dtype are to have it; the others: see `convert_symbol`.
    Raises AssertionError for another block or dtype and for lists that do not fit, RuntimeError for a block that was
    not called.
    """
    from tandem.mxnet.gluon.symbol_block import SymbolBlock, traced

    if not isinstance(block, HybridBlock):
        raise AssertionError(explain("block input should be a HybridBlock", given=type(block).__name__))
    held = block.collect_params()
    if not block._active or any(one._data is None for one in held.values()):
        raise RuntimeError(
            explain(
                "Please first call block.hybridize() and then run forward with this block at least once",
                given=repr(block.name),
            )
        )
    inputs, sym = traced(block)
    values = {name: held[name].data(held[name].list_ctx()[0]) for name in sym.list_inputs() if name in held}
    states = {name: values.pop(name) for name in sym.list_auxiliary_states()}
    made, args, aux = convert_model(
        sym, values, states, target_dtype, target_dtype_ops, fp32_ops, conditional_fp32_ops, excluded_sym_names,
        cast_optional_params,
    )  # fmt: skip
    converted = SymbolBlock(made, inputs)
    for name, parameter in converted.collect_params().items():
        value = args[name] if name in args else aux[name]
        parameter._load_init(value, ctx, cast_dtype=True, dtype_source="saved")
    return converted


def _symbol_lists(low, full, conditional):
    """(operators in 16 bits, in float32, conditional ones): those that are given, or else MXNet's.

    Raises AssertionError for an operator in two of them, or one that is not there.
    """
    _check_names(low, conditional, full)
    low = list(_LISTS["lp16_ops"] if low is None else low)
    full = list(_LISTS["fp32_ops"] if full is None else full)
    conditional = [tuple(one) for one in (_LISTS["conditional_fp32_ops"] if conditional is None else conditional)]
    named = {
        "target_dtype_ops": set(low),
        "fp32_ops": set(full),
        "conditional_fp32_ops": {name for name, _, _ in conditional},
    }
    kinds = list(named)
    for place, one in enumerate(kinds):
        for other in kinds[place + 1 :]:
            both = named[one] & named[other]
            if both:
                raise AssertionError(
                    explain(f"Ops cannot be in two or more lists. Common ops in {one} and {other}", given=sorted(both))
                )
    return low, full, conditional


def convert_symbol(
    sym,
    target_dtype="float16",
    target_dtype_ops=None,
    fp32_ops=None,
    conditional_fp32_ops=None,
    excluded_sym_names=None,
    data_names=None,
    cast_optional_params=False,
):
    """A symbol whose operators cast their inputs, for inference in mixed precision; its outputs are float32.

    sym: a Symbol; target_dtype: 'float16' or 'bfloat16'; target_dtype_ops, fp32_ops: names of operators that compute in
    it and in float32, conditional_fp32_ops: (name, attribute, values) of those that do for such values, each instead of
    MXNet's list for float16; excluded_sym_names: layers that stay float32; data_names: the inputs that are no
    parameters; cast_optional_params: whether parameters that are only needed in target_dtype are to have it, where
    data_names says which are none.
    Raises AssertionError for what is no symbol, another dtype, operators in two lists or that are not there.
    """
    from tandem.mxnet.symbol.casting import Mixed
    from tandem.mxnet.symbol.symbol import Symbol

    if not isinstance(sym, Symbol):
        raise AssertionError(explain("First argument to convert_symbol should be Symbol", given=type(sym).__name__))
    if target_dtype not in _TARGETS:
        raise AssertionError(
            explain("Only target_dtype float16 and bfloat16 are supported currently", given=repr(target_dtype))
        )
    low, full, conditional = _symbol_lists(target_dtype_ops, fp32_ops, conditional_fp32_ops)
    return Mixed(
        sym,
        target_dtype,
        low=low,
        full=full,
        conditional=conditional,
        widest=_LISTS["widest_type_cast"],
        excluded=excluded_sym_names or (),
        kept=None if data_names is None else set(data_names),
        optional=cast_optional_params,
    ).symbol


def convert_model(
    sym,
    arg_params,
    aux_params,
    target_dtype="float16",
    target_dtype_ops=None,
    fp32_ops=None,
    conditional_fp32_ops=None,
    excluded_sym_names=None,
    cast_optional_params=False,
):
    """(`convert_symbol` of a model, its parameters, its auxiliary states), these in the dtypes that it wants.

    Raises AssertionError for what is no model.
    """
    for name, given in (("arg_params", arg_params), ("aux_params", aux_params)):
        if not isinstance(given, dict):
            raise AssertionError(explain(f"{name} should be a dict", given=type(given).__name__))
    inputs = [name for name in getattr(sym, "list_inputs", list)() if name not in arg_params and name not in aux_params]
    made = convert_symbol(
        sym, target_dtype, target_dtype_ops, fp32_ops, conditional_fp32_ops, excluded_sym_names, inputs,
        cast_optional_params,
    )  # fmt: skip
    attrs = made.attr_dict()

    def cast(params):
        low = {name for name in params if attrs.get(name, {}).get("__dtype__") not in (None, "0", "-1")}
        return {name: value.astype(target_dtype) if name in low else value for name, value in params.items()}

    return made, cast(arg_params), cast(aux_params)


def __getattr__(name):
    if name == "_amp_initialized":  # MXNet's own note, which GluonNLP's attention cells read
        return casting._everywhere is not None
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
