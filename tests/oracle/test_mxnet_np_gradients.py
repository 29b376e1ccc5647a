"""Gradients of `mx.np`'s functions against the real MXNet's, where its own are right."""

import pytest

from mxnet_parity import same_expressions

pytestmark = pytest.mark.oracle

SETUP = """
m, f, t = np.arange(6).reshape(2, 3), np.array([1.0, 2, 3]), np.arange(48).reshape(4, 6, 2)
for x in (m, f, t):
    x.attach_grad()


def g(function, *xs):
    with autograd.record():
        y = function()
    ys = list(y) if isinstance(y, (list, tuple)) else [y]
    autograd.backward(ys, [np.array(onp.cos(onp.arange(one.size)).reshape(one.shape), dtype=one.dtype) for one in ys])
    return [x.grad for x in xs]
"""

GRADIENTS = """
g(lambda: np.vstack((m,m*2)),m)
g(lambda: np.vstack((f,f*2)),f)
g(lambda: np.dstack((m,m*2)),m)
g(lambda: np.dstack((f,f*2)),f)
g(lambda: np.hstack((f,f*2)),f)
g(lambda: np.column_stack((f,f*2)),f)
g(lambda: np.column_stack((m,m*2)),m)
g(lambda: np.split(t,[1,3],axis=0),t)
g(lambda: np.split(t,3,axis=1),t)
g(lambda: np.hsplit(t,[1,3]),t)
g(lambda: np.dsplit(t,2),t)
g(lambda: np.repeat(m,2,1),m)
g(lambda: np.repeat(m,3),m)
g(lambda: np.tile(m,(2,1,2)),m)
g(lambda: np.flip(m),m)
g(lambda: np.roll(m,1,0),m)
g(lambda: np.concatenate((m,m*2)),m)
g(lambda: np.concatenate((m,m*2),axis=None),m)
g(lambda: np.average(m),m)
g(lambda: np.average(m,axis=1,weights=f),m,f)
g(lambda: np.append(m,m),m)
g(lambda: np.where(m>2,m,m*m),m)
g(lambda: np.clip(m,1,3),m)
g(lambda: np.max(m,1),m)
g(lambda: np.sort(-m),m)
g(lambda: np.cumsum(m,1),m)
g(lambda: np.diff(m,2),m)
g(lambda: np.ediff1d(m,to_end=3),m)
g(lambda: np.linalg.norm(m),m)
g(lambda: np.linalg.norm(m,axis=1),m)
g(lambda: np.linalg.norm(m,ord=1),m)
g(lambda: np.linalg.norm(m,ord=2),m)
g(lambda: np.linalg.norm(m,ord='nuc'),m)
g(lambda: np.linalg.norm(m,ord=np.inf),m)
g(lambda: np.linalg.norm(f,ord=3),f)
g(lambda: np.einsum('ij,kj->ik',m,m),m)
g(lambda: np.tensordot(m,m,2),m)
g(lambda: np.dot(m,f),m,f)
g(lambda: np.inner(m,f),m,f)
g(lambda: np.outer(f,f),f)
g(lambda: np.meshgrid(f,f),f)
g(lambda: np.broadcast_to(f,(2,3)),f)
g(lambda: np.broadcast_arrays(f,m),f,m)
g(lambda: np.take(m,np.array([0,0,1]),axis=1),m)
g(lambda: np.tril(m),m)
g(lambda: np.trace(m),m)
g(lambda: np.squeeze(m.reshape(1,2,3)),m)
g(lambda: np.nan_to_num(m),m)
g(lambda: np.around(m),m)
g(lambda: np.maximum(m,2),m)
g(lambda: np.mod(m,2),m)
g(lambda: np.prod(m+1,0),m)
g(lambda: np.mean(m),m)
g(lambda: np.sum(m),m)
g(lambda: np.abs(m),m)
g(lambda: np.fabs(m-1),m)
g(lambda: np.sign(m),m)
g(lambda: np.power(m,2),m)
g(lambda: np.power(2,m),m)
g(lambda: np.sqrt(m),m)
g(lambda: np.full((2,3),f),f)
g(lambda: np.copy(f),f)
g(lambda: np.ravel(m),m)
g(lambda: np.stack([f,f]),f)
g(lambda: np.linalg.slogdet(np.dot(m,m.T)+np.eye(2)),m)
g(lambda: np.linalg.solve(np.dot(m,m.T)+np.eye(2),m),m)
g(lambda: np.polyval(f,m),f,m)
g(lambda: np.diag(f),f)
g(lambda: np.diagonal(m),m)
g(lambda: np.hypot(m+1,m+2),m)
g(lambda: np.ldexp(f,2),f)
g(lambda: np.fix(f),f)
"""


def test_gradients():
    same_expressions(GRADIENTS, SETUP, numpy=True, rtol=1e-4, atol=1e-5)
