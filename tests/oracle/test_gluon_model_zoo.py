"""The models of `gluon.model_zoo` against the real MXNet: names, structure, parameter files, outputs, gradients."""

import numpy as np
import pytest

from mxnet_parity import assert_same, plain, run_here
from oracles import mxnet as oracle

pytestmark = pytest.mark.oracle

# The prefix, class and place of each block, and each parameter's name, shape, initializer and use.
_STRUCTURE = """
vision = mx.gluon.model_zoo.vision
found = {}

def walk(block, place=""):
    yield [place, type(block).__name__, block.prefix]
    for key, child in block._children.items():
        yield from walk(child, place + "." + key)

def described(init):
    return init.dumps() if hasattr(init, "dumps") else init

for name in names:
    with mx.name.NameManager():
        net = vision.get_model(name)
    parameters = [
        [key, list(one.shape), described(one.init), one.grad_req] for key, one in net.collect_params().items()
    ]
    found[name] = [list(walk(net)), parameters, list(net._collect_params_with_prefix()), repr(net)]
"""

_NAMES = [
    *("alexnet", "inceptionv3", "squeezenet1.0", "squeezenet1.1"),
    *(f"densenet{number}" for number in (121, 161, 169, 201)),
    *(f"{kind}{size}" for kind in ("mobilenet", "mobilenetv2_") for size in ("1.0", "0.75", "0.5", "0.25")),
    *(f"resnet{number}_v{version}" for version in (1, 2) for number in (18, 34, 50, 101, 152)),
    *(f"vgg{number}{suffix}" for suffix in ("", "_bn") for number in (11, 13, 16, 19)),
]


def test_names_shapes_and_structure_of_all_models():
    there = oracle.run(_STRUCTURE, ["found"], names=_NAMES)["found"]
    here = run_here(_STRUCTURE, names=_NAMES)["found"]
    for name in _NAMES:
        for what, mine, theirs in zip(("blocks", "parameters", "files", "text"), here[name], there[name]):
            assert mine == theirs, f"{name}: {what}"


# Moving statistics are random too; scales keep the numbers of deep nets within bounds.
_WRITE = """
vision = mx.gluon.model_zoo.vision
mx.random.seed(3); np.random.seed(3)
net = eval(model)
net.initialize(mx.init.Xavier(magnitude=2), force_reinit=True)
x = nd.array(np.random.RandomState(0).uniform(-1, 1, shape))
net(x)
for name, one in net.collect_params().items():
    if name.endswith(("gamma", "var")):
        one.set_data(nd.random.uniform(0.5, 1.5, one.shape))
    elif name.endswith(("beta", "mean", "bias")):
        one.set_data(nd.random.uniform(-0.2, 0.2, one.shape))
net.save_parameters(path)
"""

_READ = """
vision = mx.gluon.model_zoo.vision
net = eval(model)
net.load_parameters(path)
x = nd.array(np.random.RandomState(0).uniform(-1, 1, shape))
"""

_OUTPUTS = """
first = net(x)
net.hybridize()
outputs = [first, net(x), net(x)]
"""

_GRADIENTS = """
head = nd.array(np.random.RandomState(1).uniform(-1, 1, (shape[0], 10)))
for _ in range(rounds):
    with mx.autograd.record():
        loss = (net(x) * head).sum()
    loss.backward()
gradients = {name: one.grad() for name, one in net._collect_params_with_prefix().items() if one.grad_req != "null"}
moved = {name: one.data() for name, one in net._collect_params_with_prefix().items() if "running" in name}
"""


def _same_outputs(model, shape, path):
    there = oracle.run(_WRITE + _OUTPUTS, ["outputs"], model=model, shape=shape, path=path, timeout=300)["outputs"]
    here = run_here(_READ + _OUTPUTS, model=model, shape=shape, path=path)["outputs"]
    scale = np.abs(there[0]).max()
    assert_same(plain(here), there, model, rtol=1e-3, atol=1e-4 * scale)
    assert there[0].std() > 0


