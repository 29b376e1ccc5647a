"""Which arguments have row_sparse gradients: those that only operators read which touch some of their rows."""

from tandem.mxnet.symbol.nodes import Entry

__all__ = ["rows_in_gradients", "stype_of"]

_NUMBERS = {"0": "default", "1": "row_sparse", "2": "csr"}  # as files have them

# Operators of one array that leave zeros zeros, so that MXNet stores their result as it stores the array.
_KEEPING = {"_copy", "abs", "sign", "sqrt", "square", "_mul_scalar", "_div_scalar", "negative"}


def stype_of(node, stypes):
    """The storage of a variable: what a dict says by name, or else its attribute."""
    stype = stypes.get(node.name, node.attrs.get("__storage_type__", "default"))
    return _NUMBERS.get(stype, stype)


def rows_in_gradients(order, stypes):
    """The ids of variables whose gradient MXNet stores by rows.

    order: the nodes of a graph; stypes: name of a variable -> its storage, where its attribute does not say it.
    """
    by_rows, whole = set(), set()
    for node in order:
        for place, entry in enumerate(node.inputs):
            if entry.node.is_variable:
                (by_rows if _gives_rows(node, place, stypes) else whole).add(id(entry.node))
    return by_rows - whole


def _gives_rows(node, place, stypes):
    name, attributes = node.row.name, node.binding.attributes
    if name == "Embedding":
        return place == 1 and bool(attributes["sparse_grad"])
    if name == "_contrib_SparseEmbedding":
        return place == 1
    if name == "_square_sum":
        return True
    if name == "dot":
        turned = attributes["transpose_a"] or attributes["transpose_b"]
        return place == 1 and not turned and _is_csr(node.inputs[0], stypes)
    return False


def _is_csr(entry: Entry, stypes):
    node = entry.node
    if node.is_variable:
        return stype_of(node, stypes) == "csr"
    if node.row.name == "cast_storage":
        return node.binding.attributes["stype"] == "csr"
    return node.row.name in _KEEPING and _is_csr(node.inputs[0], stypes)
