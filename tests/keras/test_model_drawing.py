"""`model_to_dot`, `plot_model`: the same nodes and arrows as the real one draws."""

import re
import shutil

import numpy as np
import pytest

from oracles import real_keras
from tandem import keras

pydot = pytest.importorskip("pydot")


def functional(keras):
    layers = keras.layers
    a, b = keras.Input((8,), name="a"), keras.Input((8,), name="b")
    inner_x = keras.Input((8,), name="inner_x")
    inner = keras.Model(
        inner_x, [layers.Dense(4, name="left")(inner_x), layers.Dense(4, name="right")(inner_x)], name="in"
    )
    stack = keras.Sequential(
        [keras.Input((8,)), layers.Dense(8, "relu", name="s1"), layers.Dense(8, name="s2")], name="st"
    )
    left, right = inner(stack(a))
    shared = layers.Dense(8, name="shared")
    x = layers.Concatenate(name="cat")([left, right, shared(a), shared(b)])
    frozen = layers.Dense(2, activation="softmax", name="frozen", trainable=False)
    return keras.Model({"a": a, "b": b}, frozen(x) + 1.0, name="outer")


def sequential(keras):
    layers = keras.layers
    inner = keras.Sequential([layers.Dense(3, name="i1"), layers.Dense(3, name="i2")], name="inner")
    return keras.Sequential([keras.Input((5,)), layers.Dense(4, name="d"), inner, layers.Activation("tanh", name="t")])


def subclassed(keras):
    class Net(keras.Model):
        def call(self, x):
            return x

    net = Net(name="net")
    net(np.ones((1, 2)))
    return net


def described(dot):
    """(labels without markup, arrows between them, clusters with theirs), and how it is laid out."""
    labels = {}

    def collect(part):
        for node in part.get_nodes():
            if node.get_label():
                cells = re.sub(r"<[^>]*>", "|", node.get_label())
                labels[node.get_name().strip('"')] = tuple(
                    cell for cell in re.split(r"\|+", cells) if cell.strip(" <>")
                )
        for cluster in part.get_subgraphs():
            collect(cluster)

    collect(dot)

    def arrows(part):
        ends = ((edge.get_source().strip('"'), edge.get_destination().strip('"')) for edge in part.get_edges())
        found = sorted((labels[a], labels[b]) for a, b in ends)
        return found, {cluster.get_label(): arrows(cluster) for cluster in part.get_subgraphs()}

    return sorted(labels.values()), arrows(dot), dot.get("rankdir"), dot.get("dpi")


ALL = {"show_shapes": True, "show_dtype": True, "show_layer_activations": True, "show_trainable": True}


OPTIONS = [{}, ALL, {"show_layer_names": False}, {"rankdir": "LR", "dpi": 96}]


@pytest.mark.oracle
@pytest.mark.parametrize("make", [functional, sequential, subclassed])
def test_the_drawing_is_keras_s(make):
    def drawings(keras):
        keras.utils.clear_session()
        model = make(keras)
        return [
            described(keras.utils.model_to_dot(model, expand_nested=nested, **options))
            for options in OPTIONS
            for nested in (False, True)
        ]

    assert drawings(keras) == drawings(real_keras())


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # pydot's parser uses older names of pyparsing
def test_the_text_is_dot_s():
    dot = keras.utils.model_to_dot(functional(keras), **ALL)
    (again,) = pydot.graph_from_dot_data(dot.to_string())
    assert described(again)[0] == described(dot)[0]
    assert isinstance(keras.utils.model_to_dot(sequential(keras), subgraph=True), pydot.Cluster)


def test_files(tmp_path):
    path = tmp_path / "model.svg"
    if shutil.which("dot") is None:
        with pytest.raises(ImportError, match="You must install graphviz"):
            keras.utils.plot_model(functional(keras), path)
        return
    keras.utils.plot_model(functional(keras), path, show_shapes=True)
    assert "Concatenate" in path.read_text() and "frozen" not in path.read_text()


def test_errors():
    for function in (keras.utils.model_to_dot, keras.utils.plot_model):
        with pytest.raises(ValueError, match="has not yet been built"):
            function(keras.Sequential([keras.layers.Dense(1)]))
        with pytest.raises(ValueError, match="layer_range"):
            function(functional(keras), layer_range=["a", "b"])
        with pytest.raises(ValueError, match="Unrecognized"):
            function(functional(keras), show_shape=True)
