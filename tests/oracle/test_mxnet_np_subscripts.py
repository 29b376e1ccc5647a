"""Subscripts of `mx.np.ndarray`, what shares memory, and NumPy's functions on it, against the real MXNet."""

import pytest

from mxnet_parity import same_expressions

pytestmark = pytest.mark.oracle

SUBSCRIPTS_OF = """
m = np.arange(6).reshape(2, 3)
f, d = np.array([1.0, 2, 3]), np.array([1.0, 2, 3], dtype="float64")
i, l, u = np.array([1, 2, 0], dtype="int32"), np.array([1, 2, 0], dtype="int64"), np.array([1, 2, 3], dtype="uint8")
b = np.array([True, False, True], dtype=bool)
z = np.zeros((0,3))
s = np.array(3.0)
x = np.arange(120).reshape(2,3,4,5)
mk = np.array([[True,False,True],[False,True,False]],dtype=bool)
def st(a,k,v):
    a[k]=v
    return a
def shares(k):
    y=x[k]
    y[...]=-1
    return x
def gr(fn, a=None):
    a=m.copy() if a is None else a
    a.attach_grad()
    with autograd.record():
        y=fn(a)
        L=(y*y).sum()
    L.backward()
    return a.grad
def gset(k,v,rec=True):
    a=np.ones((2,3)); v=np.array(v) if not isinstance(v,(int,float)) else v
    a.attach_grad()
    if not isinstance(v,(int,float)): v.attach_grad()
    with autograd.record():
        y=a*2
        y[k]=v
        L=(y*y).sum()
    L.backward()
    return [a.grad, v.grad if hasattr(v,'grad') else None]
"""

