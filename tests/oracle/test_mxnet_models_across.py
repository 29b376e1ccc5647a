"""Models that the real MXNet wrote run here, in blocks and in modules, and those written here run there."""

import numpy as np
import pytest

import tandem.mxnet as mx
from mxnet_parity import run_here
from oracles import mxnet as oracle

pytestmark = pytest.mark.oracle

# One of each family of the zoo, the smallest; with the side of its images.
FAMILIES = {
    "alexnet": 224,
    "densenet121": 224,
    "inceptionv3": 299,
    "mobilenet0.25": 32,
    "mobilenetv2_0.25": 32,
    "resnet18_v1": 32,
    "resnet18_v2": 32,
    "squeezenet1.1": 224,
    "vgg11": 32,
    "vgg11_bn": 32,
}
FAST = ("mobilenetv2_0.25", "resnet18_v1", "vgg11_bn")
_ZOO = """
net = mx.gluon.model_zoo.vision.get_model(name, classes=5)
net.initialize(mx.init.MSRAPrelu())
net.hybridize()
y = net(nd.array(x)).asnumpy()
net.export(path, epoch=2)
"""
# How a model's files are used: as a block, and as a module, from a checkpoint's prefix.
_BLOCK = """
net = mx.gluon.SymbolBlock.imports(path + '-symbol.json', ['data'], path + '-0002.params')
y = net(nd.array(x))
y = [one.asnumpy() for one in (y if isinstance(y, list) else [y])]
"""
_MODULE = """
module = mx.mod.Module.load(path, 2, label_names=None)
module.bind(data_shapes=[('data', x.shape)], for_training=False)
module.forward(mx.io.DataBatch([nd.array(x)]), is_train=False)
y = [one.asnumpy() for one in module.get_outputs()]
"""


def runs(path, x, wanted, where, codes=(_BLOCK, _MODULE)):
    """Assert that files give the wanted outputs; where: `here` or `there`."""
    scale = max(abs(one).max() for one in wanted)
    assert scale > 0
    for code in codes:
        found = where(code, path=path, x=x)["y"]
        assert len(found) == len(wanted)
        for one, other in zip(found, wanted):
            np.testing.assert_allclose(one / scale, other / scale, rtol=1e-4, atol=1e-5)


def there(code, **inputs):
    return oracle.run(code, ["y"], **inputs)


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[] if name in FAST else pytest.mark.slow) for name in FAMILIES]
)
def test_models_of_the_zoo(name, tmp_path):
    x = np.random.default_rng(0).uniform(0, 1, (2, 3, FAMILIES[name], FAMILIES[name])).astype("float32")
    path = str(tmp_path / "theirs")
    wanted = oracle.run(_ZOO, ["y"], name=name, path=path, x=x)["y"]
    runs(path, x, [wanted], run_here)
    path = str(tmp_path / "ours")
    wanted = run_here(_ZOO, name=name, path=path, x=x)["y"]
    runs(path, x, [wanted], there)


_FILL = """
rng = np.random.RandomState(3)
args, states, given = {}, {}, y.infer_shape(data=x.shape)
for name, shape in zip(y.list_arguments(), given[0]):
    if name != 'data' and not name.endswith('label'):
        args[name] = nd.array(rng.uniform(-0.5, 0.5, shape))
for name, shape in zip(y.list_auxiliary_states(), given[2]):
    states[name] = nd.array(rng.uniform(0.5, 1, shape))
mx.model.save_checkpoint(path, 2, y, args, states)
labels = {name: nd.zeros(shape) for name, shape in zip(y.list_arguments(), given[0]) if name.endswith('label')}
bound = y.bind(mx.cpu(), dict(args, data=nd.array(x), **labels), aux_states=states, grad_req='null')
y = [one.asnumpy() for one in bound.forward(is_train=False)]
"""

