"""Symbols and executors against the real MXNet: structure, files, inference, errors, numbers, models across."""

import numpy as np
import pytest

from mxnet_parity import run_here, same_code, same_expressions
from oracles import mxnet as oracle

pytestmark = pytest.mark.oracle

_SETUP = """
import json
sym = mx.sym
a, b = sym.Variable('a'), sym.Variable('b')
def at(s):
    return [[n['op'], n['name'], n.get('attrs', {}), n['inputs']] for n in json.loads(s.tojson())['nodes']]
manager = mx.name.NameManager()
manager.__enter__()
fc = sym.FullyConnected(a, num_hidden=2, name='fc')
g = sym.Group([fc, a])
"""


def test_names_structure_and_files():
    same_expressions(
        """
        at(sym.FullyConnected(a, num_hidden=4, name='f'))
        at(sym.FullyConnected(a, None, None, 3, True))
        at(sym.BatchNorm(a, name='bn', fix_gamma=False))
        at(sym.LeakyReLU(a, act_type='prelu'))
        at(sym.RNN(a, mode='lstm', state_size=3, num_layers=1, lr_mult=3))
        at(sym.Convolution(a, kernel=(3, 3), num_filter=2, attr={'__lr_mult__': '2'}, ctx_group='d'))
        at(sym.Variable('x', lr_mult=2, __foo__=3, attr={'lr_mult': '3', 'q': '1'}))
        at(sym.Variable('x', shape=(2, 0), wd_mult=0.5, dtype='float16', stype='csr', init=mx.init.Zero()))
        at((a + 1) * 2 - b / 3 + 2 ** a - 1 / b)
        at(sym.Group([a == b, a != 1, a > b, a >= 2, a < b, a <= 3]))
        at(-a + abs(b) % 2)
        at(sym.Group([sym.maximum(a, 1), sym.maximum(1, b), sym.minimum(a, b), sym.pow(2, a), sym.hypot(a, 3)]))
        at(sym.zeros((2, 3)) + sym.ones(3, dtype='int32'))
        at(sym.arange(1, 5, 2, repeat=2)) + at(sym.full((2,), 3)) + at(sym.eye(3)) + at(sym.linspace(0, 1, 3))
        at(sym.histogram(a, bins=3, range=(0, 1))) + at(sym.split_v2(a, (1, 2), axis=1))
        at(sym.random.normal(0, 1, shape=(2,), ctx=mx.cpu())) + at(sym.random.uniform(a, b))
        at(sym.random.multinomial(a, 2)) + at(sym.random.randint(1, 4)) + at(sym.random.negative_binomial(1, .5))
        at(sym.concat(a, b, dim=1)) + at(sym.add_n(a, b, name='s')) + at(sym.stack(a, b, axis=1))
        at(sym.Cast(a, dtype=np.int32)) + at(a.astype(np.float16)) + at(sym.topk(a, k=3, ret_typ='both', dtype='int32'))
        at(a.sum(axis=1).reshape((2, 3)).flip(axis=0).slice_axis(0, 1, 2).broadcast_to((1, 2)))
        at(sym.linalg.gemm2(a, b)) + at(sym.image.to_tensor(a)) + at(sym.contrib.MultiBoxPrior(a, sizes=(.1, .2)))
        at(sym.Softmax(a)) + at(sym.LinearRegressionOutput(a)) + at(sym.Embedding(a, input_dim=3, output_dim=4))
        sym.split(a, num_outputs=3).list_outputs() + sym.topk(a, ret_typ='value').list_outputs()
        sym.BatchNorm(a, output_mean_var=True).list_outputs() + sym.Dropout(a).list_outputs()
        sym.BatchNorm(a, name='q').list_auxiliary_states() + sym.BatchNorm(a, name='q').list_inputs()
        fc.get_internals().list_outputs()
        [repr(s) for s in (fc, g, a, g[0], g[0:1], fc[:], fc.get_internals(), fc.get_children())]
        fc.get_internals()[1:3].list_outputs()
        [g.name, fc.name, len(g), [s.name for s in g], g.list_outputs(), sym.Group([g, fc]).list_outputs()]
        fc.attr_dict(), fc.list_attr(), g.attr('num_hidden'), fc.attr('num_hidden'), g.list_attr()
        fc(a=b, name='new').list_outputs(), fc(a=sym.exp(b, name='e')).list_arguments(), fc.list_arguments()
        a.get_children()
        fc.tojson()
        sym.Concat(*[sym.var('v%d' % i) for i in range(12)], name='c').tojson()
        sym.BatchNorm(sym.Pooling(a, kernel=(2, 2)), name='bn').debug_str()
        sym.load_json(g.tojson()).tojson()
        """,
        _SETUP,
    )