SUBSCRIPTS = """
m[()]
s[()]
m[...]
m[...,0]
m[0,...]
m[None]
m[np.newaxis,:,None].shape
m[0,None,1].shape
s[0]
m[-1]
m[2]
m[-3]
m[0,3]
m[0,0,0]
m[0:1]
m[5:]
m[::-1]
m[::2]
m[:, ::2]
m[:, ::-1]
m[1:0:-1]
m[:,1:3]
m[1,1]
m[1,1].shape
m[onp.int64(1)]
m[np.array(1)]
m[np.array(1,dtype='int32')]
m[i[0]]
m[s]
m[1.0]
m['a']
m[True]
m[False]
m[None,True]
m[[0,1]]
m[[0,1],[1,2]]
m[[[0,1],[1,0]]].shape
m[(0,1),]
m[(0,1)]
m[np.array([0,1])]
m[np.array([0.,1.])]
m[onp.array([0,1])]
m[onp.array([0.,1.])]
m[[-1,-2]]
m[:,np.array([0,2])]
m[:,[0,2]]
m[0,[0,2]]
m[[0],[0,2]]
m[[[0],[1]],[0,2]]
m[np.array([[0],[1]]),np.array([0,2])]
m[np.array([0,1]),:]
m[..., np.array([0,1])]
m[range(2)]
m[[]]
m[np.array([])]
m[np.array([],dtype='int32')].shape
m[b]
m[:,b]
m[mk]
m[mk].shape
m[onp.array([True,False])]
m[[True,False]]
m[mk,0]
m[np.array([True,False],dtype=bool),1]
m[np.array([True,False],dtype=bool),1:]
m[np.array([True,False],dtype=bool),b]
m[np.array([False,False],dtype=bool)].shape
m[m>2]
m[(m>1)&(m<4)]
m[~(m>2)]
m[m==0]
m[np.array([1,0],dtype='uint8')]
m[np.array([1,0],dtype='int64')]
m[np.array([True,False,True],dtype=bool)]
s[np.array(True,dtype=bool)]
s[True]
s[False]
f[f>1]
x[mk].shape
x[:,b].shape
x[:,:,[True,False,True,False]].shape
x[0,:,[0,1]].shape
x[:,0,:,[0,1]].shape
x[[0,1],:,[0,1]].shape
x[:,[0,1],[0,1]].shape
x[:,[0,1],[0,1],:].shape
x[...,[0,1],[0,1]].shape
x[[0,1],...,[0,1]].shape
x[None,[0,1]].shape
x[[0,1],None,[0,1]].shape
x[:,None,[0,1],0].shape
x[0,1,2,3]
x[0,1,2]
x[0,:,2]
x[...,1]
x[...,1,:]
x[1,...,1]
x[...,...]
x[::2,::-1,1:3,-1]
x[:,:,-3:-1,::2].shape
x[1:1].shape
x[:,5:2].shape
x[0:0,None].shape
x[0][1][2][3]
z[0]
z[:0].shape
z[:,1].shape
z[[]].shape
z[None].shape
shares(0)
shares((0,1))
shares(slice(0,1))
shares((slice(None),0))
shares((0,slice(1,3)))
shares(([0],))
shares((Ellipsis,0))
shares((0,0,slice(1,2)))
shares((None,0))
shares((0,None))
shares(np.array([0]))
shares((slice(None,None,-1)))
shares(slice(None))
shares(Ellipsis)
shares(())
st(m,0,5)
st(m,(0,1),5)
st(m,slice(None),7)
st(m,Ellipsis,7)
st(m,(),7)
st(s,(),7)
st(s,0,7)
st(m,0,f)
st(m,0,[7,8,9])
st(m,0,(7,8,9))
st(m,0,onp.array([7,8,9]))
st(m,slice(None),onp.ones((2,3)))
st(m,(slice(None),0),np.array([7.,8.]))
st(m,(slice(None),0),np.array([[7.],[8.]]))
st(m,(slice(None),slice(0,2)),np.array([7.,8.]))
st(m,[0,1],9)
st(m,([0,1],[1,2]),9)
st(m,([0,1],[1,2]),np.array([9.,8]))
st(m,np.array([1]),f)
st(m,mk,0)
st(m,mk,np.array([7.,8,9]))
st(m,mk,np.array([7.]))
st(m,mk,f[0])
st(m,mk,np.array([7.,8]))
st(m,m>2,0)
st(m,m>2,-1.5)
st(m,(slice(None),b),0)
st(m,(0,b),0)
st(m,(b,),0)
st(m,np.array([True,False],dtype=bool),f)
st(m,True,9)
st(m,None,9)
st(m,(None,0),9)
st(m,(0,None),f)
st(m,slice(None,None,-1),m.copy())
st(m,slice(None,None,2),0)
st(m,(slice(None),slice(None,None,-1)),m.copy())
st(m,0,np.ones((2,)))
st(m,5,1)
st(m,(0,0),np.array(3))
st(m,(0,0),np.array([3]))
st(m,(0,0),[3])
st(m,0,i)
st(i,0,2.7)
st(i,slice(None),f)
st(i,0,True)
st(b,0,False)
st(b,b,False)
st(m,0,'a')
st(m,0,None)
st(m,'a',0)
st(m,0,mx.nd.ones(3))
st(m,slice(None),mx.nd.ones((2,3)))
st(z,0,1)
st(z,slice(None),1)
st(x,(0,slice(None),[0,1]),1)
st(x,([0,1],slice(None),[0,1]),1)
st(x,([0,1],slice(None),[0,1]),np.arange(3*5).reshape(3,5))
st(x,(Ellipsis,[0,2]),5)
st(x,mk,5)
gr(lambda a: a[0])
gr(lambda a: a[0,1])
gr(lambda a: a[:,1])
gr(lambda a: a[[0,0]])
gr(lambda a: a[np.array([0,0,1])])
gr(lambda a: a[[0,0],[1,1]])
gr(lambda a: a[a>2])
gr(lambda a: a[mk])
gr(lambda a: a[:,b])
gr(lambda a: a[None,...,::-1])
gr(lambda a: a[::-1])
gr(lambda a: a[...])
gr(lambda a: a[()])
gr(lambda a: a.reshape(3,2))
gr(lambda a: a.reshape(-1)[2:4])
gr(lambda a: a.T[0])
gr(lambda a: a.copy())
gr(lambda a: a.astype('float64'))
gr(lambda a: a.flatten())
gr(lambda a: a.squeeze())
gr(lambda a: a.repeat(2))
gr(lambda a: a.take(np.array([0,0])))
gr(lambda a: a.sum(axis=0))
gr(lambda a: a.mean())
gr(lambda a: a.max(axis=1))
gr(lambda a: a.cumsum())
gr(lambda a: a.clip(1,3))
gr(lambda a: a.round())
gr(lambda a: a.dot(a.T))
gr(lambda a: a@a.T)
gr(lambda a: a**2)
gr(lambda a: 2**a)
gr(lambda a: a/2)
gr(lambda a: 2/(a+1))
gr(lambda a: a%2)
gr(lambda a: 5%(a+1))
gr(lambda a: -a)
gr(lambda a: abs(a-2))
gr(lambda a: a*i)
gr(lambda a: i*a)
gr(lambda a: a-a.mean())
gr(lambda a: a*b)
gr(lambda a: a.broadcast_to((2,2,3)))
gr(lambda a: a.swapaxes(0,1))
gr(lambda a: a.as_nd_ndarray().as_np_ndarray())
gr(lambda a: a.detach()*a)
gr(lambda a: a.copyto(mx.cpu(0)))
gr(lambda a: a.min(axis=0))
gset(0,5)
gset(0,[1.,2,3])
gset((0,1),5)
gset(slice(None),5)
gset((slice(None),0),[1.,2])
gset([0,1],3)
gset(mk,3)
gset(Ellipsis,3)
gset(slice(None),[[1.,2,3],[4,5,6]])
"""