# A detector: features at two scales, each with class scores, offsets and anchors.
_DETECTOR = """
def scale(features, name):
    scores = mx.sym.Convolution(features, kernel=(3, 3), pad=(1, 1), num_filter=4 * 3, name=name + '_cls')
    scores = mx.sym.Flatten(mx.sym.transpose(scores, axes=(0, 2, 3, 1)))
    offsets = mx.sym.Convolution(features, kernel=(3, 3), pad=(1, 1), num_filter=4 * 4, name=name + '_loc')
    offsets = mx.sym.Flatten(mx.sym.transpose(offsets, axes=(0, 2, 3, 1)))
    anchors = mx.sym.contrib.MultiBoxPrior(features, sizes=(0.2, 0.4), ratios=(1, 2, 0.5), clip=True)
    return scores, offsets, mx.sym.Flatten(anchors)

data = mx.sym.Variable('data')
first = mx.sym.Convolution(data, kernel=(3, 3), stride=(2, 2), num_filter=6, name='c1')
first = mx.sym.Activation(first, act_type='relu')
first = mx.sym.L2Normalization(first, mode='channel')
second = mx.sym.Pooling(first, kernel=(2, 2), stride=(2, 2), pooling_convention='full', pool_type='max')
parts = list(zip(scale(first, 'first'), scale(second, 'second')))
scores = mx.sym.Reshape(mx.sym.Concat(*parts[0], dim=1), shape=(0, -1, 3))
scores = mx.sym.SoftmaxActivation(mx.sym.transpose(scores, axes=(0, 2, 1)), mode='channel')
offsets = mx.sym.Concat(*parts[1], dim=1)
anchors = mx.sym.Reshape(mx.sym.Concat(*parts[2], dim=1), shape=(0, -1, 4))
y = mx.sym.contrib.MultiBoxDetection(scores, offsets, anchors, nms_threshold=0.5, nms_topk=40, name='detection')
"""
# Layers of LSTM as the fused operator, with one vector of weights, under a loss head.
_FUSED = """
data = mx.sym.Variable('data')
cell = mx.rnn.FusedRNNCell(4, num_layers=2, mode='lstm', bidirectional=True, prefix='lstm_')
outputs, _ = cell.unroll(x.shape[1], data, layout='NTC', merge_outputs=True)
y = mx.sym.FullyConnected(mx.sym.Reshape(outputs, shape=(-1, 8)), num_hidden=3, name='pred')
y = mx.sym.SoftmaxOutput(y, name='softmax')
"""
# As face recognition has them: pixels scaled inside, PReLU, an embedding called fc1 under a margin head.
_FACES = """
data = (mx.sym.identity(mx.sym.Variable('data'), name='id') - 127.5) * 0.0078125
z = mx.sym.Convolution(data, num_filter=6, kernel=(3, 3), pad=(1, 1), no_bias=True, name='conv0')
z = mx.sym.BatchNorm(z, fix_gamma=False, eps=2e-5, momentum=0.9, name='bn0')
z = mx.sym.LeakyReLU(z, act_type='prelu', name='relu0')
z = mx.sym.BatchNorm(mx.sym.Dropout(z, p=0.4), fix_gamma=True, eps=2e-5, name='bn1')
z = mx.sym.FullyConnected(z, num_hidden=8, name='pre_fc1')
fc1 = mx.sym.BatchNorm(z, fix_gamma=True, eps=2e-5, name='fc1')
weight = mx.sym.L2Normalization(mx.sym.Variable('fc7_weight', shape=(5, 8), lr_mult=1.0), mode='instance')
fc7 = mx.sym.FullyConnected(mx.sym.L2Normalization(fc1, mode='instance', name='fc1n') * 64, weight, no_bias=True,
                            num_hidden=5, name='fc7')
y = mx.sym.SoftmaxOutput(fc7, name='softmax', normalization='valid')
"""
GRAPHS = {
    "detector": (_DETECTOR, (2, 3, 16, 16), 1),
    "fused": (_FUSED, (2, 5, 3), 1),
    "faces": (_FACES, (2, 3, 6, 6), 255),
}