def test_many_operators_as_scripts_write_them():
    same_expressions(
        """
        sym.UpSampling(a, scale=2, sample_type='bilinear', num_filter=3, name='up').list_arguments()
        sym.UpSampling(a, b, scale=2, sample_type='nearest', num_args=2, name='up').list_arguments()
        at(sym.Crop(a, b, num_args=2, name='crop'))
        at(sym.Crop(*[a, b], name='crop'))
        at(sym.ElementWiseSum(a, b, c, name='s'))
        at(sym.SequenceMask(a, use_sequence_length=True, name='m'))
        at(sym.SequenceMask(a, name='m'))
        at(sym.SequenceLast(data=a, sequence_length=b, use_sequence_length=True, name='m'))
        at(sym.Deconvolution(a, kernel=(2,2), num_filter=3, name='d'))
        at(sym.CTCLoss(a, b, name='m'))
        at(sym.contrib.ctc_loss(a, b, name='m'))
        at(sym.SwapAxis(a, dim1=0, dim2=1))
        at(sym.broadcast_plus(a, b)), at(sym.broadcast_maximum(a, b))
        at(sym.SoftmaxActivation(a)), at(sym.softmax(a, axis=1)), at(sym.log_softmax(a))
        at(sym.L2Normalization(a)), at(sym.LRN(a, nsize=3)), at(sym.InstanceNorm(a, name='i'))
        at(sym.contrib.MultiBoxTarget(a, b, c)), at(sym.contrib.Proposal(a, b, c, name='p'))
        at(sym.IdentityAttachKLSparseReg(a, name='k'))
        at(sym.Embedding(a, b, input_dim=3, output_dim=2)), at(sym.sparse.dot(a, b)), at(sym.cast_storage(a, 'csr'))
        at(sym.Activation(data=a, act_type='relu', name='r')), at(sym.Dropout(data=a, p=0.5, mode='always'))
        at(sym.SliceChannel(a, num_outputs=2, axis=1, squeeze_axis=True, name='s')[1])
        at(sym.contrib.DeformableConvolution(a, b, kernel=(3,3), num_filter=4, name='d'))
        at(sym.BatchNorm(data=a, gamma=b, fix_gamma=True, eps=2e-5, momentum=0.9, use_global_stats=False, name='bn'))
        sym.UpSampling(a, scale=2, sample_type='bilinear', num_filter=3, num_args=1, name='up').infer_shape(a=(1,3,4,4))
        at(sym.ROIPooling(a, b, pooled_size=(2,2), spatial_scale=0.1))
        at(sym.SpatialTransformer(a, b, target_shape=(2,2), transform_type='affine', sampler_type='bilinear'))
        at(sym.SVMOutput(a, name='k'))
        at(sym.MakeLoss(a))
        at(sym.make_loss(a))
        at(sym.BlockGrad(a))
        at(sym.stop_gradient(a))
        at(sym.where(a, b, c))
        at(sym.take(a, b))
        at(sym.batch_take(a, b))
        at(sym.one_hot(a, depth=3))
        at(sym.pick(a, b))
        at(sym.transpose(a, axes=(1, 0)))
        at(sym.expand_dims(a, axis=1))
        at(sym.squeeze(a))
        at(sym.tile(a, reps=(2,)))
        at(sym.repeat(a, repeats=2))
        at(sym.Pad(a, mode='constant', pad_width=(0,0,0,0,1,1,1,1)))
        at(sym.slice(a, begin=(0, None), end=(1, None)))
        at(sym.slice_like(a, b))
        at(sym.concat(a, b, dim=0, name='x'))
        at(sym.Concat(a, b, dim=0))
        at(sym.dot(a, b, transpose_a=True))
        at(sym.batch_dot(a, b))
        at(sym.random_uniform(0, 1, shape=(2,)))
        at(sym.uniform(0, 1, shape=(2,)))
        at(sym.normal(shape=(2,)))
        at(sym.sample_uniform(a, b, shape=2))
        at(sym.FullyConnected(data=a, weight=b, num_hidden=3, no_bias=True))
        at(sym.FullyConnected(a, b, num_hidden=3, name='q'))
        at(sym.Flatten(data=a))
        at(sym.flatten(a))
        at(sym.Reshape(data=a, shape=(0, -1)))
        at(sym.reshape(a, shape=(0, -1), reverse=1))
        at(sym.contrib.SyncBatchNorm(a, key='k', name='d'))
        at(sym.GroupNorm(a, num_groups=2, name='d'))
        at(sym.LayerNorm(a, name='d'))
        at(sym.Correlation(a, b))
        at(sym.GridGenerator(a, transform_type='affine', target_shape=(2, 2)))
        at(sym.BilinearSampler(a, b))
        at(sym.norm(a, ord=2, axis=1))
        at(sym.argmax(a, axis=1))
        at(sym.sort(a))
        at(sym.argsort(a))
        at(sym.clip(a, a_min=0, a_max=1))
        at(sym.smooth_l1(a, scalar=1.0))
        at(sym.softmax_cross_entropy(a, b))
        at(sym.LogisticRegressionOutput(a, b))
        at(sym.khatri_rao(a, b))
        at(sym.shape_array(a))
        at(sym.identity(a))
        at(sym.zeros_like(a))
        at(sym.ones_like(a))
        at(sym.arange(0, 5, infer_range=True))
        at(sym.contrib.arange_like(a, axis=1))
        at(sym.amp_cast(a, dtype='float16'))
        sym.amp_cast(a, dtype='float16').tojson()
        sym.exp(sym.amp_cast(a, dtype='float16')).tojson(remove_amp_cast=False)
        (a + b).list_outputs()
        sym.maximum(a, b).list_outputs()
        sym.equal(a, b).list_outputs() if hasattr(sym, 'equal') else 0
        sym.Pooling(a, kernel=(2,2), stride=(2,2), pool_type='max').infer_shape(a=(1,1,5,5))
        sym.Pooling(a, global_pool=True, kernel=(7,7), pool_type='avg').infer_shape(a=(1,3,5,5))
        sym.Reshape(a, shape=(-4, 2, -1, -2)).infer_shape(a=(4, 3))
        sym.Flatten(a).infer_shape(a=(2,3,4))
        sym.dot(a, b).infer_shape_partial(a=(2, 3))
        sym.broadcast_add(a, b).infer_shape(a=(2,1), b=(1,3))
        sym.where(a, b, c).infer_shape(a=(2,3), b=(2,3))
        sym.take(a, b).infer_shape(a=(5,2), b=(3,))
        sym.SVMOutput(a, name='s').infer_shape(a=(3, 4))
        sym.MakeLoss(a).infer_shape(a=(3, 4))
        sym.LogisticRegressionOutput(a, name='s').infer_shape(a=(3, 4))
        sym.add_n(a, b, c).infer_shape(b=(3, 4))
        sym.elemwise_mul(a, b).infer_shape(b=(3, 4))
        sym.Concat(a, b).infer_shape(a=(2,3), b=(2, 5))
        (sym.broadcast_add(a, b) + c).infer_shape(c=(2,3)), (sym.exp(a) + c).infer_shape(c=(2,3))
        sym.SequenceMask(a, b, use_sequence_length=True).infer_shape(a=(3, 2, 4), b=(2,))
        """,
        _SETUP + "c = sym.Variable('c')",
    )


