"""Subscripts of NDArrays against the real MXNet."""

import pytest

from mxnet_parity import same_expressions

pytestmark = pytest.mark.oracle

SETUP = """
a = nd.array(np.arange(24).reshape(2, 3, 4))
b = nd.zeros((2, 3))
y = nd.array([1, 2, 3])
def shares(view):
    before = a.asnumpy()
    view[:] = -1
    return view.shape, bool((a.asnumpy() != before).any())
def put(statement):
    exec(statement, globals())
    return b
globals = dict(a=a, b=b, y=y, nd=nd, np=np, mx=mx)
"""

KEYS = """
0|0:1|1,2|1,1:3|0:1,1:3|0:1,0:1,1:3|:,1|:,:|...|:|::1|::-1|1:2,:,0:2|1,2,1:3|1,2,3|...,0|0,...|None|None,1|1,None|-1|
np.int64(1)|nd.array([1])|[1]|(1,)|1:1|5:7|True|:,0:3|:,0:3,0:4|0:2,0:1,0:2|np.array([True,False])|nd.array([1,0])|
[0,1],[1,2]|[[0,1]],1:2|0,[1,2]|range(2)|:,np.array([0,1])|[-1]|0,[1,-1]|[[0,1],[1,0]]|nd.array([[0,1],[1,0]])|
[0,1],:,[0,1]|0,:,[0,1]|[0],None|::2|-5:|slice(None,None,-1)|(0,1),|(0,1)|None,None|...,None|()|[True,False]|
np.array([0,1],dtype='int32'),np.array([[0],[1]])|nd.array([0.9,1.2])|0:2:2|0:1:2|:,::2|:,::-1,1:|:,None,1:2|1,-1,-2:|
:,[0,2],1|[1],:,0|::-1,[0,1]
""".replace("\n", "").split("|")

ERRORS = ["a[1.5]", "a['x']", "a[2]", "a[0,0,0,0]", "a[0,5]", "a[...,...]", "a[-3]", "y[3]", "a[0.0]", "a[::0]"]

ASSIGNMENTS = """
b[:]=1|b[0]=[1,2,3]|b[0]=np.array([1,2,3])|b[0,1]=5|b[:,1]=nd.array([7,8])|b[:,1]=7|b[[0,1],[1,2]]=9|b[[0,1],[1,2]]=[3,4]|
b[nd.array([1])]=4|b[1:]=nd.ones((1,3))|b[:,::2]=3|b[::-1]=np.arange(6).reshape(2,3)|b[...]=2|b[None]=2|b[0]=[1,2]|b[5]=1|
b[0,7]=1|b[b>0]=5|b[(b==0)]=5|b[:]=nd.ones((3,2))|b[:]=np.float64(3)|b[:]=nd.ones((2,1))|b[:]=nd.ones((3,))|
b[0:1,0:2]=nd.array([[1,2]])|b[:]='x'|b[:]=True|b[0]=nd.array([5])|b[:]=nd.ones((2,3),dtype='int32')|
b[0:1]=nd.ones((1,3),dtype='int32')|b[:]=[[1,2,3],[4,5,6]]|b[0,0]=nd.array([5])|b[1][2]=7|b[-1,-1]=3|b[-3]=1|b[0,:][1]=4|
b[:,0][1]=4|b[:]=None|b[1,...]=2|b[[True,False]]=1|b[1,[0,2]]=nd.array([3,4])|b[1:5]=2|b[0:1]=np.ones((1,3),dtype='int32')|
b[:,::-1]=nd.array([[1,2,3],[4,5,6]])|b[1,::-1]=[1,2,3]|b[::2,[0,1]]=3|b[:,[2,0]]=nd.array([[1,2],[3,4]])|b[[0,1]]=np.arange(3)|b[[1,0]]=[1,2,3]|
b[:,[2,0]]=np.array([[1.7],[2]])|b[nd.array([1])]=nd.array([1,2,3],dtype='int32')|b[::-1,[0,1]]=np.array([1,2])|b[5]='a'|b[0,0,0]='a'
""".replace("\n", "").split("|")


def test_reading():
    same_expressions([f"a[{key}]" for key in KEYS], SETUP)


def test_sharing_memory():
    same_expressions([f"shares(a[{key}])" for key in KEYS], SETUP)


def test_errors():
    same_expressions(ERRORS, SETUP)


def test_assignment():
    same_expressions([f"put({statement!r})" for statement in ASSIGNMENTS], SETUP)


def test_one_dimension():
    same_expressions(
        ["y[0]", "y[-1].asscalar()", "y[nd.array([0])]", "y[1:]", "[float(v.asscalar()) for v in y]"], SETUP
    )
