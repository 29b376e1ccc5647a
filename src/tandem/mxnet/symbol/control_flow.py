"""Loops and branches in symbols: nodes with graphs inside, which Python functions made once.

What a body uses from outside (variables, and results of nodes that were made before it) becomes an input of the node.
"""

import itertools

import torch

from tandem.core import graph
from tandem.core.errors import explain
from tandem.mxnet import attribute
from tandem.mxnet import name as names
from tandem.mxnet.base import MXNetError
from tandem.mxnet.operators import attributes as a
from tandem.mxnet.operators.table import OPERATORS, Operator
from tandem.mxnet.symbol import evaluate
from tandem.mxnet.symbol.nodes import SPECIAL, Entry, Node, auxiliary, visit
from tandem.mxnet.symbol.symbol import Symbol
from tandem.ops import shape as shapes_of_ops

_MARK = "__subgraph_name__"
_counters = {}


def _row(name, **attributes):
    return Operator(
        name, lambda *tensors, **given: None, ("data",), attributes, variadic="num_args", same_dtype=False, modal=True
    )


_COMMON = {"num_args": a.integer(0), "num_outputs": a.integer()}
ROWS = {
    "_foreach": _row(
        "_foreach", **_COMMON, num_out_data=a.integer(), in_data_locs=a.sizes(()), in_state_locs=a.sizes(()),
        remain_locs=a.sizes(()),
    ),
    "_while_loop": _row(
        "_while_loop", **_COMMON, num_out_data=a.integer(), max_iterations=a.integer(), cond_input_locs=a.sizes(()),
        func_input_locs=a.sizes(()), func_var_locs=a.sizes(()),
    ),
    "_cond": _row(
        "_cond", **_COMMON, cond_input_locs=a.sizes(()), then_input_locs=a.sizes(()), else_input_locs=a.sizes(()),
    ),
}  # fmt: skip


# --- building --------------------------------------------------------------------------------------------------------


def _leaves(tree, what):
    """The symbols of nested lists, and the function that makes such lists of as many others."""
    if isinstance(tree, Symbol):
        if len(tree) > 1:
            return list(tree), lambda items: list(itertools.islice(items, len(tree)))
        return [tree], next
    if isinstance(tree, (list, tuple)):
        parts = [_leaves(item, what) for item in tree]
        return [leaf for leaves, _ in parts for leaf in leaves], lambda items: [make(items) for _, make in parts]
    raise AssertionError(f"{what} must be (nested) list of Symbol, but got {tree!r} of type {type(tree)}")


def _unique(name):
    """A name that marks the nodes of one body."""
    outer = attribute.current().get(None).get(_MARK)
    name = name if outer is None else f"{outer}${name}"
    number = _counters.get(name, 0)
    _counters[name] = number + 1
    return f"{name}{number}"


def _inside(mark, like, suffix):
    """The variables that stand for some symbols in a body."""
    with attribute.AttrScope(**{_MARK: mark}):
        made = []
        for place, one in enumerate(like):
            attrs = dict(attribute.current().get(None))
            made.append(Symbol([Entry(Node(None, f"{one.name}-{suffix}{place}", attrs))]))
        return made


class _Body:
    """A graph that a function made, cut off from the graph outside.

    heads: its outputs; given: the symbols of its own variables, name -> outer symbol.
    """

    def __init__(self, mark, heads):
        copy = OPERATORS["_copy"]
        entries = []
        for head in heads:
            entry = head._entries[0]
            if entry.node.is_variable:  # outputs are no inputs
                entry = Entry(Node(copy, names.current().get(None, "identity"), {_MARK: mark}, [entry]))
            entries.append(entry)
        self.outer = {}  # id of a variable inside -> the entry outside that it stands for
        cut = {}

        def own(entry):
            node = entry.node
            if node.is_variable or node.attrs.get(_MARK, "").startswith(mark):
                return entry
            key = id(node), entry.index
            if key not in cut:
                inner = Node(None, node.output_names()[entry.index], {_MARK: mark})
                cut[key] = Entry(inner)
                self.outer[id(inner)] = entry
            return cut[key]

        entries = [own(entry) for entry in entries]
        pending, seen = [entry.node for entry in entries], set()
        while pending:
            node = pending.pop()
            if id(node) in seen:
                continue
            seen.add(id(node))
            node.inputs = [own(entry) for entry in node.inputs]
            pending.extend(entry.node for entry in node.inputs)
        self.symbol = Symbol(entries)
        self.variables = [node for node in visit(entries) if node.is_variable]

    def source(self, variable, given):
        """The entry outside that feeds a variable. given: id of a variable -> its symbol outside."""
        if id(variable) in given:
            return given[id(variable)]._entries[0]
        return self.outer.get(id(variable), Entry(variable, 0, variable.version))