def test_scopes_name_and_mark_nodes():
    same_code(
        """
        import json
        sym = mx.sym
        a = sym.Variable('a')
        with mx.name.NameManager(), mx.AttrScope(ctx_group='dev1', __data__='x'):
            with mx.name.Prefix('p_'), mx.AttrScope(ctx_group='dev2'):
                one = sym.FullyConnected(a + 1, num_hidden=2)
                two = sym.FullyConnected(one, num_hidden=2, name='q')
            v = sym.Variable('v')
        found = two.tojson(), v.tojson()
        """,
        ["found"],
    )


def test_errors():
    same_expressions(
        """
        sym.FullyConnected(a, num_hidden='x')
        sym.FullyConnected(a)
        sym.FullyConnected(a, num_hidden=3, foo=3)
        sym.FullyConnected(3, num_hidden=3)
        sym.FullyConnected(g, num_hidden=2)
        sym.Concat(g)
        sym.Concat()
        sym.Concat(a, 3)
        g['x']
        g[5]
        g[-1]
        g['fc_output'].name
        bool(a)
        a.asnumpy()
        a.copy()
        a.__iadd__(1)
        a + 'x'
        a == None
        sym.maximum(a, 'x')
        hash(a)
        sym.Variable(3)
        sym.Variable('x', foo=3)
        sym.Variable('x', attr={'a': 1})
        sym.Group([])
        sym.Group([1])
        fc(b)
        fc(x=b)
        fc(1)
        fc(a=g)
        g._set_attr(x='1')
        fc._set_attr(a=1)
        fc.list_attr(recursive=True)
        fc.gradient(['a'])
        sym.BatchNorm(a, moving_mean=a * 2)
        sym.load_json('x')
        sym.load_json(3)
        sym.load_json('{"nodes":[{"op":"foo","name":"x","inputs":[]}],"arg_nodes":[],"heads":[[0,0,0]]}')
        sym.load('/nowhere/x.json')
        sym.Custom(a, op_type='nobody')
        sym.random.uniform(a, 1)
        """,
        _SETUP,
    )


