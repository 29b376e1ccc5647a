"""Functions of `mx.nd` as scripts call them, against the real MXNet: values, dtypes, shapes, types of exceptions."""

import pytest

from mxnet_parity import same_expressions

pytestmark = pytest.mark.oracle

SETUP = """
a = nd.array(np.arange(24).reshape(2, 3, 4))
v = nd.array([1.0, 2, 3])
i = nd.array([0, 2], dtype="int32")
xi = nd.array([[1, 2], [3, 4]], dtype="int32")
x1 = nd.array(np.arange(14).reshape(1, 2, 7))
x2 = nd.array(np.arange(98).reshape(1, 2, 7, 7))
"""

EXPRESSIONS = """
nd.slice(a,begin=(0,1),end=(1,None)).shape
nd.slice(a,(None,2),(None,0),(1,-1)).shape
nd.slice(a,begin=(0,),end=(5,))
nd.slice(a,(-1,),(2,)).shape
nd.split_v2(nd.arange(6),4)
nd.split_v2(a,2,axis=-1)[1].shape
mx.gluon.loss.L2Loss()(nd.ones((2,3)),nd.ones((3,3)))
mx.gluon.loss.L2Loss()(nd.ones((2,3)),nd.ones((6,)))
nd.slice_axis(a,axis=1,begin=0,end=None).shape
nd.slice_axis(a,axis=-1,begin=-3,end=-1).shape
nd.slice_axis(a,axis=1,begin=2,end=9)
nd.slice_axis(a,axis=1,begin=2,end=1)
nd.slice_like(a,nd.zeros((1,2,3))).shape
nd.slice_like(a,nd.zeros((1,2,3)),axes=(0,-1)).shape
nd.slice_like(a,nd.zeros((3,2,3)))
nd.transpose(a,(0,2,1)).shape
nd.transpose(a,axes=()).shape
nd.transpose(a,(0,1))
nd.swapaxes(a,0,2).shape
nd.swapaxes(a).shape
nd.swapaxes(a,0,-1).shape
nd.flatten(v).shape
nd.flatten(a).shape
nd.expand_dims(a,axis=-1).shape
nd.expand_dims(a,axis=5)
nd.squeeze(nd.ones((1,2,1))).shape
nd.squeeze(nd.ones((1,2,1)),axis=0).shape
nd.squeeze(nd.ones((1,2,1)),axis=1)
nd.squeeze(nd.ones((1,1))).shape
nd.concat(a,a,dim=1).shape
nd.concat(a,a,dim=-1).shape
nd.concat(a,a).shape
nd.concat(a,v)
nd.concat(a,a,dim=7)
nd.concat(v,v,dim=0)
nd.concat(*[v])
nd.concat(v,i,dim=0)
nd.stack(v,v).shape
nd.stack(v,v,axis=1).shape
nd.stack(v,v,axis=-1).shape
nd.split(a,num_outputs=3,axis=1)[0].shape
nd.split(a,3)[0].shape
nd.split(a,num_outputs=3,axis=1,squeeze_axis=True)[0].shape
nd.split(a,num_outputs=5,axis=1)
nd.split(a,num_outputs=1,axis=1).shape
nd.split_v2(a,2,axis=2)[0].shape
nd.split_v2(a,(1,3),axis=2)[1].shape
nd.split_v2(a,(1,),axis=1,squeeze_axis=True)
nd.tile(v,(2,)).shape
nd.tile(v,reps=(2,2)).shape
nd.tile(a,reps=(2,)).shape
nd.tile(v,2)
nd.pad(nd.ones((1,1,2,3)),mode='constant',pad_width=(0,0,0,0,1,1,2,2),constant_value=5)
nd.pad(nd.array(np.arange(6).reshape(1,1,2,3)),mode='edge',pad_width=(0,0,0,0,1,1,2,2))
nd.pad(nd.array(np.arange(6).reshape(1,1,2,3)),mode='reflect',pad_width=(0,0,0,0,1,1,2,2))
nd.pad(v,mode='constant',pad_width=(1,1))
nd.pad(nd.ones((1,1,2,3)),mode='constant',pad_width=(1,0,0,0,1,1,2,2))
nd.flip(a,axis=1).shape
nd.reverse(a,axis=(0,2)).asnumpy()[0,0]
nd.depth_to_space(nd.array(np.arange(16).reshape(1,4,2,2)),2)
nd.space_to_depth(nd.array(np.arange(16).reshape(1,1,4,4)),2)
nd.depth_to_space(a,2)
nd.diag(v).shape
nd.diag(v,k=1).shape
nd.diag(a).shape
nd.diag(nd.array(np.arange(6).reshape(2,3)),k=-1)
nd.diag(a,axis1=1,axis2=2).shape
nd.broadcast_axis(nd.ones((1,2,1)),axis=(0,2),size=(3,4)).shape
nd.broadcast_axis(nd.ones((1,2,1)),axis=1,size=3)
nd.broadcast_like(nd.ones((1,2)),nd.ones((3,2))).shape
nd.broadcast_like(nd.ones((1,2,1)),nd.ones((5,2)),lhs_axes=(0,),rhs_axes=(0,)).shape
nd.reshape_like(a,nd.ones((4,6))).shape
nd.reshape_like(a,v)
nd.shape_array(a)
nd.size_array(a)
nd.crop(a,begin=(0,0,0),end=(1,2,3)).shape
nd.broadcast_to(nd.ones((1,3)),shape=(2,3)).shape
v.broadcast_like(nd.zeros((2,3)))
v.broadcast_like(nd.zeros((2,4)))
nd.broadcast_like(v, nd.zeros((2,3)))
nd.ones((2,1,3)).broadcast_like(nd.zeros((2,4,3))).shape
a.reshape((-2,2,-1,-4),reverse=True).shape
a.reshape((-2,-4,2,2),reverse=True)
nd.Flatten(nd.ones((2,3,4))).shape
nd.cumsum(a,axis=1).shape
nd.cumsum(a).shape
nd.cumsum(i).dtype
nd.cumsum(i,dtype='float32').dtype
nd.im2col(nd.ones((1,2,4,4)),kernel=(2,2)).shape
nd.khatri_rao(nd.ones((2,3)),nd.ones((4,3))).shape
nd.Concat(v,v,dim=0,num_args=2).shape
nd.slice(v,begin=0,end=2)
nd.ravel_multi_index(nd.array([[1,0],[2,1]]),shape=(3,4))
nd.unravel_index(nd.array([6,11]),shape=(3,4))
nd.moments(a,axes=(0,))[1].shape
nd.where(nd.array([1,0,1]),v,-v)
nd.where(nd.array([1,0]),a,-a).shape
nd.UpSampling(nd.ones((1,2,2,2)),nd.ones((1,3,4,4)),scale=2,sample_type='nearest',num_args=2).shape
nd.take(a,nd.array([0,5]),axis=1).asnumpy()[0,:,0]
nd.take(a,nd.array([-1,4]),axis=1,mode='wrap').asnumpy()[0,:,0]
nd.take(v,nd.array([-1,4.7])).asnumpy()
nd.take(v,nd.array([1]),mode='raise').asnumpy()
nd.take(v,nd.array([[0,1],[1,2]])).shape
nd.take(v,i).dtype
nd.pick(nd.array([[1,2],[3,4]]),nd.array([0,5]))
nd.pick(nd.array([[1,2],[3,4]]),nd.array([-1,-2]),mode='wrap')
nd.pick(nd.array([[1,2],[3,4]]),nd.array([0,1]),axis=0,keepdims=True)
nd.pick(a,nd.array([[0,1,2],[3,0,1]])).shape
nd.gather_nd(a,nd.array([[0,1],[1,2]])).shape
nd.gather_nd(a,nd.array([[-1],[1],[2]]))
nd.scatter_nd(nd.array([2,3]),nd.array([[1,1],[0,1]]),shape=(2,2))
nd.scatter_nd(nd.array([2,3]),nd.array([[1,1],[0,0]]),shape=(2,2))
nd.one_hot(nd.array([0,2,5,-1]),3)
nd.one_hot(nd.array([1]),3,on_value=5,off_value=2,dtype='int32')
nd.topk(nd.array([[3,1,2],[5,9,7]]),k=2)
nd.topk(nd.array([[3,1,2],[5,9,7]]),k=2,ret_typ='value')
nd.topk(nd.array([[3,1,2],[5,9,7]]),k=2,ret_typ='both')[1].dtype
nd.topk(nd.array([[3,1,2],[5,9,7]]),k=2,ret_typ='mask')
nd.topk(nd.array([[3,1,2],[5,9,7]]),k=1,axis=0,is_ascend=True)
nd.topk(nd.array([[3,1,2],[5,9,7]]),k=2,axis=None)
nd.topk(nd.array([[3,1,2],[5,9,7]]),k=0,ret_typ='value').shape
nd.topk(nd.array([[3,1,2]]),k=5)
nd.topk(nd.array([3,1,2]),dtype='int32')
nd.topk(xi,ret_typ='value').dtype
nd.topk(nd.array([1,1,1]),k=3)
nd.sort(nd.array([[3,1,2],[5,9,7]]),is_ascend=False)
nd.sort(nd.array([[3,1,2],[5,9,7]]),axis=None)
nd.argsort(nd.array([[3,1,2],[5,9,7]]),axis=0)
nd.argsort(nd.array([3,1,2]),is_ascend=False,dtype='int64')
nd.argsort(nd.array([3,3,1]))
nd.argmax(nd.array([[3,1,3],[5,9,7]]),axis=1)
nd.argmax(nd.array([[3,1,2],[5,9,7]]))
nd.argmax(nd.array([[3,1,2],[5,9,7]]),axis=0,keepdims=True)
nd.argmin(nd.array([[3,1,1],[5,9,7]]),axis=-1)
nd.argmax(xi,axis=1).dtype
nd.argmax_channel(nd.array([[3,1,2],[5,9,7]]))
nd.sum(a,axis=(0,2))
nd.sum(a,axis=1,exclude=True)
nd.sum(a,axis=1,keepdims=True).shape
nd.sum(a,axis=()).shape
nd.sum(a,axis=-1).shape
nd.sum(a,axis=(0,0))
nd.sum(a,axis=5)
nd.mean(a)
nd.mean(xi)
nd.prod(v)
nd.nansum(nd.array([1,np.nan]))
nd.nanprod(nd.array([2,np.nan]))
nd.max(a,axis=0).shape
nd.max(nd.array([np.nan,1]))
nd.min(a)
nd.sum_axis(a,axis=0).shape
nd.norm(a)
nd.norm(a,ord=1,axis=1).shape
nd.norm(a,axis=(1,2)).shape
nd.norm(a,ord=2,axis=1,keepdims=True).shape
nd.norm(a,ord=3)
nd.norm(v.astype('float16')).dtype
nd.moments(a,axes=(0,2))[0]
nd.where(nd.array([[1,0],[0,1]]),nd.ones((2,2)),nd.zeros((2,2)))
nd.where(nd.array([1,0],dtype='int32'),nd.ones((2,2)),nd.zeros((2,2)))
nd.contrib.boolean_mask(a,nd.array([0,1])).shape
nd.contrib.boolean_mask(a,nd.array([0,1,1]),axis=1).shape
nd.contrib.index_copy(nd.zeros((3,2)),nd.array([0,2]),nd.ones((2,2)))
nd.contrib.index_array(nd.ones((2,2))).shape
nd.contrib.index_array(nd.ones((2,2)),axes=(1,)).shape
nd.Embedding(nd.array([[0,1]]),nd.array(np.arange(6).reshape(3,2)),input_dim=3,output_dim=2).shape
nd.SequenceMask(nd.ones((3,2,2)),nd.array([1,2]),use_sequence_length=True,value=-1).asnumpy()[:,:,0]
nd.SequenceMask(nd.ones((2,3)),nd.array([1,2]),use_sequence_length=True,axis=1)
nd.SequenceMask(nd.ones((3,2)))
nd.SequenceLast(nd.array(np.arange(6).reshape(3,2)))
nd.SequenceLast(nd.array(np.arange(6).reshape(3,2)),nd.array([1,2]),use_sequence_length=True)
nd.SequenceReverse(nd.array(np.arange(6).reshape(3,2)),nd.array([2,3]),use_sequence_length=True)
nd.SequenceReverse(nd.array(np.arange(6).reshape(3,2)))
nd.SequenceReverse(nd.array(np.arange(6).reshape(3,2)),axis=1)
nd.fill_element_0index(nd.ones((2,2)),nd.array([5,6]),nd.array([0,1]))
nd.choose_element_0index(nd.array([[1,2],[3,4]]),nd.array([0,1]))
nd.histogram(nd.array([1,2,2,5]),bins=4,range=(0,8))
nd.histogram(nd.array([1,2,2,5]),bins=4)
nd.ones((2,3,4)).reshape((7,))
nd.ones((2,3,4)).reshape((5,-1))
nd.ones((2,3,4)).reshape((5,5))
nd.relu(nd.ones(2),data=nd.ones(2))
nd.amp_cast(i,dtype="float16")
nd.squeeze(nd.max(a))
nd.max(a,axis=(0,1),exclude=True)
nd.take(a,nd.array([1,0]),axis=-1).shape
nd.L2Normalization(v.reshape((1,3)))
nd.smooth_l1(v,scalar=1)
nd.slice_axis(v,axis=0,begin=-2,end=None)
nd.sum(nd.ones((2,3),dtype='float16')).dtype
nd.all_finite(nd.array([1,np.inf]))
nd.multi_sum_sq(v,v,num_arrays=2)
nd.col2im(nd.ones((1,4,9)),output_size=(4,4),kernel=(2,2)).shape
nd.Pooling(x2,kernel=(2,2)).shape
nd.Pooling(x2,global_pool=True).shape
nd.Pooling(x1,kernel=(3,),pool_type='lp')
nd.Pooling(x1,kernel=(3,),pool_type='lp',p_value=2)
nd.Pooling(x2,kernel=(9,9))
nd.Pooling(x2,kernel=(3,3),stride=(2,2),pad=(1,1),pooling_convention='full',pool_type='avg').asnumpy()[0,0,-1]
nd.Pooling(x2,kernel=(2,)).shape
nd.SoftmaxActivation(x2,mode='channel').shape
nd.Activation(nd.array([-1.]),act_type='softrelu')
nd.softmax(x2,length=nd.ones((1,2,7),dtype='int32'),use_length=True).shape
nd.log_softmax(nd.ones((2,3),dtype='float16'),dtype='float32').dtype
nd.LayerNorm(x2,nd.ones(7),nd.zeros(7),output_mean_var=True)[1].shape
nd.Convolution(x2,nd.ones((3,2,3,3)),nd.ones(3),kernel=(3,3),num_filter=3).shape
nd.Convolution(x2,nd.ones((3,2,3,3)),kernel=(3,3),num_filter=3,no_bias=True).shape
nd.Convolution(x2,nd.ones((3,2,3,3)),nd.ones(3),kernel=(3,3),num_filter=4)
nd.Convolution(x2,nd.ones((3,2,3,3)),nd.ones(3),kernel=(3,3),num_filter=3,layout='NHWC')
nd.FullyConnected(x2,nd.ones((5,98)),nd.ones(5),num_hidden=5).shape
nd.FullyConnected(x2,nd.ones((5,7)),nd.ones(5),num_hidden=5,flatten=False).shape
nd.FullyConnected(x2,nd.ones((5,98)),nd.ones(5),num_hidden=5,no_bias=True).shape
nd.FullyConnected(x2,nd.ones((5,98)),num_hidden=5,no_bias=True).shape
nd.L2Normalization(x2).shape
nd.UpSampling(x2,scale=2,sample_type='nearest').shape
nd.softmax_cross_entropy(nd.array([[1.,2,3]]),nd.array([0]))
nd.SoftmaxActivation(x2)
nd.contrib.AdaptiveAvgPooling2D(x2,output_size=None)
nd.CTCLoss(nd.ones((2,2,5)),nd.array([[1,2,3],[1,0,0]]))
nd.contrib.index_copy(nd.zeros((4,3)),nd.array([0,2],dtype='int32'),nd.ones((2,3)))
type(nd.histogram(nd.array([1,2,3]),5))
type(mx.gluon.utils.clip_global_norm([nd.ones(4)],1.0))
mx.metric.Perplexity(None).update([nd.array([1])]*2,[nd.array([[.1,.9]])])
"""


