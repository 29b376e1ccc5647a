"""First values: fans, variances and structure against the real frameworks."""

import math

import numpy as np
import pytest
import torch

import oracles
from tandem.ops import init

SHAPES = [(3, 4), (3, 3, 5, 7), (2, 3, 4), (3, 3, 3, 2, 4)]


def seeded(seed=5):
    return torch.Generator().manual_seed(seed)


def test_fans_of_both_layouts():
    assert init.fans(()) == (1, 1)
    assert init.fans((3,)) == (3, 3)
    assert init.fans((3, 4)) == (3, 4)
    assert init.fans((3, 3, 5, 7)) == (45, 63)
    assert init.fans((7, 5, 3, 3), "oi_spatial") == (45, 63)
    assert init.fans((4, 3), "oi_spatial") == (3, 4)
    assert init.fans((3, 4, 5), input_axes=[0], output_axes=[1, 2]) == (3, 20)


@pytest.mark.oracle
@pytest.mark.parametrize("mode", ["fan_in", "fan_out", "fan_avg"])
@pytest.mark.parametrize("distribution", ["truncated_normal", "untruncated_normal", "uniform"])
def test_variance_scaling_has_kerass_spread(mode, distribution):
    keras = oracles.real_keras()
    shape = (3, 3, 40, 100)
    expected = keras.initializers.VarianceScaling(2.0, mode, distribution, seed=1)(shape).numpy()
    got = init.variance_scaling(shape, 2.0, mode, distribution, generator=seeded()).numpy()
    assert got.std() == pytest.approx(expected.std(), rel=0.02)
    assert abs(got.mean()) < 4 * got.std() / math.sqrt(got.size)
    if distribution != "untruncated_normal":
        assert abs(got).max() == pytest.approx(abs(expected).max(), rel=0.01)


@pytest.mark.oracle
@pytest.mark.parametrize("kind", ["uniform", "gaussian"])
@pytest.mark.parametrize("factor", ["avg", "in", "out"])
def test_xavier_has_mxnets_spread(kind, factor):
    shape = (60, 30, 5, 5)
    code = "a = nd.zeros(shape); mx.init.Xavier(kind, factor, 3)(mx.init.InitDesc('w_weight'), a)"
    expected = oracles.mxnet.run(code, returns=["a"], shape=list(shape), kind=kind, factor=factor)["a"]
    got = init.variance_scaling(
        shape,
        3.0 if kind == "gaussian" else 1.0,
        f"fan_{factor}",
        "uniform" if kind == "uniform" else "untruncated_normal",
        layout="oi_spatial",
        generator=seeded(),
    ).numpy()
    assert got.std() == pytest.approx(expected.std(), rel=0.02)


def test_unknown_modes_raise():
    with pytest.raises(KeyError):
        init.variance_scaling((2, 3), mode="fan_up")


@pytest.mark.parametrize("distribution", ["normal", "uniform"])
@pytest.mark.parametrize(
    ("shape", "rows"), [((3, 5), "last"), ((5, 3), "last"), ((2, 3, 4), "last"), ((4, 2, 3), "first")]
)
def test_orthogonal(shape, rows, distribution):
    w = init.orthogonal(shape, 2.0, rows=rows, distribution=distribution, generator=seeded())
    assert w.shape == shape
    matrix = w.reshape(shape[0], -1) if rows == "first" else w.reshape(-1, shape[-1])
    short = matrix @ matrix.t() if matrix.shape[0] <= matrix.shape[1] else matrix.t() @ matrix
    torch.testing.assert_close(short, 4 * torch.eye(len(short)), atol=1e-5, rtol=0)
    again = init.orthogonal(shape, 2.0, rows=rows, distribution=distribution, generator=seeded())
    assert torch.equal(w, again)
    assert not torch.equal(w, init.orthogonal(shape, 2.0, rows=rows, distribution=distribution, generator=seeded(6)))


def test_orthogonal_prefers_no_direction():
    """Without the sign rule the diagonal of a QR factor would have one sign."""
    firsts = torch.stack([init.orthogonal((2, 2), generator=seeded(s))[0, 0] for s in range(200)])
    assert abs(firsts.mean().item()) < 0.2


@pytest.mark.oracle
@pytest.mark.parametrize("shape", [(1, 1, 4, 4), (2, 1, 3, 3), (2, 3, 2, 4), (1, 1, 5, 5)])
def test_bilinear_is_mxnets(shape):
    code = "a = nd.zeros(shape); mx.init.Bilinear()(mx.init.InitDesc('w_weight'), a)"
    expected = oracles.mxnet.run(code, returns=["a"], shape=list(shape))["a"]
    np.testing.assert_allclose(init.bilinear(shape).numpy(), expected, rtol=1e-6)


@pytest.mark.oracle
@pytest.mark.parametrize("window", ["hann", "hamming", None, [1.0, 2.0, 3.0, 4.0]])
@pytest.mark.parametrize("side", ["real", "imag"])
@pytest.mark.parametrize("scaling", ["density", "spectrum", None])
def test_stft_kernel_is_kerass(window, side, scaling):
    keras = oracles.real_keras()
    given = np.array(window) if isinstance(window, list) else window
    for periodic in (False, True):
        for shape in ((4, 1, 3), (4, 1, 2), (4, 1, 5)):
            options = {"window": given, "scaling": scaling, "periodic": periodic}
            expected = keras.initializers.STFT(side, **options)(shape).numpy()
            np.testing.assert_allclose(init.stft_kernel(shape, side, **options).numpy(), expected, atol=1e-6)


def test_identity_and_gate_bias():
    assert init.identity((2, 3), 0.5).tolist() == [[0.5, 0.0, 0.0], [0.0, 0.5, 0.0]]
    assert init.gate_bias((8,), 2.0).tolist() == [0, 0, 2, 2, 0, 0, 0, 0]
    assert init.gate_bias((3,), gate=0, gates=3, dtype=torch.float64).tolist() == [1, 0, 0]


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_dtypes(dtype):
    for make in (init.variance_scaling, init.orthogonal, init.identity, init.bilinear):
        assert make((4, 4), dtype=dtype).dtype == dtype