def _node(kind, name, attrs, inputs, bodies):
    attrs = {**attribute.current().get(None), **{key: str(value) for key, value in attrs.items()}}
    attrs["num_args"] = str(len(inputs) + len(bodies))
    node = Node(ROWS[kind], names.current().get(None, kind), attrs, inputs, [body.symbol for body in bodies])
    node.update_versions()
    return node


def _locs(places):
    return "[" + ", ".join(map(str, places)) + "]"


def foreach(body, data, init_states, name="foreach"):
    """Call ``body(slice, states) -> (outputs, states)`` once, with symbols; the node runs it for each slice of `data`
    along its first axis.

    data, init_states: a symbol or (nested) lists of them. Answers (outputs, stacked along a new first axis; the last
    states), in the structures that the body gives.
    Raises AssertionError where one of them is no symbol.
    """
    flat_data, data_like = _leaves(data, "foreach input")
    flat_states, states_like = _leaves(init_states, "foreach states")
    mark = _unique(name)
    inner_data, inner_states = _inside(mark, flat_data, "data"), _inside(mark, flat_states, "state")
    with attribute.AttrScope(**{_MARK: mark}):
        outputs, states = body(data_like(iter(inner_data)), states_like(iter(inner_states)))
        flat_outputs, outputs_like = _leaves(outputs, "foreach output")
        flat_after, after_like = _leaves(states, "foreach states")
        if len(flat_after) != len(flat_states):
            raise AssertionError(
                explain("The number of states changes in foreach", expected=len(flat_states), given=len(flat_after))
            )
        made = _Body(mark, [*flat_outputs, *flat_after])
    places = {id(node): place for place, node in enumerate(made.variables)}
    inner = [one._entries[0].node for one in (*inner_data, *inner_states)]
    remain = [node for node in made.variables if not any(node is one for one in inner)]
    for what, ones in (("data", inner_data), ("state", inner_states)):
        if any(id(one._entries[0].node) not in places for one in ones):
            raise AssertionError(f"the {what} arrays have to be used in the loop body")
    inputs = [outer._entries[0] for outer in (*flat_data, *flat_states)]
    inputs += [made.source(node, {}) for node in remain]
    attrs = {
        "in_data_locs": _locs(places[id(one._entries[0].node)] for one in inner_data),
        "in_state_locs": _locs(places[id(one._entries[0].node)] for one in inner_states),
        "num_out_data": len(flat_outputs),
        "num_outputs": len(flat_outputs) + len(flat_after),
        "remain_locs": _locs(places[id(node)] for node in remain),
    }
    node = _node("_foreach", name, attrs, inputs, [made])
    results = [Symbol([Entry(node, place)]) for place in range(len(flat_outputs) + len(flat_after))]
    outputs, after = results[: len(flat_outputs)], results[len(flat_outputs) :]
    return outputs_like(iter(outputs)), after_like(iter(after))


def _with_unused(body, mark, variables):
    """The body with variables that it does not use among its inputs: an output that is dropped reads each."""
    copy = OPERATORS["_copy"]
    extra = [Entry(Node(copy, f"{node.name}_unused", {_MARK: mark}, [Entry(node)])) for node in variables]
    body.symbol = Symbol([*body.symbol._entries, *extra])
    body.variables = [node for node in visit(body.symbol._entries) if node.is_variable]
    return body


def _shared_inputs(bodies, given):
    """The inputs of a node with several bodies, each once, and their places for each body's variables."""
    inputs, places, locs = [], {}, []
    for body in bodies:
        row = []
        for variable in body.variables:
            entry = body.source(variable, given)
            key = id(entry.node), entry.index
            if key not in places:
                places[key] = len(inputs)
                inputs.append(entry)
            row.append(places[key])
        locs.append(row)
    return inputs, locs