def test_inference():
    same_expressions(
        """
        (a + b).infer_shape(a=(2, 3))
        (a + b).infer_shape()
        (a + b).infer_shape(a=(2, 0))
        (a + b).infer_shape_partial(a=(2, 0))
        (a + b).infer_shape(a=3)
        (a + b).infer_shape(q=(3,))
        (a + b).infer_shape(a=(2, 3), b=(3, 3))
        fc.infer_shape(a=(5, 3, 2))
        fc.infer_shape_partial()
        fc.infer_shape_partial(a=(0, 4))
        fc.infer_shape(a=(0, 4))
        fc.infer_shape(a=(2, 3), fc_weight=(1, 1))
        (sym.zeros((0, 3)) + a).infer_shape(a=(2, 3))
        sym.zeros((0, 3)).infer_shape()
        (sym.FullyConnected(sym.zeros((0, 5)), num_hidden=2, name='h') + fc).infer_shape(a=(7, 3))
        sym.Convolution(a, kernel=(3, 3), num_filter=4, num_group=2, name='c').infer_shape(a=(1, 6, 9, 9))
        sym.Deconvolution(a, kernel=(3, 3), num_filter=4, name='c').infer_shape(a=(1, 6, 9, 9))
        sym.BatchNorm(a, name='c').infer_shape(a=(2, 3, 4))
        sym.LayerNorm(a, name='c').infer_shape(a=(2, 3, 4))
        sym.Embedding(a, input_dim=7, output_dim=5, name='c').infer_shape(a=(2, 3))
        sym.SoftmaxOutput(a, name='c').infer_shape(a=(2, 3))
        sym.SoftmaxOutput(a, multi_output=True, name='c').infer_shape(a=(2, 3, 4, 5))
        sym.LinearRegressionOutput(a, name='c').infer_shape(a=(2, 1))
        sym.LinearRegressionOutput(a, name='c').infer_shape(a=(2, 4))
        sym.RNN(a, mode='lstm', state_size=3, num_layers=2, name='c').infer_shape(a=(5, 2, 4))
        sym.LeakyReLU(a, act_type='prelu', name='c').infer_shape(a=(5, 2, 4))
        sym.Reshape(a, shape=(-1, 6)).infer_shape(a=(4, 3))
        sym.dot(a, b).infer_shape(a=(4, 3), b=(3, 2))
        sym.Variable('x', shape=(3, 4)).infer_shape()
        (a + b).infer_type(a=np.float16)
        (a + b).infer_type()
        (a + b).infer_type(a='int32', b='float32')
        (a + b).infer_type_partial(a='int32')
        fc.infer_type(a='float64')
        sym.Cast(a, dtype='int32').infer_type(a='float16')
        sym.BatchNorm(a, name='c').infer_type(a='float16')
        sym.Embedding(a, input_dim=7, output_dim=5, dtype='float16', name='c').infer_type(a='int32')
        sym.Variable('x', dtype='float64').infer_type()
        sym.Variable('x', dtype='float64').infer_type(x='float16')
        (sym.zeros((2,), dtype='int32') + a).infer_type()
        sym.argmax(a, axis=1).infer_type(a='float64')
        """,
        _SETUP,
    )


