"""Functions of `mx.np` against the real MXNet: integers, empty arrays, arrays without axes, NumPy's numbers."""

import pytest

from mxnet_parity import same_expressions

pytestmark = pytest.mark.oracle

SETUP = """
f, m, z = np.array([0.1, 2, 3]), np.arange(6).reshape(2, 3), np.zeros((0,))
i, ii, b = np.array([3, 1, 2], dtype="int64"), np.arange(6).reshape(2, 3).astype("int64"), f > 1
"""

ODD_ARRAYS = """
np.sum(ii,axis=0)
np.mean(ii,axis=0)
np.std(ii.astype('float64'))
np.dot(ii.astype('float64'),i.astype('float64'))
np.concatenate([i,i])
np.stack([i,i])
np.unique(ii)
np.where(b,i,i*2)
np.max(ii,axis=(0,1))
np.argsort(i)
np.sort(ii,axis=0)
np.prod(ii+1)
np.cumsum(ii,axis=1)
np.tile(i,(2,2))
np.repeat(i,2)
np.flip(ii,1)
np.roll(ii,1)
np.rot90(ii)
np.diag(i)
np.tril(ii)
np.trace(ii)
np.einsum('ij->j',ii)
np.einsum('ij,j->i',ii,i)
np.clip(ii,1,4)
np.around(ii)
np.average(ii.astype('float32'),axis=1)
np.insert(i,1,5)
np.delete(i,0)
np.diff(ii)
np.ediff1d(i)
np.bincount(i)
np.histogram(i,bins=3,range=(0,3))
np.take(i,np.array([0,2]))
np.expand_dims(i,1)
np.broadcast_to(i,(2,3))
np.meshgrid(i,i)
np.split(ii,3,1)
np.resize(i,(2,2))
np.polyval(i,i)
np.linalg.norm(ii.astype('float64'))
np.logical_not(ii)
np.square(ii)
np.nan_to_num(ii)
np.full_like(ii,7)
np.percentile(ii,40)
np.quantile(i,0.5)
np.unravel_index(i,(2,3))
np.transpose(ii)
np.vdot(f,f)
np.inner(m,m)
np.outer(f,f)
np.any(ii)
np.all(ii,axis=1)
np.nonzero(ii)
np.copy(ii)
np.squeeze(np.expand_dims(ii,0))
np.vstack([i,i])
np.hstack([i,i])
np.dstack([i,i])
np.column_stack([i,i])
np.array_split(i,2)
np.maximum(i,2)
np.maximum(i,i)
np.power(i,2)
np.power(i,i)
np.mod(i,2)
np.mod(i,i)
np.lcm(i,i)
np.bitwise_xor(i,i)
np.hypot(f,f)
np.copysign(f,-f)
np.arctan2(f,f)
np.ldexp(f,f)
np.equal(i,i)
np.sum(z)
np.sort(z)
np.cumsum(z)
np.concatenate([z,z])
np.unique(z)
np.exp(z)
np.add(z,z)
np.dot(z,z)
np.tile(z,2)
np.repeat(z,2)
np.flip(z)
np.diff(z)
np.where(z>0,z,z)
np.clip(z,0,1)
np.stack([z,z]).shape
np.any(z)
np.split(np.zeros((0,4)),2,axis=1)
np.linalg.norm(z)
np.take(f,np.array([],dtype='int64'))
np.matmul(np.zeros((2,0)),np.zeros((0,3)))
np.matmul(np.zeros((0,2,3)),np.zeros((3,4))).shape
np.tensordot(np.zeros((0,3)),np.zeros((3,2)),1).shape
np.einsum('ij,jk->ik',np.zeros((2,0)),np.zeros((0,3)))
np.max(np.zeros((0,2)),axis=1)
np.reshape(z,(0,5)).shape
np.expand_dims(z,0).shape
np.broadcast_to(np.zeros((0,1)),(0,3)).shape
np.linalg.det(np.zeros((0,2,2))).shape
np.linalg.inv(np.zeros((0,2,2))).shape
np.linalg.svd(np.zeros((0,2,3)))
np.linalg.cholesky(np.zeros((0,2,2))).shape
np.linalg.solve(np.zeros((0,2,2)),np.zeros((0,2,1))).shape
np.linalg.eigvalsh(np.zeros((0,2,2))).shape
np.linalg.slogdet(np.zeros((0,2,2)))
np.sum(np.array(2.0),axis=0)
np.sum(np.array(2.0),axis=-1)
np.max(np.array(2.0))
np.transpose(np.array(2.0))
np.reshape(np.array(2.0),(1,1))
np.expand_dims(np.array(2.0),0)
np.ravel(np.array(2.0))
np.repeat(np.array(2.0),2)
np.tile(np.array(2.0),2)
np.concatenate([np.array(2.0),np.array(1.0)])
np.stack([np.array(2.0),np.array(1.0)])
np.vstack([np.array(2.0),np.array(1.0)])
np.hstack([np.array(2.0),np.array(1.0)])
np.dstack([np.array(2.0),np.array(1.0)])
np.broadcast_to(np.array(2.0),(2,))
np.squeeze(np.array(2.0))
np.unique(np.array(2.0))
np.cumsum(np.array(2.0))
np.clip(np.array(2.0),0,1)
np.where(np.array(1.0),np.array(2.0),np.array(3.0))
np.argmax(np.array(2.0))
np.linalg.norm(np.array([[1,2]],dtype='float64'),axis=1)
np.meshgrid(np.array(2.0),f)
np.flip(np.array(2.0))
np.roll(np.array(2.0),1)
np.diff(np.array(2.0))
np.percentile(np.array(2.0),50)
np.atleast_3d(np.array(2.0)).shape
np.outer(np.array(2.0),f)
np.matmul(f,np.array(2.0))
np.tensordot(f,np.array(2.0),0)
np.tensordot(np.array(2.0),np.array(3.0),0)
np.einsum('i,->i',f,np.array(2.0))
np.full((),3)
np.zeros(())
np.take(f,np.array(1))
np.take(f,np.array(1,dtype='int32'),axis=0)
np.insert(f,0,np.array(5.0))
np.insert(f,np.array(1,dtype='int64'),5)
np.delete(f,np.array(1,dtype='int64'))
np.split(np.array(2.0),1)
np.ones_like(np.array(2.0))
np.copy(np.array(2))
np.average(np.array(2.0))
np.bincount(np.array(2,dtype='int32'))
np.prod(np.array(3,dtype='int32'))
np.std(np.array(3.0))
np.nonzero(np.array(3.0))
np.trace(np.ones((1,1)))
np.squeeze(np.array(3.0),axis=0)
np.squeeze(np.array(3.0),axis=1)
np.unique(np.array(3.0),axis=0)
np.delete(np.array(3.0),0,axis=0)
np.insert(np.array(3.0),0,5,axis=0)
np.argmax(np.array(3.0),axis=0)
np.argmin(np.array(3.0),axis=1)
mx.npx.softmax(np.array(3.0),axis=0)
mx.npx.log_softmax(np.array(3.0))
mx.npx.softmax(np.array(3.0),axis=1)
np.equal(np.array([1,255],dtype='uint8'),1e10)
np.maximum(np.array([1,2],dtype='float16'),1e10)
np.clip(i.astype('int8'),-1000,1000)
np.clip(3,0,1)
np.dot(f[:1],np.ones((2,3,4)))
np.dot(np.ones((2,1)),np.ones((2,3,4)))
np.inner(f[:1],f)
np.inner(np.ones((2,1)),m)
np.vdot(f[:1],f)
np.tensordot(f[:1],f,1)
np.tensordot(np.ones((2,1)),m.T,([1],[0]))
mx.npx.batch_dot(np.ones((2,3,3)),np.ones((1,3,3)))
mx.npx.batch_dot(m,m.T)
np.linalg.solve(np.ones((2,3,3)),np.ones((1,3,3)))
np.polyval(m,f)
np.exp(f,dtype='abcdefg')
np.exp(f,dtype='float16')
np.exp(f,casting='mxnet')
np.exp(f,casting='safe')
np.add(f,f,order='mxnet')
np.add(f,f,dtype='complex64')
np.equal(f,f,where=True)
np.true_divide(f,f,dtype=None)
np.arange(0,np.inf)
np.array(onp.int32(3))
np.array(onp.float64(3))
np.array(onp.bool_(True))
np.full_like(f,np.array(2.0))
np.arange(np.array(3))
np.arange(np.array(3),np.array(6))
np.ones(np.array(3,dtype='int32'))
np.meshgrid(i,f)
np.meshgrid(i,f,indexing='ij')
np.meshgrid(f,np.array(2.0),i)
np.sum(np.array([1.7,1.7,-1.2]),dtype='int32')
np.prod(np.array([1.5,2.5,-1.9]),axis=0,dtype='int64')
np.array_split(f,2)
np.array_split(z,2)
np.array_split(f,np.array([1]))
np.hsplit(f,2)
np.hsplit(f,np.array([1]))
np.subtract(ii,i.astype('int32'))
np.subtract(ii,b)
np.mod(ii,i.astype('int8'))
np.subtract(i,i.astype('int32'))
np.linalg.lstsq(z.reshape(0,0),z)
np.linalg.lstsq(np.zeros((4,0)),np.ones((4,1)))
np.linalg.lstsq(np.zeros((4,0)),np.ones(4))
np.linalg.lstsq(np.zeros((0,2)),np.zeros((0,3)))
np.linalg.lstsq(np.zeros((4,2)),np.zeros((4,0)))
np.linalg.lstsq(ii.T,i)[0]
np.linalg.lstsq(ii.T,i.astype('float32'),rcond=None)[0].dtype.name
np.linalg.lstsq(f,f)
np.linalg.lstsq(m,f)
np.linalg.lstsq(m.astype('float16'),f[:2].astype('float16'))
np.linalg.pinv(np.zeros((0,3)))
np.linalg.pinv(np.zeros((2,3,0)))
np.linalg.tensorsolve(np.zeros((0,0)),z)
np.linalg.tensorsolve(np.zeros((0,2,2,0)),np.zeros((0,2)))
np.linalg.tensorsolve(np.array(2.0),np.array(3.0))
np.linalg.tensorsolve(np.array([[2,1],[1,2]],dtype='int32'),f[:2])
np.linalg.solve(np.array([[2,1],[1,2]],dtype='int32'),np.array([1,2],dtype='int64'))
np.linalg.solve(np.array([[2.0,1],[1,2]]),np.array([1,2],dtype='float64'))
np.linalg.eigvalsh(np.array([[2,1],[1,2]],dtype='int32'))
np.linalg.eigh(np.array([[2,0],[0,5]],dtype='uint8'))[0]
"""

