"""The switches to NumPy's semantics, scopes of attributes, and what the package lists."""

import importlib
import threading

import pytest

import tandem.mxnet as mx
from tandem.mxnet import nd, npx, util


@pytest.fixture(autouse=True)
def classic():
    yield
    npx.reset_np()


def test_scalars_have_no_dimensions_with_np_shape():
    x = nd.array([1, 2])
    assert x.sum().shape == (1,)
    with util.np_shape():
        assert x[0].shape == ()
        # MXNet's older operators know no arrays without dimensions, whatever the switch says.
        for whole in (x.sum(), x.max(), x.argmax(), x.norm(), nd.dot(x, x), x[:1].squeeze(), nd.moments(x, (0,))[0]):
            assert whole.shape == (1,)
    assert x[0].shape == (1,)


def test_the_switches_belong_to_a_thread():
    npx.set_np()
    seen = []
    thread = threading.Thread(target=lambda: seen.append((util.is_np_shape(), util.is_np_array())))
    thread.start()
    thread.join()
    assert seen == [(False, False)]
    assert util.is_np_array()
    with pytest.raises(ValueError, match="NumPy shapes"):
        npx.set_np(shape=False)
    with pytest.raises(ValueError, match="NumPy shapes"):
        util.set_np_shape(False)
    with pytest.raises(ValueError, match="NumPy shapes"), util.np_shape(False):
        pass
    assert util.is_np_shape()


def test_decorators_switch_functions_and_classes():
    @util.use_np
    def look():
        return util.is_np_shape(), util.is_np_array()

    @util.use_np
    class Looker:
        def look(self):
            return util.is_np_array()

        @property
        def seen(self):
            return util.is_np_shape()

    assert look() == (True, True)
    assert Looker().look()
    assert Looker().seen
    assert not util.is_np_array()


def test_use_np_reaches_methods_of_every_kind_and_those_inherited():
    @util.use_np
    class Net(mx.gluon.HybridBlock):
        @staticmethod
        def static(value):
            return value, util.is_np_array()

        @classmethod
        def of_class(cls):
            return cls.__name__, util.is_np_array()

    net = Net()
    assert net.static(1) == (1, True)
    assert Net.of_class() == ("Net", True)
    net.params.get("weight", shape=(2,))
    net.initialize()
    assert type(net.params.get("weight").data()) is mx.np.ndarray
    assert util.is_np_array() is False


def test_options_of_ufuncs_are_taken_where_they_say_what_holds_anyway():
    unary = util.wrap_np_unary_func(lambda x, out=None: (x, out))
    binary = util.wrap_np_binary_func(lambda a, b, out=None: (a, b, out))
    assert unary(1, where=True, casting="same_kind", order="K", subok=True) == (1, None)
    assert binary(1, 2, out=3, dtype=None) == (1, 2, 3)
    for options in ({"where": False}, {"dtype": "float64"}, {"order": "C"}):
        with pytest.raises(NotImplementedError, match="not implemented yet"):
            unary(1, **options)
    for options in ({"dtype": "nonsense"}, {"nonsense": 1}):
        with pytest.raises(TypeError):
            binary(1, 2, **options)


def test_both_kinds_of_arrays_share_memory():
    x = nd.ones((2, 2))
    y = x.as_np_ndarray()
    y[y > 0] = 3
    assert x.asnumpy().tolist() == [[3, 3], [3, 3]]
    y.attach_grad()
    with mx.autograd.record():
        z = (y * y).sum()
    z.backward()
    assert isinstance(y.grad, mx.np.ndarray)
    assert repr(y.grad) == "array([[6., 6.],\n       [6., 6.]])"


def test_functions_that_are_not_there_say_so():
    with pytest.raises(AttributeError, match="nosuch"):
        mx.np.nosuch  # noqa: B018


def test_attribute_scopes_nest():
    with mx.AttrScope(a="1", b="2"), mx.AttrScope(b="3"):
        assert mx.attribute.current().get({"c": "4"}) == {"a": "1", "b": "3", "c": "4"}
    assert mx.attribute.current().get(None) == {}
    with pytest.raises(ValueError, match="string"):
        mx.AttrScope(a=1)


def test_importing_is_quick_and_loads_little():
    import subprocess
    import sys

    code = (
        "import sys, torch; before = set(sys.modules); import tandem.mxnet as mx; mx.nd.ones(2);"
        "print([m for m in ('pandas', 'PIL', 'h5py', 'matplotlib', 'scipy', 'rich') if m in set(sys.modules) - before])"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.strip() == "[]"
    assert importlib.import_module("tandem.mxnet.libinfo").__version__ == "1.9.1"