_TRAIN = """
sym = mx.sym
data = sym.Variable('data')
net = sym.Convolution(data, kernel=(3, 3), num_filter=4, name='c')
net = sym.Activation(sym.BatchNorm(net, name='bn', fix_gamma=False), act_type='relu')
net = sym.FullyConnected(sym.Pooling(net, kernel=(2, 2), stride=(2, 2)), num_hidden=3, name='fc')
net = sym.SoftmaxOutput(net, name='softmax')
ex = net.simple_bind(mx.cpu(), data=(4, 2, 8, 8), grad_req={name: 'add' if name == 'fc_bias' else 'write'
                     for name in net.list_arguments() if name not in ('data', 'softmax_label')})
rng = np.random.RandomState(0)
for name, array in ex.arg_dict.items():
    array[:] = rng.randn(*array.shape)
ex.aux_dict['bn_moving_var'][:] = 1
for step in range(5):
    ex.forward(is_train=True, data=rng.randn(4, 2, 8, 8), softmax_label=rng.randint(0, 3, (4,)).astype('float32'))
    ex.backward()
    for name, grad in ex.grad_dict.items():
        if grad is not None:
            ex.arg_dict[name][:] = ex.arg_dict[name] - 0.1 * grad
weights = {name: array.asnumpy() for name, array in ex.arg_dict.items()}
grads = {name: None if grad is None else grad.asnumpy() for name, grad in ex.grad_dict.items()}
aux = {name: array.asnumpy() for name, array in ex.aux_dict.items()}
output = ex.forward()[0].asnumpy()
"""


def test_training_steps_give_the_same_numbers():
    same_code(_TRAIN, ["weights", "grads", "aux", "output"], rtol=1e-4, atol=1e-5)


def test_executors():
    setup = (
        _SETUP
        + """
c = a * b
one = {'a': nd.array([1, 2]), 'b': nd.array([3, 4])}
grads = {'a': nd.array([5, 5]), 'b': nd.array([5, 5])}
ex = c.bind(mx.cpu(), one, grads, grad_req={'a': 'write', 'b': 'add'})
def back(*heads, **kwargs):
    ex.forward(True)
    ex.backward(*heads, **kwargs)
    return ex.grad_arrays
loss = sym.Group([sym.MakeLoss(a * a), sym.BlockGrad(b)]).simple_bind(mx.cpu(), a=(2,), b=(2,))
loss.arg_dict['a'][:] = 3
softmax = sym.SoftmaxOutput(a, b)
behind = sym.reshape(softmax, shape=(1, 2, 3)).simple_bind(mx.cpu(), a=(2, 3))
behind.arg_dict['b'][:] = [0, 2]
added = (sym.BlockGrad(a) + sym.MakeLoss(a)).simple_bind(mx.cpu(), a=(2,))
mixed = (a + sym.MakeLoss(a)).simple_bind(mx.cpu(), a=(2,))
fixed = sym.MakeLoss(sym.BatchNorm(a, name='bn')).simple_bind(mx.cpu(), a=(3, 2))
fixed.arg_dict['a'][:] = nd.arange(6).reshape((3, 2))
fixed.arg_dict['bn_gamma'][:] = 3
"""
    )
    same_expressions(
        """
        back(nd.ones((2,)))
        back([nd.ones((2,)) * 2])
        back({list(ex.output_dict)[0]: nd.ones((2,)) * 2})
        back()
        back([1])
        back(nd.ones((3,)))
        (loss.forward(True), loss.backward(), loss.grad_dict)
        ex.forward(a=nd.ones((3,)))
        ex.forward(zz=1)
        ex.forward(zz=nd.ones((2,)))
        ex.forward(False, a=nd.ones((2,)), b=np.ones((2,)) * 3)
        (ex.forward(), ex.output_dict)
        ex.copy_params_from({'a': nd.ones((2,)), 'q': nd.ones((2,))})
        (ex.copy_params_from({'a': nd.ones((2,)) * 7, 'q': nd.ones((2,))}, allow_extra_params=True), ex.arg_dict)
        ex.reshape(a=(4,), b=(4,))
        ex.reshape(a=(1,), b=(1,)).arg_dict
        ex.reshape(a=(1, 1), b=(1, 1), partial_shaping=True).arg_dict
        c.bind(mx.cpu(), {'a': nd.ones((2,))})
        c.bind(mx.cpu(), [nd.ones((2,))])
        c.bind(mx.cpu(), {'a': nd.ones((2,)), 'b': nd.ones((3,))})
        c.bind(3, one)
        c.bind(mx.cpu(), [nd.ones((2,))] * 2, args_grad=[nd.ones((2,))] * 2, grad_req='add').grad_dict
        c.simple_bind(mx.cpu())
        c.simple_bind(mx.cpu(), grad_req='null', a=(2, 3)).grad_dict
        c.simple_bind(mx.cpu(), grad_req=['write', 'null'], a=(2, 3)).grad_dict
        c.simple_bind(mx.cpu(), grad_req='foo', a=(2, 3))
        c.simple_bind(mx.cpu(), grad_req=['write'], a=(2, 3))
        c.bind(mx.cpu(), [nd.ones((2,))] * 2, grad_req='foo')
        (sym.Variable('a', shape=(2, 3), dtype='float16') * 2).simple_bind(mx.cpu(), a=(4, 3)).outputs[0].shape
        (sym.Variable('a', shape=(2, 3)) * 2).bind(mx.cpu(), [nd.ones((4,))]).forward()
        (behind.forward(True), behind.backward(), behind.grad_dict)
        (added.forward(True), added.backward(), added.grad_dict)
        (mixed.forward(True), mixed.backward())
        (fixed.forward(True), fixed.backward(), fixed.grad_dict, fixed.arg_dict)
        (fixed.forward(), fixed.arg_dict)
        c.simple_bind(mx.cpu(), type_dict={'a': 'float64'}, a=(2, 3)).arg_dict
        c.simple_bind(mx.cpu(), type_dict={'a': 'int32', 'b': 'float32'}, a=(2, 3))
        c.eval(a=nd.ones((2,)), b=nd.ones((2,)))
        """,
        setup,
    )