MEMORY_OF = """
def sh(f):
    x=np.arange(12.)
    x2=x.reshape(3,4).copy()
    y=f(x2)
    y[...]=-1
    return x2
def sh2(f):
    x2=np.arange(12.).reshape(3,4).copy()
    y=f(x2)
    x2[...]=-1
    return y
def sh1(f):
    x=np.arange(12.)
    y=f(x)
    y[...]=-1
    return x
"""

MEMORY = """
sh(lambda x: x.reshape(4,3))
sh(lambda x: x.reshape(-1))
sh(lambda x: x.reshape((2,6)))
sh(lambda x: x.reshape_view(4,3))
sh(lambda x: mx.np.reshape(x,(4,3)))
sh(lambda x: mx.npx.reshape(x,(4,3)))
sh(lambda x: x.flatten())
sh(lambda x: x.T)
sh(lambda x: x[0])
sh(lambda x: x[0:2])
sh(lambda x: x[:,0:2])
sh(lambda x: x[1:2,1:3])
sh(lambda x: x[0,1:3])
sh(lambda x: x[...])
sh(lambda x: x[:])
sh(lambda x: x[None])
sh(lambda x: x.squeeze())
sh(lambda x: np.expand_dims(x,0))
sh(lambda x: x.swapaxes(0,1))
sh(lambda x: x.as_nd_ndarray())
sh(lambda x: x.detach())
sh(lambda x: x.astype('float32',copy=False))
sh(lambda x: x.astype('float32'))
sh(lambda x: x.as_in_ctx(mx.cpu()))
sh(lambda x: x.broadcast_to((3,4)))
sh(lambda x: np.array(x))
sh(lambda x: x.transpose())
sh(lambda x: np.ravel(x))
sh(lambda x: np.atleast_2d(x))
sh(lambda x: np.squeeze(x))
sh1(lambda x: x.reshape(3,4))
sh1(lambda x: x.reshape(3,4)[1])
sh1(lambda x: np.split(x,3)[0])
sh1(lambda x: x.reshape(12))
sh(lambda x: x.as_nd_ndarray().reshape((4,3)))
"""

NUMPYS_OF = """
m = np.arange(6).reshape(2, 3)
f, d = np.array([1.0, 2, 3]), np.array([1.0, 2, 3], dtype="float64")
i = np.array([1, 2, 0], dtype="int32")
b = np.array([True, False, True], dtype=bool)
s = np.array(3.0)
def ty(r):
    several = isinstance(r, (list, tuple))
    return [type(r).__name__, [(type(q).__name__, q) for q in r] if several else r]
def rec(fn):
    a=f.copy(); a.attach_grad()
    with autograd.record():
        y=fn(a)
    y.backward()
    return a.grad
"""