# One of each family, small; the pictures are as small as the family takes them.
_SMALL = {
    "vision.AlexNet(classes=10)": (2, 3, 67, 67),
    "vision.VGG([1, 2], [4, 8], classes=10)": (2, 3, 12, 12),
    "vision.VGG([1, 2], [4, 8], classes=10, batch_norm=True)": (2, 3, 12, 12),
    "vision.resnet18_v1(classes=10)": (2, 3, 64, 64),
    "vision.resnet18_v2(classes=10, thumbnail=True)": (2, 3, 16, 16),
    "vision.ResNetV1(vision.BottleneckV1, [1, 2, 1], [8, 16, 32, 64], 10, True)": (2, 3, 16, 16),
    "vision.ResNetV2(vision.BottleneckV2, [1, 2, 1], [8, 16, 32, 64], 10)": (2, 3, 64, 64),
    "vision.squeezenet1_1(classes=10)": (1, 3, 224, 224),
    "vision.DenseNet(8, 4, [1, 2, 2, 1], classes=10)": (1, 3, 224, 224),
    "vision.mobilenet0_25(classes=10)": (2, 3, 64, 64),
    "vision.mobilenet_v2_0_25(classes=10)": (2, 3, 64, 64),
}


@pytest.mark.parametrize("model", _SMALL)
def test_outputs_with_parameters_that_the_real_one_wrote(model, tmp_path):
    _same_outputs(model, _SMALL[model], str(tmp_path / "net.params"))


@pytest.mark.parametrize("hybrid", [False, True])
@pytest.mark.parametrize(
    ("model", "side"),
    [
        ("vision.ResNetV1(vision.BasicBlockV1, [1, 1], [8, 8, 16], 10, True)", 32),
        ("vision.ResNetV2(vision.BottleneckV2, [1, 2], [8, 16, 32], 10, True)", 32),
        ("vision.DenseNet(8, 4, [1, 2], classes=10)", 56),
    ],
)
def test_gradients_of_a_step(model, side, hybrid, tmp_path):
    path = str(tmp_path / "net.params")
    given = {"model": model, "shape": (4, 3, side, side), "path": path, "rounds": 2}
    code = ("net.hybridize()\n" if hybrid else "") + _GRADIENTS
    there = oracle.run(_WRITE + code, ["loss", "gradients", "moved"], **given)
    here = run_here(_READ + code, **given)
    assert_same(plain(here["loss"]), there["loss"], rtol=1e-3, atol=1e-3)
    for what in ("gradients", "moved"):
        assert list(here[what]) == list(there[what])
        largest = max(np.abs(theirs).max() for theirs in there[what].values())
        for name, theirs in there[what].items():
            if what == "moved" and name.startswith("features.0."):
                # MXNet moves them on the way back, on which it does not come to a first layer that learns nothing.
                continue
            mine = here[what][name].asnumpy()
            np.testing.assert_allclose(mine, theirs, rtol=2e-3, atol=1e-4 * largest, err_msg=name)


@pytest.mark.slow
@pytest.mark.parametrize("name", _NAMES)
def test_outputs_of_all_models(name, tmp_path):
    side = 299 if name.startswith("inception") else 224
    _same_outputs(f"vision.get_model({name!r})", (1, 3, side, side), str(tmp_path / "net.params"))


_ERRORS = """
import warnings
warnings.simplefilter("ignore")
vision, store = mx.gluon.model_zoo.vision, mx.gluon.model_zoo.model_store
calls = [
    lambda: vision.get_model("resnet18_v3"), lambda: vision.get_model("ResNet18_V1").name[:6],
    lambda: vision.get_resnet(3, 18), lambda: vision.get_resnet(1, 20), lambda: vision.get_vgg(12),
    lambda: vision.VGG([1, 1], [2]), lambda: vision.SqueezeNet("2.0"), lambda: vision.densenet121(foo=1),
    lambda: vision.ResNetV1(vision.BasicBlockV1, [1], [1]), lambda: store.short_hash("x"),
    lambda: store.short_hash("vgg16_bn"), lambda: vision.get_mobilenet_v2(0.3, pretrained=True),
    lambda: vision.resnet18_v1(prefix="my_").conv, lambda: vision.densenet.get_densenet(7),
    lambda: store._model_sha1, lambda: vision.resnet.resnet_spec, lambda: vision.vgg.vgg_spec,
    lambda: vision.densenet.densenet_spec,
]
outcomes = []
for call in calls:
    try:
        outcomes.append(call())
    except Exception as error:
        outcomes.append(type(error).__name__)
"""


def test_errors_and_tables():
    there = oracle.run(_ERRORS, ["outcomes"])["outcomes"]
    here = run_here(_ERRORS)["outcomes"]
    # Tuples and the order of keys are the wire's matter.
    assert repr(plain(here)) == repr(there)
