"""Mixed precision: `init`, `scale_loss`, `convert_hybrid_block` and the lists of operators."""

import contextlib
import copy
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


def _policy(target_dtype, low, conditional, full):
    known = operators.names()
    named = [*(low or ()), *(full or ()), *(one[0] for one in conditional or ())]
    for name in named:
        if name not in known:
            raise AssertionError(explain(f"There is no operator {name}", given=f"{name!r} in a list of operators"))
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


class _Converted(HybridBlock):
    """A block whose operators cast their inputs while it is called; its outputs are float32."""

    def __init__(self, block, policy):
        super().__init__(prefix="")
        self.block = block
        self._policy = policy

    def forward(self, x, *args):
        """The outputs of the block."""
        with casting.scoped(self._policy):
            outputs = self.block(x, *args)
        return casting.cast(outputs, casting.torch.float32)


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
    """A copy of a hybridized block for inference in mixed precision.

    block: hybridized, and called once; target_dtype: 'float16' or 'bfloat16'; target_dtype_ops, fp32_ops,
    conditional_fp32_ops: as `init`'s; ctx: where its parameters are to be. They stay float32.
    Raises AssertionError for another block or dtype, RuntimeError for one that was not called, Unsupported for
    excluded_sym_names and cast_optional_params.
    """
    if not isinstance(block, HybridBlock):
        raise AssertionError(explain("block input should be a HybridBlock", given=type(block).__name__))
    if excluded_sym_names or cast_optional_params:
        raise Unsupported(
            explain(
                "Operators are cast by their kind, and parameters stay float32",
                expected="no excluded_sym_names, cast_optional_params=False",
                given=f"excluded_sym_names={excluded_sym_names}, cast_optional_params={cast_optional_params}",
            )
        )
    if not block._active or any(one._data is None for one in block.collect_params().values()):
        raise RuntimeError(
            explain(
                "Please first call block.hybridize() and then run forward with this block at least once",
                given=repr(block.name),
            )
        )
    if target_dtype not in _TARGETS:
        raise AssertionError(
            explain("Only target_dtype float16 and bfloat16 are supported currently", given=repr(target_dtype))
        )
    policy = _policy(target_dtype, target_dtype_ops, conditional_fp32_ops, fp32_ops)
    made = _Converted(copy.deepcopy(block), policy)
    made.collect_params().reset_ctx(ctx)
    return made


def _no_symbols(name):
    return Unsupported(
        explain(
            f"amp.{name}() works on a Symbol's graph, which is not supported",
            hint="amp.init(), or amp.convert_hybrid_block(), cast what blocks compute.",
        )
    )


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
    """Raises Unsupported: graphs of symbols are not rewritten."""
    raise _no_symbols("convert_symbol")


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
    """Raises Unsupported: graphs of symbols are not rewritten."""
    raise _no_symbols("convert_model")
