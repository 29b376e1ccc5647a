"""`mx.np.ndarray` against the real MXNet: dtypes, shapes, printing, methods."""

import pytest

from mxnet_parity import same_expressions

pytestmark = pytest.mark.oracle

SETUP = """
m = np.arange(6).reshape(2, 3)
f, d = np.array([1.0, 2, 3]), np.array([1.0, 2, 3], dtype="float64")
i, l, u = np.array([1, 2, 3], dtype="int32"), np.array([1, 2, 3], dtype="int64"), np.array([1, 2, 3], dtype="uint8")
h, b = f.astype("float16"), np.array([True, False, True], dtype=bool)
"""

EXPRESSIONS = """
np.array([1,2]).dtype
np.array(onp.arange(3)).dtype
np.array(onp.ones(2)).dtype
np.array([True]).dtype
np.array(5)
np.array(5).shape
np.array([1,2],dtype=int).dtype
np.arange(3).dtype
np.zeros(2).dtype
np.ones((2,),dtype=bool)
np.full((2,),3).dtype
np.full((2,),3.5).dtype
np.full(2,3,dtype='int32')
np.eye(2)
np.linspace(0,1,3)
i+f
i+d
l+h
i+1
i+1.5
i/2
i/i
i//2
i%2
i**2
i**-1
2/i
f/2
u+i
i+l
h+f
f==f
i>1
i>1.5
-i
abs(-f)
m@m.T
f@f
m.sum()
m.sum(axis=0)
i.sum()
i.mean()
b.sum()
m.max(axis=1)
m.argmax(axis=1)
m.argmax()
m[0]
m[0,1]
m[m>2]
m[:,1]
m.reshape(-1)
m.reshape(3,2)
m.reshape((3,-1))
m.T
m.transpose(1,0)
m.flatten()
m.astype('int32')
m.item(2)
m.tolist()
float(f[0])
int(f[1])
bool(f[0])
len(m)
m.size
repr(f)
repr(m)
repr(np.array(5))
repr(i)
repr(d)
repr(b)
str(f)
f.asnumpy()
f.as_nd_ndarray()
mx.nd.ones(2).as_np_ndarray()
f+mx.nd.ones(3)
f+onp.ones(3)
onp.ones(3)+f
f+[1,2,3]
f==None
m.std()
m.var(axis=0)
m.dot(m.T)
m.squeeze()
m.copy()
m.clip(1,3)
m.repeat(2,axis=0)
np.zeros((0,3)).shape
np.zeros((0,3)).sum()
f.attach_grad()
m.min()
m.prod()
m.cumsum()
f.ctx
f.context
f.device
m.ndim
m.nonzero()
m.any()
m.swapaxes(0,1).shape
m.expand_dims(0)
i.dtype
str(i.dtype)
m.all()
m.argsort()
m.round()
f.take(i[:2])
m.argmin(axis=0)
m.ravel()
f.__iadd__(1)
i.__iadd__(1.5)
i.__itruediv__(2)
m.is_integer
f.reshape_view(3,1)
f.sum().item()
m.broadcast_to((2,2,3)).shape
f.copyto(mx.cpu(1)).ctx
f.as_in_ctx(mx.cpu(1)).ctx
f.exp()
m.norm()
m.mean(axis=1,keepdims=True)
f.log()
f.split(3)
repr(i.astype('int64'))
repr(f.as_in_ctx(mx.cpu(1)))
repr(m.astype('float16'))
b*2
b+f
b>0
-b
m[[True,False]]
m[np.array([1,0])]
m[np.array([True,False],dtype=bool)]
m[m>2].shape
m.reshape(4,2)
m.reshape(2,-1,1).shape
m.transpose().shape
m.transpose((1,0)).shape
m.sum(axis=(0,1))
m.sum(axis=0,keepdims=True).shape
i.sum(dtype='float32')
m.mean(axis=5)
i.max()
m.std(ddof=1)
m.clip(min=1)
m.cumsum(axis=0)
m.flatten().shape
m.item()
m.item(0,1)
bool(m)
float(m)
f.tolist()
m.argmax(axis=0,keepdims=True)
np.ones((2,3),order='C').dtype
np.zeros(()).shape
np.empty(3).shape
np.array([[1,2],[3]])
np.array(mx.nd.ones(2))
np.array(f).dtype
np.array(i).dtype
np.arange(1,10,3,dtype='int32')
np.linspace(0,1,5,endpoint=False,dtype='float64')
np.eye(3,k=1,dtype='int32')
np.full((2,),True).dtype
np.full((2,),3,dtype=None).dtype
np.zeros_like(i)
np.ones_like(f).dtype
np.full_like(f,2)
np.identity(2)
np.float32
np.int64
np.pi
np.newaxis
np.inf
f.astype(int).dtype
f.astype('bool')
f.astype('float32',copy=False) is f
m.T.shape
len(np.array(5))
[v for v in f]
f[0].shape
type(f[0]).__name__
m.__setitem__(0,5) or m
m.__setitem__(m>4,0) or m
f.__setitem__(slice(0,1),np.array([7.])) or f
f.dtype==onp.float32
mx.util.is_np_array()
f.T.shape
m.repeat(2).shape
m.dot(f)
m@f
f@m.T
np.array([1,2]).attach_grad()
"""


def test_arrays_with_numpys_behaviour():
    same_expressions(EXPRESSIONS, SETUP, numpy=True)
