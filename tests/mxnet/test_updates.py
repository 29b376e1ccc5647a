"""Update operators on several weights, and those that need `out=`: the same numbers as the real MXNet's."""

import pytest

from mxnet_parity import same_expressions
from tandem.mxnet import MXNetError, nd

_SETUP = """
rng = onp.random.RandomState(0)

def A(*shape, dtype="float32", low=None):
    return nd.array(rng.randn(*shape) if low is None else rng.uniform(low, 1, shape), dtype=dtype)

C, inf, nan = nd.contrib, float("inf"), float("nan")
w, g, m, v = A(3, 2), A(3, 2), A(3, 2), A(3, 2, low=0.1)
W, G, M, V = [A(2), A(3)], [A(2), A(3)], [A(2), A(3)], [A(2, low=0.1), A(3, low=0.1)]
H, HG = [x.astype("float16") for x in W], [x.astype("float16") for x in G]
W32 = [x.astype("float32") for x in H]
rates, decays = nd.array([0.1, 0.2]), nd.array([0, 0.1])
lists = dict(lrs=[0.1, 0.2], wds=[0, 0.1])

def each(*lists):
    return [x for group in zip(*lists) for x in group]
"""


@pytest.mark.oracle
def test_updates_of_several_weights():
    same_expressions(
        """
        [C.adamw_update(w, g, m, v, 2.0, lr=0.1, eta=0.7, beta1=0.5, out=w), w, m, v]
        [C.adamw_update(w, g, m, v, inf, lr=0.1, eta=0.7, out=w), w, m, v]
        [C.adamw_update(w, g, m, v, nan, lr=0.1, eta=0.7, out=w), w, m, v]
        [C.adamw_update(w, g, m, v, 0, lr=0.1, eta=0.7, out=w), w, m, v]
        [C.mp_adamw_update(H[0], HG[0], M[0], V[0], W32[0], 2.0, lr=0.1, eta=0.7, wd=0.1, out=H[0]), H, M, V, W32]
        [C.multi_adamw_update(W, G, M, V, nd.array([0.5]), **lists, etas=[1, 0.5], out=W), W, M, V]
        [C.multi_mp_adamw_update(H, HG, M, V, W32, 0.5, **lists, etas=[1, 0.5], out=H), H, M, V, W32]
        [C.multi_lamb_update(W, G, M, V, step_count=[1, 2], **lists, out=W), W, M, V]
        [C.multi_lamb_update(W, G, M, V, step_count=[1, 2], **lists, out=W, upper_bound=1., bias_correction=False), M]
        [C.multi_mp_lamb_update(H, HG, M, V, W32, step_count=[1, 2], **lists, out=H), H, M, V, W32]
        [nd.preloaded_multi_sgd_update(*each(W, G), rates, decays, num_weights=2, out=W, clip_gradient=0.3), W]
        [nd.preloaded_multi_sgd_mom_update(*each(W, G, M), rates, decays, num_weights=2, momentum=0.9, out=W), W, M]
        [nd.preloaded_multi_mp_sgd_update(*each(H, HG, W32), rates, decays, num_weights=2, out=H), H, W32]
        [nd.preloaded_multi_mp_sgd_mom_update(*each(H, HG, M, W32), rates, decays, num_weights=2, out=H), H, W32, M]
        [nd.multi_sgd_update(*each(W, G), **lists, num_weights=2, out=W), W]
        [nd.multi_sgd_mom_update(*each(W, G, M), **lists, num_weights=2, momentum=0.9, out=W), W, M]
        [nd.multi_mp_sgd_mom_update(*each(H, HG, M, W32), **lists, num_weights=2, momentum=0.9, out=H), H, W32, M]
        [nd.lamb_update_phase2(w, g, w.norm(), g.norm(), lr=0.1, out=w), w]
        [nd.ftml_update(w, g, m, v, g, lr=0.1, t=3, wd=0.1, out=w), w, m, v]
        [nd.sgd_mom_update(w, g, m, lr=0.1, wd=0.1), w, m]
        nd.sgd_update(w, g[:2], lr=0.1)
        nd.adam_update(w, g, m, v[:1], lr=0.1)
        """,
        _SETUP,
        rtol=1e-3,
    )


def test_group_adagrad_sums_each_rows_squares():
    weight, grad, history = nd.ones((2, 3)), nd.array([[1, 2, 3], [0, 0, 3]]), nd.ones((2,))
    nd.contrib.group_adagrad_update(weight, grad, history, lr=0.1, epsilon=0, out=weight)
    assert history.asnumpy() == pytest.approx([1 + 14 / 3, 4])
    assert weight.asnumpy()[1] == pytest.approx([1, 1, 0.85])
    with pytest.raises(MXNetError, match="shape"):
        nd.sgd_mom_update(weight, grad, nd.ones(2), lr=0.1)