def test_functions():
    same_expressions(EXPRESSIONS, SETUP, rtol=1e-4)


CACHED_OP = """
def op(symbol, *arrays, flags=(), **given):
    return nd.CachedOp(symbol, flags)(*arrays, **given)

x, w = mx.sym.var("x"), mx.sym.var("w")
dense = mx.sym.FullyConnected(mx.sym.var("data"), num_hidden=2, name="fc")
weights = (nd.ones((2, 3)), nd.zeros(2))

def gradients():
    data = nd.ones((1, 3)); data.attach_grad(); weights[0].attach_grad()
    cached = nd.CachedOp(dense)
    with autograd.record():
        y = cached(data, *weights)
    y.backward(nd.array([[1, 2]])); return y, data.grad, weights[0].grad

def into():
    y = nd.zeros(2); return op(x * 2, nd.ones(2), out=y) is y, y
"""


def test_cached_op():
    same_expressions(
        """
        op(x * 2 + w, nd.ones(2), nd.ones(2) * 3)
        op(mx.sym.Group([x * 2, x + w]), nd.ones(2), nd.ones(2), flags=[("static_alloc", True)])
        op(dense, nd.ones((1, 3)), *weights)
        op(dense, nd.ones((1, 3)), weights[0], nd.ones(3))
        op(dense, nd.ones((1, 3)))
        op(dense, nd.ones((1, 3)), weights[0], 3)
        op(x * 2, x=nd.ones(2))
        op(x * 2, nd.ones(2), flags=[("nothing", 1)])
        nd.CachedOp(3)
        gradients()
        into()
        """,
        CACHED_OP,
    )