SETUP_OF_BOOKS = """
f, m, i = np.array([0.1, 2, 3]), np.arange(6).reshape(2, 3), np.array([0, 2, 1], dtype="int32")
b, npx = f > 1, mx.npx
"""

# What books do, and sizes, axes and dtypes written in NumPy's and Python's types.
AS_IN_BOOKS = """
np.zeros(2,dtype=float).dtype
np.zeros(2,dtype=int).dtype
np.zeros(2,dtype=np.float16).dtype
np.zeros(2,dtype=onp.dtype('int8')).dtype
np.array([1,2],dtype=bool)
np.sum(m,dtype=int)
np.sum(m,dtype=np.float64)
np.mean(m,dtype=onp.float64)
np.arange(3,dtype=int)
np.arange(3,dtype=onp.int32)
np.eye(2,dtype=int)
np.full(2,3,dtype=int)
np.linspace(0,1,2,dtype=onp.float16)
np.cumsum(i,dtype=np.int64)
np.ones((2,3),ctx=npx.cpu(1)).ctx
np.array([1,2],ctx=npx.cpu())
np.exp(f)[b]
np.where(b,f,0)
np.sum(np.ones((2,3)),axis=1,keepdims=True)
np.dot(m,np.ones(3))
np.concatenate((m,m),axis=0)
np.abs(f-1).sum()
np.linalg.norm(np.array([3,-4.]))
np.exp(f)/np.exp(f).sum()
np.maximum(m,0)
np.power(f,3)
float(np.argmax(m,axis=1).astype('float32').sum())
np.log(np.exp(f).sum())
np.matmul(m,m.T)
np.tanh(f)
np.size(m)
np.full((2,),float('-inf'))
np.sqrt(np.array(2.0))
np.cos(np.pi)
np.sin(f*np.pi)
np.meshgrid(np.arange(2),np.arange(3))[0].shape
np.stack((f,f),axis=1).reshape(-1,2)
np.repeat(np.expand_dims(f,0),2,axis=0)
np.sort(m[::-1].copy())
np.ones_like(f)*2
np.expand_dims(f,axis=(0))
np.split(np.arange(6),3)
np.array_equal(f,f)
np.broadcast_to(np.arange(3),(2,3))
np.take(m,np.array([0,2]),axis=1)
np.unique(np.array([1,1,2]))
np.isnan(f).any()
np.tile(f,(2,1))
np.sum(m==m)
np.mean(m>2)
np.prod(np.array(m.shape))
np.var(m,axis=0)
np.std(m)
np.clip(f,0.5,1e9)
np.sign(f-1)
np.where(m>2)[0]
np.cumsum(np.ones(3))
np.ceil(f/2)
np.floor(f/2)
np.transpose(m)
np.squeeze(np.expand_dims(f,0))
np.swapaxes(m,0,1)
np.eye(3)[i]
np.min(m)
np.add(f,f)
np.subtract(f,1)
np.array(range(3)).dtype
np.outer(f,f)
np.trace(np.eye(3))
np.bincount(i)
np.diag(f)
np.einsum('ij->j',m)
np.flip(f,0)
np.hstack((f,f))
np.vstack([f,f])
np.ravel(m)
np.logspace(0,1,3)
np.triu_indices_from(np.eye(2))
np.linalg.inv(np.eye(2)*2)
np.linalg.svd(np.eye(2))[1]
np.polyfit(onp.arange(3),onp.arange(3),1)
np.isclose(f,f,atol=1)
np.allclose(f,f+1)
np.interp(2.5,[1,2,3],[3,2,0])
np.histogram(f,bins=np.array([0,1.,2,3]))
np.may_share_memory(f,f.reshape(3,1))
np.nonzero(b)
np.argsort(-f)
np.ndarray
np.float32(3)
np.int32(3)
np.sum(m,axis=onp.int64(0))
np.sum(m,axis=[0,1])
np.max(m,axis=[0])
np.mean(m,axis=onp.int32(1))
np.transpose(m,[1,0])
np.reshape(m,[3,2])
np.zeros([2,onp.int64(3)]).shape
np.zeros(onp.int64(3)).shape
np.expand_dims(m,onp.int64(0)).shape
np.concatenate((m,m),axis=onp.int64(0)).shape
np.stack([f,f],axis=onp.int64(0)).shape
np.split(m,onp.int64(3),axis=1)
np.tile(f,onp.int64(2))
np.repeat(f,onp.int64(2))
np.clip(f,onp.float32(0.5),2)
np.clip(f,np.array(0.5),2)
np.sum(m,keepdims=1)
np.roll(m,onp.int64(1))
np.take(f,i)
np.squeeze(m,axis=[])
np.full((2,2),np.array([1,2]))
np.add(b,f)
np.dot(f,f.astype('float64'))
np.array([f[0],f[1]])
np.array([[f[0],2],[f[1],3]])
np.array(f.tolist())
np.array((f,f)).dtype
"""