def while_loop(cond, func, loop_vars, max_iterations=None, name="while_loop"):
    """Call ``func(*loop_vars) -> (outputs, loop_vars)`` once, with symbols; the node runs it as long as
    ``cond(*loop_vars)`` holds, and no more often than `max_iterations`.

    Answers (outputs, stacked along a new first axis of `max_iterations` rows; the last loop_vars).
    Raises ValueError without `max_iterations` or loop_vars, and where func changes their number.
    """
    if max_iterations is None:
        raise ValueError("max_iterations should be specified")
    single = isinstance(loop_vars, Symbol)
    flat, like = _leaves([loop_vars] if single else list(loop_vars), "while_loop loop_vars")
    if not flat:
        raise ValueError("loop_vars should contain at least one element")
    bodies, given = [], {}
    made = {}
    for part in ("cond", "func"):
        mark = _unique(f"{name}_{part}")
        inner = _inside(mark, flat, "var")
        given.update({id(one._entries[0].node): outer for one, outer in zip(inner, flat)})
        with attribute.AttrScope(**{_MARK: mark}):
            args = like(iter(inner))
            if part == "cond":
                bodies.append(_Body(mark, _leaves(cond(*args), "while_loop cond")[0]))
                continue
            outputs, after = func(*args)
            flat_outputs, outputs_like = _leaves([] if outputs is None else outputs, "while_loop output")
            flat_after, after_like = _leaves([after] if isinstance(after, Symbol) else after, "while_loop loop_vars")
            if len(flat_after) != len(flat):
                raise ValueError(
                    explain(
                        "The length of loop_vars should be consistent during the loop",
                        expected=len(flat),
                        given=len(flat_after),
                    )
                )
            body = _Body(mark, [*flat_outputs, *flat_after])
            unused = [one._entries[0].node for one in inner]
            unused = [node for node in unused if not any(node is other for other in body.variables)]
            bodies.append(_with_unused(body, mark, unused) if unused else body)
            made = {id(one._entries[0].node): place for place, one in enumerate(inner)}
    inputs, locs = _shared_inputs(bodies, given)
    order = sorted((made[id(node)], place) for place, node in enumerate(bodies[1].variables) if id(node) in made)
    attrs = {
        "cond_input_locs": _locs(locs[0]),
        "func_input_locs": _locs(locs[1]),
        "func_var_locs": _locs(place for _, place in order),
        "max_iterations": int(max_iterations),
        "num_out_data": len(flat_outputs),
        "num_outputs": len(flat_outputs) + len(flat_after),
    }
    node = _node("_while_loop", name, attrs, inputs, bodies)
    results = [Symbol([Entry(node, place)]) for place in range(len(flat_outputs) + len(flat_after))]
    outputs = outputs_like(iter(results[: len(flat_outputs)]))
    after = after_like(iter(results[len(flat_outputs) :]))
    return outputs, after[0] if single else after


def cond(pred, then_func, else_func, name="cond"):
    """The outputs of ``then_func()`` where pred holds, else of ``else_func()``; both are called once, with symbols.

    pred: a symbol of one number. Raises ValueError where the branches give different numbers of outputs, AssertionError
    where pred is no symbol.
    """
    bodies = []
    mark = _unique(f"{name}_pred")
    with attribute.AttrScope(**{_MARK: mark}):
        pred = pred() if callable(pred) and not isinstance(pred, Symbol) else pred
        if not isinstance(pred, Symbol):
            raise AssertionError(explain("pred must be a symbol", expected="a symbol of one number", given=repr(pred)))
        bodies.append(_Body(mark, [pred]))
    likes, counts = [], []
    for part, function in (("then", then_func), ("else", else_func)):
        mark = _unique(f"{name}_{part}")
        with attribute.AttrScope(**{_MARK: mark}):
            flat, like = _leaves(function(), f"cond {part} output")
            bodies.append(_Body(mark, flat))
        likes.append(like)
        counts.append(len(flat))
    if counts[0] != counts[1]:
        raise ValueError(
            explain("The two branches have different numbers of outputs", expected=counts[0], given=counts[1])
        )
    inputs, locs = _shared_inputs(bodies, {})
    attrs = {
        "cond_input_locs": _locs(locs[0]),
        "then_input_locs": _locs(locs[1]),
        "else_input_locs": _locs(locs[2]),
        "num_outputs": counts[0],
    }
    node = _node("_cond", name, attrs, inputs, bodies)
    return likes[0](iter([Symbol([Entry(node, place)]) for place in range(counts[0])]))