def test_loops():
    same_code(
        """
        o, s = mx.sym.contrib.foreach(lambda x, s: (x + s, s * x), mx.sym.var('a') * 2, mx.sym.var('q'))
        ex = mx.sym.Group([o, s]).simple_bind(mx.cpu(), a=(4, 3), q=(3,))
        rng = np.random.RandomState(0)
        for name in sorted(ex.arg_dict):
            ex.arg_dict[name][:] = rng.rand(*ex.arg_dict[name].shape)
        for step in range(3):
            ex.forward(is_train=True)
            ex.backward([nd.ones(one.shape) for one in ex.outputs])
        found = ex.outputs, ex.grad_dict
        """,
        ["found"],
    )


_NET = """
from mxnet.gluon import nn
net = nn.HybridSequential()
net.add(nn.Conv2D(4, 3, activation='relu'), nn.BatchNorm(), nn.MaxPool2D(), nn.Flatten(), nn.Dropout(0.5), nn.Dense(3))
net.initialize()
net.hybridize()
x = nd.array(np.random.RandomState(0).randn(2, 2, 8, 8))
y = net(x).asnumpy()
net.export(path, epoch=1)
"""
_READ = """
net = mx.gluon.SymbolBlock.imports(path + '-symbol.json', ['data'], path + '-0001.params')
x = nd.array(np.random.RandomState(0).randn(2, 2, 8, 8))
y = net(x).asnumpy()
"""