@pytest.mark.parametrize("name", GRAPHS)
def test_symbols_of_scripts(name, tmp_path):
    code, shape, most = GRAPHS[name]
    x = np.random.default_rng(1).uniform(0, most, shape).astype("float32")
    label = "label_names=['softmax_label']" if "SoftmaxOutput" in code else "label_names=None"
    module = _MODULE.replace("label_names=None", label)
    for path, write, read in (
        (str(tmp_path / "theirs"), there, run_here),
        (str(tmp_path / "ours"), run_here, there),
    ):
        wanted = write(code + _FILL, path=path, x=x)["y"]
        runs(path, x, wanted, read, [module])


def test_an_embedding_is_taken_out_of_a_model(tmp_path):
    path = str(tmp_path / "faces")
    code, shape, most = GRAPHS["faces"]
    x = np.random.default_rng(1).uniform(0, most, shape).astype("float32")
    there(code + _FILL, path=path, x=x)
    cut = """
        sym, args, states = mx.model.load_checkpoint(path, 2)
        internals = sym.get_internals()
        outputs = internals.list_outputs()
        module = mx.mod.Module(internals['fc1_output'], label_names=None)
        module.bind(data_shapes=[('data', x.shape)], for_training=False)
        module.set_params(args, states, allow_extra=True)
        module.forward(mx.io.DataBatch([nd.array(x)]), is_train=False)
        y = module.get_outputs()[0].asnumpy()
    """
    theirs = oracle.run(cut, ["y", "outputs"], path=path, x=x)
    ours = run_here(cut, path=path, x=x)
    assert ours["outputs"] == theirs["outputs"]
    np.testing.assert_allclose(ours["y"], theirs["y"], rtol=1e-4, atol=1e-5)


_QUANTIZED = """
from mxnet.contrib import quantization
import logging
data = mx.sym.var('data')
y = mx.sym.Convolution(data, kernel=(3, 3), num_filter=8, name='conv')
y = mx.sym.Pooling(mx.sym.Activation(y, act_type='relu'), kernel=(2, 2), stride=(2, 2), pool_type='max')
y = mx.sym.FullyConnected(mx.sym.Flatten(y), num_hidden=5, name='fc')
rng = np.random.RandomState(0)
args = {name: nd.array(rng.uniform(-1, 1, shape))
        for name, shape in zip(y.list_arguments(), y.infer_shape(data=x.shape)[0]) if name != 'data'}
y, args, states = quantization.quantize_model(
    sym=y, arg_params=args, aux_params={}, ctx=mx.cpu(), calib_mode='naive', num_calib_examples=x.shape[0],
    calib_data=mx.io.NDArrayIter(data=x, batch_size=x.shape[0]), quantized_dtype='auto', logger=logging)
mx.model.save_checkpoint(path, 2, y, args, states)
y = [y.bind(mx.cpu(), dict(args, data=nd.array(x)), grad_req='null').forward()[0].asnumpy()]
"""


def test_quantized_models(tmp_path):
    path = str(tmp_path / "quantized")
    x = np.random.default_rng(0).uniform(0, 1, (4, 3, 8, 8)).astype("float32")
    wanted = there(_QUANTIZED, path=path, x=x)["y"]
    runs(path, x, wanted, run_here, [_BLOCK])
    sym, args, states = mx.model.load_checkpoint(path, 2)
    pytest.importorskip("onnx", reason="pip install tandem[onnx] brings it")
    with pytest.raises(mx.MXNetError, match=r"_contrib_quantize_v2 .node 'data_quantize'. cannot be written as ONNX"):
        mx.onnx.export_model(sym, [args, states], [x.shape], onnx_file_path=str(tmp_path / "no.onnx"))