NUMPYS = """
ty(onp.mean(m))
ty(onp.sum(m,axis=0))
ty(onp.dot(m,f))
ty(onp.concatenate([m,m]))
ty(onp.concatenate([m,onp.ones((2,3))]))
ty(onp.concatenate([onp.ones((2,3)),m]))
ty(onp.stack([f,f]))
ty(onp.vstack([f,f]))
ty(onp.split(f,3))
ty(onp.add(f,f))
ty(onp.add(f,1))
ty(onp.add(1,f))
ty(onp.add(f,onp.ones(3)))
ty(onp.add(onp.ones(3),f))
ty(onp.multiply(f,[1,2,3]))
ty(onp.add(f,f,out=f))
ty(onp.add.reduce(f))
ty(onp.add.outer(f,f))
ty(onp.matmul(m,f))
ty(onp.divmod(f,2))
ty(onp.frexp(f))
ty(onp.float_power(f,2))
ty(onp.spacing(f))
ty(onp.reshape(m,(3,2)))
ty(onp.reshape(m,-1))
ty(onp.transpose(m))
ty(onp.argmax(m))
ty(onp.argsort(f))
ty(onp.sort(f))
ty(onp.where(b,f,f))
ty(onp.where(b,1,0))
ty(onp.where(b))
ty(onp.clip(f,1,2))
ty(onp.zeros_like(f))
ty(onp.ones_like(m))
ty(onp.full_like(m,3))
ty(onp.empty_like(m).shape)
ty(onp.median(f))
ty(onp.percentile(f,50))
ty(onp.quantile(f,0.5))
ty(onp.unique(i))
ty(onp.nonzero(i))
ty(onp.tile(f,2))
ty(onp.repeat(f,2))
ty(onp.linalg.norm(m))
ty(onp.linalg.norm(m,axis=0))
ty(onp.linalg.svd(m)[1])
ty(onp.linalg.inv(np.array([[1.,2],[3,4]])))
ty(onp.linalg.det(np.array([[1.,2],[3,4]])))
ty(onp.linalg.eigvals(np.array([[1.,0],[0,4]])))
ty(onp.linalg.qr(np.array([[1.,2],[3,4]]))[1].shape)
ty(onp.einsum('ij,ij',m,m))
ty(onp.tensordot(m,m,axes=([1],[1])))
ty(onp.squeeze(m[None]))
ty(onp.expand_dims(f,0))
ty(onp.array_equal(f,f))
ty(onp.allclose(f,f))
ty(onp.allclose(f,f+1))
ty(onp.isclose(f,f))
ty(onp.shape(m))
ty(onp.ndim(m))
ty(onp.size(m))
ty(onp.copy(m))
ty(onp.cumsum(m))
ty(onp.cumprod(f))
ty(onp.ravel(m))
ty(onp.diff(f))
ty(onp.trace(m))
ty(onp.diag(f))
ty(onp.interp(f,f,f))
ty(onp.histogram(f))
ty(onp.bincount(i))
ty(onp.mean(f,dtype='float64'))
ty(onp.std(f))
ty(onp.var(f,ddof=1))
ty(onp.max(m,axis=1))
ty(onp.amin(m))
ty(onp.prod(f))
ty(onp.any(b))
ty(onp.all(b))
ty(onp.flip(f))
ty(onp.roll(f,1))
ty(onp.rot90(m))
ty(onp.swapaxes(m,0,1))
ty(onp.moveaxis(m,0,1))
ty(onp.broadcast_to(f,(2,3)))
ty(onp.meshgrid(f,f))
ty(onp.pad(f,1))
ty(onp.take(f,i))
ty(onp.delete(f,1))
ty(onp.insert(f,1,5))
ty(onp.append(f,f))
ty(onp.round(f))
ty(onp.around(f,1))
ty(onp.fix(f))
ty(onp.nan_to_num(f))
ty(onp.polyval(f,f))
ty(onp.array_split(f,2))
ty(onp.atleast_2d(f))
ty(onp.outer(f,f))
ty(onp.inner(f,f))
ty(onp.vdot(f,f))
ty(onp.cross(f,f))
ty(onp.kron(f,f))
ty(onp.cov(m))
ty(onp.corrcoef(m))
ty(onp.apply_along_axis(lambda q:q,0,f))
ty(onp.may_share_memory(f,f))
ty(onp.shares_memory(f,f))
ty(onp.shares_memory(f,f.copy()))
ty(onp.may_share_memory(m,m[0]))
ty(onp.iscomplexobj(f))
ty(onp.isscalar(f))
ty(onp.ediff1d(f))
ty(onp.gradient(f))
ty(onp.triu(m))
ty(onp.searchsorted(f,2.))
ty(onp.partition(f,1))
ty(onp.nanmax(f))
ty(onp.sum(m,axis=0,keepdims=True))
ty(onp.sum(s))
onp.testing.assert_array_equal(f,f)
onp.testing.assert_almost_equal(f,onp.array([1,2,3]))
rec(lambda a: onp.sum(a*a))
rec(lambda a: onp.dot(a,a))
onp.random.seed(0) or ty(onp.random.permutation(3))
ty(onp.zeros(3)+s)
ty(onp.zeros(3)*f)
ty(onp.float32(3)*f)
ty(onp.fft.fft(f))
ty(onp.argwhere(i))
ty(onp.isin(i,[1]))
ty(onp.bitwise_not(b))
ty(onp.invert(b))
ty(onp.left_shift(i,1))
ty(onp.power(f,2))
ty(onp.floor_divide(f,2))
ty(onp.mod(f,2))
ty(onp.remainder(f,2))
ty(onp.equal(f,f))
"""


@pytest.mark.parametrize(
    ("setup", "expressions"),
    [(SUBSCRIPTS_OF, SUBSCRIPTS), (MEMORY_OF, MEMORY), (NUMPYS_OF, NUMPYS)],
    ids=["subscripts", "memory", "numpys_functions"],
)
def test_arrays(setup, expressions):
    same_expressions(expressions, setup, numpy=True)
