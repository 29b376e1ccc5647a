"""Machine code for the gradient of `ops.rnn_fused`'s recurrence.

A step has two parts: what arrives at the new state becomes the gradients of the gates, one vector of units after the
other; and their product with the weights is what arrives at the state before. The gradients of the state and of the
cell that are under way lie where in the end those of the first step do.
"""

from tandem.engine.native import recurrence
from tandem.ops import rnn_fused


class Backward(recurrence.Kernel):
    """``tandem::recurrence_backward``."""

    def __init__(self, arguments, outputs, threads):
        tensors, options = arguments[:8], arguments[8:]
        self.gates, self.states, self.extra, self.w_rec, self.mask, self.d_outputs, self.d_state, self.d_cell = tensors
        self.d, self.flow, self.cell_flow = outputs
        super().__init__([*tensors, *outputs], options, self.gates, self.states.size[2], threads)
        self.blocks, self.d_blocks = self.width // self.units, rnn_fused.BLOCKS[self.kind]
        self.reset = self.room(self.state_size) if self.kind == "gru" else None
        run = {"rnn": self._rnn, "lstm": self._lstm, "gru": self._gru, "gru_reset_after": self._gru_reset_after}
        self._products(*self.weight_strides(self.w_rec))
        self.finish(lambda code, low, high: self._rows(code, low, high, run[self.kind]))

    def _products(self, by_unit, by_column):
        """Write the products of a step, from the gates' gradients to the state's."""
        units, left = self.units, self.d_blocks * self.units
        weight = self.w_rec, 0, by_column, by_unit
        if self.kind == "gru":
            last = self.w_rec, 2 * units * by_column, by_column, by_unit
            self.of_last = self.product("last", units, units, left, units, last, add=False)
            self.of_gates = self.product("gates", units, 2 * units, left, units, weight, add=True)
            return
        # What goes on to the state before beside the product is in `flow` already.
        carries = self.mask is not None or self.kind == "gru_reset_after"
        self.of_gates = self.product("gates", units, self.width, left, units, weight, add=carries)

    def _rows(self, code, low, high, run):
        pairs = [(self.d_state, self.flow)] + ([(self.d_cell, self.cell_flow)] if self.kind == "lstm" else [])
        for given, flow in pairs:
            source, strides = (None, None) if given is None else (self.memory(code, given), given.stride)
            self.copy(code, low, high, source, strides, self.memory(code, flow))

        def step(t, index):
            gates = self.memory(code, self.gates, (t, self.batch * self.width))
            d = self.memory(code, self.d, (t, self.batch * self.d_blocks * self.units))
            flow = self.memory(code, self.flow)

            def over(body):
                def one(row, unit, width):
                    shut = self.shut(code, self.mask, t, row)
                    body(recurrence.Vector(self, code, t, row, unit, width), shut)

                self.over_units(code, low, high, one)

            def multiply(product, gate, target):
                product(code, code.at(d, gate * self.units), target, low, high)

            run(code, t, gates, d, flow, over, multiply)

        self.over_steps(code, not self.reverse, step)

    def _arriving(self, code, at, flow):
        """The gradient of the new state."""
        grad = at.load(flow)
        if self.d_outputs is None:
            return grad
        by_step, by_row, _ = self.d_outputs.stride
        more = self.memory(code, self.d_outputs, (at.t, by_step), (at.row, by_row), (at.unit, 1))
        return code.add(grad, code.load(more, at.width))

    def _carry(self, code, at, grad, flow, shut):
        """Let a masked step hand on what arrived."""
        if shut is not None:
            at.store(code.select(shut, grad, code.number(0)), flow)

    # -- the cells ----------------------------------------------------------------------------------------------------

    def _rnn(self, code, t, gates, d, flow, over, multiply):
        _, after = self.states_at(code, self.states, t)

        def first(at, shut):
            grad = self._arriving(code, at, flow)
            d_h = code.slope(self.activation, grad, at.load(after))
            at.store(d_h if shut is None else code.select(shut, code.number(0), d_h), d)
            self._carry(code, at, grad, flow, shut)

        over(first)
        multiply(self.of_gates, 0, flow)

    def _lstm(self, code, t, gates, d, flow, over, multiply):
        before, after = self.states_at(code, self.extra, t)
        cell_flow = self.memory(code, self.cell_flow)

        def first(at, shut):
            grad = self._arriving(code, at, flow)
            i, f, g, o = (at.load(gates, gate, 4) for gate in range(4))
            y = code.activate(self.activation, at.load(after))
            cell = code.add(at.load(cell_flow), code.slope(self.activation, code.mul(grad, o), y))
            at.store(code.slope(self.gate, code.mul(cell, g), i), d, 0, 4)
            at.store(code.slope(self.gate, code.mul(cell, at.load(before)), f), d, 1, 4)
            at.store(code.slope(self.activation, code.mul(cell, i), g), d, 2, 4)
            at.store(code.slope(self.gate, code.mul(grad, y), o), d, 3, 4)
            at.store(code.mul(cell, f), cell_flow)
            self._carry(code, at, grad, flow, shut)

        over(first)
        multiply(self.of_gates, 0, flow)

    def _to_gates(self, code, at, gates, flow, h):
        """(gradient of z, of n) of a GRU; what goes past the candidate is left in `flow`."""
        grad = self._arriving(code, at, flow)
        z, n = at.load(gates, self.z, 3), at.load(gates, 2, 3)
        at.store(code.mul(grad, z), flow)
        d_z = code.slope(self.gate, code.mul(grad, code.sub(h, n)), z)
        return d_z, code.slope(self.activation, code.mul(grad, code.one_minus(z)), n)

    def _gru(self, code, t, gates, d, flow, over, multiply):
        before, _ = self.states_at(code, self.states, t)
        reset = self.spare(code, self.reset)

        def first(at, _):
            d_z, d_n = self._to_gates(code, at, gates, flow, at.load(before))
            at.store(d_z, d, self.z, 3)
            at.store(d_n, d, 2, 3)

        def second(at, _):
            r, grad = at.load(gates, self.r, 3), at.load(reset)
            at.store(code.slope(self.gate, code.mul(grad, at.load(before)), r), d, self.r, 3)
            at.store(code.fma(grad, r, at.load(flow)), flow)

        over(first)
        multiply(self.of_last, 2, reset)
        over(second)
        multiply(self.of_gates, 0, flow)

    def _gru_reset_after(self, code, t, gates, d, flow, over, multiply):
        before, _ = self.states_at(code, self.states, t)
        recurrent = self.memory(code, self.extra, (t, self.state_size))

        def first(at, _):
            d_z, d_n = self._to_gates(code, at, gates, flow, at.load(before))
            r = at.load(gates, self.r, 3)
            d_r = code.slope(self.gate, code.mul(d_n, at.load(recurrent)), r)
            for block, value in ((0, d_n), (1 + self.z, d_z), (1 + self.r, d_r), (3, code.mul(d_n, r))):
                at.store(value, d, block, 4)

        over(first)
        multiply(self.of_gates, 1, flow)


def backward(call, arguments, threads):
    """The kernel of a recorded ``tandem::recurrence_backward``, or None."""
    gates, states, extra, _, mask, d_outputs = arguments[:6]
    options = arguments[8:]
    if not recurrence.fits(gates, mask, options) or not recurrence.can(options[0], states.size[2]):
        return None
    if not (recurrence.dense(states) and recurrence.dense(extra)):
        return None
    if d_outputs is not None and d_outputs.size[2] > 1 and d_outputs.stride[2] != 1:
        return None
    return Backward(arguments, call.outputs, threads)