def test_exported_blocks_run_in_the_other(tmp_path):
    ours, theirs = str(tmp_path / "ours"), str(tmp_path / "theirs")
    code = _NET.replace("from mxnet.gluon import nn", "nn = mx.gluon.nn")
    expected = run_here(code, path=ours)["y"]
    np.testing.assert_allclose(oracle.run(_READ, ["y"], path=ours)["y"], expected, rtol=1e-5, atol=1e-6)
    expected = oracle.run(code, ["y"], path=theirs)["y"]
    np.testing.assert_allclose(run_here(_READ, path=theirs)["y"], expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", ["resnet18_v1", "resnet18_v2", "squeezenet1.1", "mobilenetv2_0.25", "densenet121"])
def test_models_have_the_same_graph(name):
    same_code(
        """
        import json
        with mx.name.NameManager():
            net = mx.gluon.model_zoo.vision.get_model(name, classes=10)
            out = net(mx.sym.var('data'))
        graph = [[n['op'], n['name'], n['inputs']] for n in json.loads(out.tojson())['nodes']]
        shapes = out.infer_shape(data=(1, 3, 224, 224))
        """,
        ["graph", "shapes"],
        name=name,
    )


_RECURRENT = """
class Net(mx.gluon.HybridBlock):
    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        with self.name_scope():
            self.words = mx.gluon.nn.Embedding(10, 4)
            self.first = mx.gluon.rnn.LSTM(3, num_layers=2, bidirectional=True, layout='NTC')
            self.second = mx.gluon.rnn.GRU(3, layout='NTC')

    def hybrid_forward(self, F, x):
        return self.second(self.first(self.words(x))), F.sum(x, axis=1)

x = nd.array(np.arange(10).reshape(2, 5))
net = Net()
net.initialize()
net.hybridize()
y = net(x)[0].asnumpy()
net.export(path)
"""
_READ_RECURRENT = """
net = mx.gluon.SymbolBlock.imports(path + '-symbol.json', ['data'], path + '-0000.params')
y = net(nd.array(np.arange(10).reshape(2, 5)))[0].asnumpy()
"""


def test_exported_recurrent_layers_run_in_the_other(tmp_path):
    ours, theirs = str(tmp_path / "ours"), str(tmp_path / "theirs")
    expected = run_here(_RECURRENT, path=ours)["y"]
    np.testing.assert_allclose(oracle.run(_READ_RECURRENT, ["y"], path=ours)["y"], expected, rtol=1e-5, atol=1e-6)
    expected = oracle.run(_RECURRENT, ["y"], path=theirs)["y"]
    np.testing.assert_allclose(run_here(_READ_RECURRENT, path=theirs)["y"], expected, rtol=1e-5, atol=1e-6)


def test_cells_unroll_over_symbols():
    same_code(
        """
        cell = mx.gluon.rnn.HybridSequentialRNNCell(prefix='s_')
        with cell.name_scope():
            cell.add(mx.gluon.rnn.LSTMCell(3))
            cell.add(mx.gluon.rnn.GRUCell(4))
        outputs, states = cell.unroll(3, mx.sym.var('x'), merge_outputs=True)
        found = outputs.list_arguments(), outputs.infer_shape(x=(2, 3, 5)), len(states)
        """,
        ["found"],
    )


def test_summaries_print_the_same():
    same_code(
        """
        import contextlib, io
        sym = mx.sym
        net = sym.Convolution(sym.var('data'), kernel=(3, 3), num_filter=8, name='c')
        net = sym.Pooling(sym.BatchNorm(net, name='bn') + net, kernel=(2, 2), name='p')
        net = sym.FullyConnected(sym.Flatten(net, name='f'), num_hidden=10, name='fc')
        net = sym.SoftmaxOutput(net, name='softmax')
        half = sym.split(sym.var('data'), num_outputs=2, name='s')[1]
        with contextlib.redirect_stdout(io.StringIO()) as text:
            mx.viz.print_summary(net, shape={'data': (1, 3, 28, 28)})
            for layer, shape in (
                (sym.LeakyReLU(sym.var('data'), act_type='prelu', name='p'), (2, 3, 8, 8)),
                (sym.FullyConnected(sym.var('data'), num_hidden=5, name='fc'), (2, 3, 8, 8)),
                (sym.FullyConnected(sym.var('data'), num_hidden=5, flatten=False, no_bias=True, name='fc'), (2, 3, 8)),
                (sym.FullyConnected(half, num_hidden=5, name='fc'), (2, 4)),
                (sym.Deconvolution(sym.var('data'), kernel=(3, 3), num_filter=6, name='d'), (2, 3, 8, 8)),
                (sym.Convolution(sym.var('data'), kernel=(3,), num_filter=6, num_group=3, name='c'), (2, 3, 8)),
                (sym.Embedding(sym.var('data'), input_dim=10, output_dim=4, name='e'), (2, 3)),
                (sym.LayerNorm(sym.var('data'), name='n'), (2, 3)),
            ):
                mx.viz.print_summary(layer, shape={'data': shape})
                mx.viz.print_summary(layer)
        text = [line.rstrip() for line in text.getvalue().splitlines() if '_plus' not in line]
        """,
        ["text"],
    )