SHAPES = """
x, c, v = nd.arange(6).reshape((3, 2)), nd.array([1, 0, 1]), nd.array([3.0, 4, 5])
ones = nd.ones((4, 3, 2))
lengths = lambda *values: nd.array(values).astype("int32")
"""

# What torch would broadcast, MXNet refuses.
UNEQUAL = """
nd.where(c,x,x*2)
nd.where(x>2,x,x*2)
nd.where(c.reshape((3,1)),x,x*2)
nd.where(nd.ones((1,)),x,x*2)
nd.where(x>2,x,nd.zeros((3,1)))
nd.where(x>2,nd.zeros((1,)),x)
nd.where(nd.ones((2,)),x,x)
nd.where(c,v,v*2)
nd.where(x>2,x,nd.zeros((2,)))
nd.add_n(v,v)
nd.add_n(v,nd.ones((1,)))
nd.add_n(x,nd.ones((3,1)))
nd.L2Normalization(v)
nd.L2Normalization(v,mode='channel')
nd.L2Normalization(v,mode='spatial')
nd.L2Normalization(x)
nd.L2Normalization(x,mode='channel')
nd.L2Normalization(x,mode='spatial')
nd.L2Normalization(x.reshape((1,2,3)),mode='channel')
nd.L2Normalization(x.reshape((1,2,3)),mode='spatial')
nd.L2Normalization(x.reshape((1,2,3,1)),mode='spatial')
nd.softmax(x,lengths(1,2,2),use_length=True)
nd.softmax(x,lengths(1),use_length=True)
nd.softmax(x,lengths(1,2),axis=0,use_length=True)
nd.softmax(x,lengths(1,2,1),axis=0,use_length=True)
nd.softmax(nd.ones((2,3,4)),nd.ones((2,3)).astype('int32'),use_length=True)
nd.softmax(nd.ones((2,3,4)),nd.ones((2,)).astype('int32'),use_length=True)
nd.softmax(nd.ones((2,3,4)),nd.ones((2,1)).astype('int32'),use_length=True)
nd.SequenceMask(ones,nd.array([1,2,3]),use_sequence_length=True)
nd.SequenceMask(ones,nd.array([[1,2,3]]),use_sequence_length=True)
nd.SequenceMask(ones,nd.array([1]),use_sequence_length=True)
nd.SequenceMask(ones,nd.array([1,2,3,4]),use_sequence_length=True,axis=1)
nd.SequenceMask(ones,nd.array([1,2,3]),use_sequence_length=True,axis=1)
nd.SequenceLast(ones,nd.array([1]),use_sequence_length=True)
nd.SequenceReverse(ones,nd.array([1]),use_sequence_length=True)
nd.SequenceReverse(ones,nd.array([[1],[2],[3]]),use_sequence_length=True)
"""


def test_shapes_must_be_equal_where_mxnet_wants_it():
    same_expressions(UNEQUAL, SHAPES)