# --- running ---------------------------------------------------------------------------------------------------------


def _runner(symbol, training):
    """A function from the tensors of the variables of a graph inside, in their order, to its outputs."""
    order = visit(symbol._entries)

    def run(tensors):
        values, left = {}, iter(tensors)
        for node in order:
            if node.is_variable:
                values[id(node), 0] = next(left)
                continue
            results = evaluate.call(node, [values[id(entry.node), entry.index] for entry in node.inputs], training)
            for place, result in enumerate(results):
                values[id(node), place] = result
        return [values[id(entry.node), entry.index] for entry in symbol._entries]

    return run


class _ControlFlow:
    """What symbols ask of loops and branches."""

    reads_values = False

    def inputs(self, attributes, node=None):
        """Any number of inputs: None."""

    def output_names(self, node):
        """One name to each output."""
        count = node.binding.attributes["num_outputs"]
        return ["output"] if count == 1 else [f"output{place}" for place in range(count)]

    def mutated(self, node):
        """The places of inputs that a body writes."""
        found = set()
        for place, symbol in enumerate(node.subgraphs):
            written = auxiliary(visit(symbol._entries))
            for variable, outer in self._pairs(node, place):
                if id(variable) in written:
                    found.add(outer)
        return sorted(found)

    def _pairs(self, node, which):
        """(variable inside, place among the node's inputs) for one of the bodies."""
        variables = [one for one in visit(node.subgraphs[which]._entries) if one.is_variable]
        return list(zip(variables, self.places(node.binding.attributes, which)))

    def places(self, attributes, which):
        """The place among the node's inputs of each variable of a body."""
        raise NotImplementedError

    def infer(self, node, outputs, facts, dtypes, shapes):
        """Infer inside, and carry what is found between inside and outside."""
        from tandem.mxnet.symbol.inference import Facts

        for which, symbol in enumerate(node.subgraphs):
            inner = Facts(symbol._entries)
            pairs = self._pairs(node, which)
            for variable, place in pairs:
                entry = node.inputs[place]
                if shapes:
                    inner.tell_shape(Entry(variable), self.inwards(node, which, place, facts.shape(entry)))
                inner.tell_dtype(Entry(variable), facts.dtype(entry))
            inner.search(dtypes=dtypes, shapes=shapes)
            for variable, place in pairs:
                if shapes:
                    shape = self.outwards(node, which, place, inner.shape(Entry(variable)), facts)
                    facts.tell_shape(node.inputs[place], shape, node)
                if dtypes:
                    facts.tell_dtype(node.inputs[place], inner.dtype(Entry(variable)), node)
            for place, (output, head) in enumerate(zip(outputs, self.heads(node, which))):
                if shapes:
                    facts.tell_shape(output, self.result(node, place, inner.shape(head), facts), node)
                if dtypes:
                    facts.tell_dtype(output, inner.dtype(head), node)

    def inwards(self, node, which, place, shape):
        """The shape of a variable inside, from that of the input outside."""
        return shape

    def outwards(self, node, which, place, shape, facts):
        """The shape of an input outside, from that of the variable inside."""
        return shape

    def result(self, node, place, shape, facts):
        """The shape of an output outside, from that inside."""
        return shape

    def heads(self, node, which):
        """The entries inside of the node's outputs."""
        return node.subgraphs[which]._entries


class _ForEach(_ControlFlow):
    def places(self, attributes, which):
        data, states, rest = attributes["in_data_locs"], attributes["in_state_locs"], attributes["remain_locs"]
        found = {inner: outer for outer, inner in enumerate((*data, *states, *rest))}
        return [found[place] for place in sorted(found)]

    def inwards(self, node, which, place, shape):
        sliced = place < len(node.binding.attributes["in_data_locs"])
        return None if shape is None else (shape[1:] or (1,)) if sliced else shape

    def outwards(self, node, which, place, shape, facts):
        if place >= len(node.binding.attributes["in_data_locs"]) or shape is None:
            return shape
        before = facts.shape(node.inputs[place])
        return None if before is None or len(before) == 1 else (before[0], *shape)

    def result(self, node, place, shape, facts):
        if place >= node.binding.attributes["num_out_data"] or shape is None:
            return shape
        data = facts.shape(node.inputs[0])
        return (data[0] if data else None, *shape)

    def run(self, node, tensors, training):
        """All steps; where only shapes are wanted, one."""
        attributes = node.binding.attributes
        data, states = attributes["in_data_locs"], list(attributes["in_state_locs"])
        count, outputs = len(data), attributes["num_out_data"]
        places = self.places(attributes, 0)
        values, steps = list(tensors), tensors[0].shape[0]
        gathered, body = [], _runner(node.subgraphs[0], training)
        for step in range(steps):
            here = [tensor[step] for tensor in tensors[:count]]
            here = [tensor.reshape(1) if tensor.dim() == 0 else tensor for tensor in here]
            feed = [here[place] if place < count else values[place] for place in places]
            results = body(feed)
            gathered.append(results[:outputs])
            values[count : count + len(states)] = results[outputs : outputs + len(states)]
        stacked = [shapes_of_ops.stack(column, 0) for column in zip(*gathered)]
        return (*stacked, *values[count : count + len(states)])


