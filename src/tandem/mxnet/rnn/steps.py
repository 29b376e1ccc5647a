"""One step of a gated recurrence as nodes of a graph, from what the input and the state contribute.

The nodes, their names and the order in which they are made are those of MXNet, so that automatic names agree.
"""

from tandem.mxnet import symbol
from tandem.mxnet.symbol import _internal


def lstm(of_input, of_state, memory, name, activate, axis=None):
    """c' = f∘c + i∘act(g), h' = o∘act(c'): (h', c').

    of_input, of_state: (batch, 4 units, ...) with gates i, f, g, o along the axis (None: 1); memory: c; name: what the
    nodes' names begin with; activate(symbol, **name): the activation.
    """
    slice_axis = {} if axis is None else {"axis": axis}
    gates = symbol.SliceChannel(of_input + of_state, num_outputs=4, name=f"{name}slice", **slice_axis)
    admit = symbol.Activation(gates[0], act_type="sigmoid", name=f"{name}i")
    forget = symbol.Activation(gates[1], act_type="sigmoid", name=f"{name}f")
    new = activate(gates[2], name=f"{name}c")
    show = symbol.Activation(gates[3], act_type="sigmoid", name=f"{name}o")
    after = _internal._plus(forget * memory, admit * new, name=f"{name}state")
    return _internal._mul(show, activate(after), name=f"{name}out"), after


def gru(of_input, of_state, before, name, activate, axis=None):
    """h' = (1 - z)∘n + z∘h, n = act(W·x + b + r∘(U·h + c)).

    of_input, of_state: (batch, 3 units, ...) with gates r, z, n along the axis (None: 1); before: h.
    """
    slice_axis = {} if axis is None else {"axis": axis}
    i2h = symbol.SliceChannel(of_input, num_outputs=3, name=f"{name}_i2h_slice", **slice_axis)
    h2h = symbol.SliceChannel(of_state, num_outputs=3, name=f"{name}_h2h_slice", **slice_axis)
    reset = symbol.Activation(i2h[0] + h2h[0], act_type="sigmoid", name=f"{name}_r_act")
    keep = symbol.Activation(i2h[1] + h2h[1], act_type="sigmoid", name=f"{name}_z_act")
    new = activate(i2h[2] + reset * h2h[2], name=f"{name}_h_act")
    return _internal._plus((1.0 - keep) * new, keep * before, name=f"{name}out")