def test_integers_empty_arrays_and_arrays_without_axes():
    same_expressions(ODD_ARRAYS, SETUP, numpy=True, rtol=1e-4, atol=1e-5)


def test_what_books_do():
    same_expressions(AS_IN_BOOKS, SETUP_OF_BOOKS, numpy=True, rtol=1e-4, atol=1e-5)


NUMBERS_IN_GRAPHS = """
i, b, h = np.array([1, 3, 2], dtype="int32"), np.array([True, False], dtype=bool), np.array([1.0, 2], dtype="float16")

def hybrid(function, x):
    block = mx.gluon.nn.HybridLambda(function)
    block.hybridize()
    block(x)
    return block(x)

def graph(function, x):
    made = function(mx.sym, mx.sym.var("x").as_np_ndarray())
    return made.bind(mx.cpu(), {"x": x}).forward(), str(made.infer_type(x=x.dtype)[1]).replace("bool_", "bool")
"""


def test_numbers_beside_integers_in_graphs():
    formulas = """
    x + 2.5 | x + 2 | 2 + x | 2 - x | 2 * x | x * 2.5 | x - 2 | x % 2.5 | 7 % x | x**2 | x**0.5 | 2**x | x / 2 | 2 / x
    x == 2.5 | x > 1.5 | 1.5 < x | x <= 2 | F.np.add(2, x) | F.np.add(x, 2) | F.np.subtract(x, 0.5) | F.np.power(x, 2)
    F.np.maximum(x, 1.5) | F.np.minimum(2, x) | F.np.hypot(x, 2) | F.np.arctan2(x, 2.5) | F.np.equal(x, 1.5)
    F.np.true_divide(2, x) | F.np.lcm(x, 2) | F.np.argmax(x) * 1.5
    """
    formulas = [formula.strip() for line in formulas.strip().split("\n") for formula in line.split("|")]
    lines = [f"{way}(lambda F, x: {formula}, i)" for formula in formulas for way in ("hybrid", "graph")]
    lines += [f"{way}(lambda F, x: {formula}, b)" for formula in ("x * 2", "x * 2.5") for way in ("hybrid", "graph")]
    lines += [f"{way}(lambda F, x: {formula}, h)" for formula in ("2 * x", "x * 2.5") for way in ("hybrid", "graph")]
    lines += [f"(lambda x: {formula})(i)" for formula in formulas if "F." not in formula]
    same_expressions("\n".join(lines), NUMBERS_IN_GRAPHS, numpy=True)