class _WhileLoop(_ControlFlow):
    reads_values = True

    def places(self, attributes, which):
        return attributes["func_input_locs" if which else "cond_input_locs"]

    def heads(self, node, which):
        return node.subgraphs[1]._entries if which else ()

    def result(self, node, place, shape, facts):
        attributes = node.binding.attributes
        if place >= attributes["num_out_data"] or shape is None:
            return shape
        return (attributes["max_iterations"], *shape)

    def run(self, node, tensors, training):
        """Steps as long as the condition holds."""
        attributes = node.binding.attributes
        most, outputs = attributes["max_iterations"], attributes["num_out_data"]
        asked, taken = attributes["cond_input_locs"], attributes["func_input_locs"]
        condition, body = (_runner(symbol, training) for symbol in node.subgraphs)
        carried = [taken[place] for place in attributes["func_var_locs"]]
        values, gathered = list(tensors), []
        while len(gathered) < most:
            if graph.on_meta():
                if gathered:
                    break
            elif not bool(condition([values[place] for place in asked])[0]):
                break
            results = body([values[place] for place in taken])
            gathered.append(results[:outputs])
            for place, result in zip(carried, results[outputs : outputs + len(carried)]):
                values[place] = result
        if not gathered:  # what shape they would have
            results = body([values[place] for place in taken])
            stacked = [torch.zeros((most, *one.shape), dtype=one.dtype, device=one.device) for one in results[:outputs]]
        else:
            stacked = [self._padded(shapes_of_ops.stack(column, 0), most) for column in zip(*gathered)]
        return (*stacked, *[values[place] for place in carried])

    @staticmethod
    def _padded(stacked, most):
        missing = most - stacked.shape[0]
        if not missing:
            return stacked
        rest = torch.zeros((missing, *stacked.shape[1:]), dtype=stacked.dtype, device=stacked.device)
        return shapes_of_ops.concat((stacked, rest), 0)


class _Cond(_ControlFlow):
    reads_values = True

    def places(self, attributes, which):
        return attributes[("cond_input_locs", "then_input_locs", "else_input_locs")[which]]

    def heads(self, node, which):
        return node.subgraphs[which]._entries if which else ()

    def run(self, node, tensors, training):
        """One of the branches."""
        attributes = node.binding.attributes

        def branch(which):
            return _runner(node.subgraphs[which], training)([tensors[at] for at in self.places(attributes, which)])

        return tuple(branch(1 if graph.on_meta() or bool(branch(0)[0]) else 2))


SPECIAL.update(_foreach=_ForEach(), _while_loop=_WhileLoop(), _cond=_Cond())


def check(node):
    """Whether a node of a file has the graphs that it needs.

    Raises MXNetError where it has not.
    """
    wanted = {"_foreach": 1, "_while_loop": 2, "_cond": 3}[node.row.name]
    if len(node.subgraphs) != wanted:
        raise MXNetError(
            explain(f"{node.name} has another number of graphs inside", expected=wanted, given=len(node.subgraphs))
        )
    for which, symbol in enumerate(node.subgraphs):
        places = SPECIAL[node.row.name].places(node.binding.attributes, which)
        count = sum(one.is_variable for one in visit(symbol._entries))
        if len(places) != count or any(not 0 <= place < len(node.inputs) for place in places):
            raise MXNetError(
                explain(
                    f"The inputs of a graph inside {node.name} do not fit",
                    expected=f"{count} places below {len(node.inputs)}",
                    given=list(places),
                )
            )
