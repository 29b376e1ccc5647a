"""`contrib.amp`: mixed precision: matrix products in 16 bits, what needs accuracy in 32, and a scaled loss.

`amp.init()` before the network is made, `amp.init_trainer(trainer)`, and around the backward pass
`with amp.scale_loss(loss, trainer) as scaled:`.
"""

from tandem.mxnet.contrib.amp import amp, loss_scaler
from tandem.mxnet.contrib.amp.amp import (
    convert_hybrid_block,
    convert_model,
    convert_symbol,
    init,
    init_trainer,
    list_conditional_fp32_ops,
    list_fp32_ops,
    list_loss_output_functions,
    list_lp16_fp32_ops,
    list_lp16_ops,
    list_lp16_use_fp32_params,
    list_widest_type_cast,
    scale_loss,
    unscale,
)

__all__ = [
    "amp",
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
    "loss_scaler",
    "scale_loss",
    "unscale",
]
