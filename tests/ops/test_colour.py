import numpy as np
import pytest
import torch

from aten import close, randn
from oracles import mxnet, real_keras
from tandem.ops import colour as K


def legacy():
    real_keras()
    pytest.importorskip("scipy")
    from keras.src.legacy.preprocessing import image

    return image


def pixels(*shape):
    return torch.randint(0, 256, shape, generator=torch.Generator().manual_seed(0)).to(torch.uint8)


# --- MXNet ---


@pytest.mark.oracle
def test_jitter_against_mxnet():
    whole = pixels(4, 5, 3)
    for x, slack in ((whole, 1), (whole.float() / 255, 2e-5)):
        code = """
        d = nd.array(x, dtype=x.dtype)
        i = nd.image
        out = [i.random_brightness(d, f, f), i.random_contrast(d, f, f), i.random_saturation(d, f, f),
               i.random_hue(d, f, f), i.adjust_lighting(d, alpha=(0.1, 0.2, 0.3))]
        """
        for factor in (0.6, 1.4):
            out = mxnet.run(code, ["out"], x=x.numpy(), f=factor)["out"]
            ours = (
                K.adjust_brightness(x, factor),
                K.adjust_contrast(x, factor),
                # MXNet 1.9.1's operator keeps only the last term of the grey; its SaturationJitterAug has all three.
                K.adjust_saturation(x, factor, weights=(0.0, 0.0, 0.114)),
                K.adjust_hue(x, factor - 1),
                K.adjust_lighting(x, (0.1, 0.2, 0.3)),
            )
            for mine, theirs in zip(ours, out):
                assert mine.dtype == x.dtype
                close(mine.float(), theirs.astype("float32"), slack)


@pytest.mark.oracle
def test_augmenters_against_mxnet():
    x = pixels(4, 5, 3).float()
    code = """
    import random
    out, drawn = [], []
    for kind in (mx.image.SaturationJitterAug, mx.image.ContrastJitterAug, mx.image.HueJitterAug):
        random.seed(3)
        drawn.append(random.uniform(-0.4, 0.4))
        random.seed(3)
        out.append(kind(0.4)(nd.array(x)))
    out.append(mx.image.RandomGrayAug(1.0)(nd.array(x)))
    """
    values = mxnet.run(code, ["out", "drawn"], x=x.numpy())
    a, b, c = values["drawn"]
    ours = (
        K.adjust_saturation(x, 1 + a),
        K.adjust_contrast(x, 1 + b),
        K.rotate_hue(x, c),
        K.grayscale(x, weights=(0.21, 0.72, 0.07), channels=3),
    )
    for mine, theirs in zip(ours, values["out"]):
        close(mine, theirs, 2e-3)


@pytest.mark.oracle
def test_to_tensor_and_normalize_against_mxnet():
    x = pixels(2, 4, 5, 3)
    code = """
    one = nd.image.to_tensor(nd.array(x[0], dtype="uint8"))
    all = nd.image.to_tensor(nd.array(x, dtype="uint8"))
    three = nd.image.normalize(all, mean=(0.1, 0.2, 0.3), std=(1, 2, 3))
    single = nd.image.normalize(one, mean=0.1, std=2)
    """
    theirs = mxnet.run(code, ["one", "all", "three", "single"], x=x.numpy())
    close(K.to_tensor(x[0]), theirs["one"])
    close(K.to_tensor(x), theirs["all"])
    close(K.normalize(K.to_tensor(x), (0.1, 0.2, 0.3), (1, 2, 3)), theirs["three"])
    close(K.normalize(K.to_tensor(x[0]), 0.1, 2), theirs["single"])
    assert K.to_tensor(x).is_contiguous()


def test_jitter_of_a_batch_with_a_factor_to_each_image():
    x = torch.rand(3, 4, 5, 3)
    factors = torch.tensor([0.5, 1.0, 1.5])
    for function in (K.adjust_brightness, K.adjust_contrast, K.adjust_saturation, K.adjust_hue, K.channel_shift):
        y = function(x, factors)
        for i, factor in enumerate(factors.tolist()):
            close(y[i], function(x[i], factor))
        if function not in (K.adjust_brightness, K.channel_shift):
            first = function(x.movedim(-1, 1), factors, layout="channels_first")
            close(first.movedim(1, -1), y)


def test_a_full_turn_of_the_hue_changes_nothing():
    x = torch.rand(4, 5, 3)
    close(K.adjust_hue(x, 1.0), x)
    close(K.adjust_hue(K.adjust_hue(x, 0.3), -0.3), x)
    close(K.adjust_hue(torch.full((1, 1, 3), 0.4), 0.3), torch.full((1, 1, 3), 0.4))


# --- Keras 2 ---


@pytest.mark.oracle
def test_shifts_against_keras_2():
    keras = legacy()
    rng = np.random.RandomState(0)
    images = [
        rng.rand(5, 6, 3) * 255,
        rng.rand(5, 6, 3),
        rng.rand(5, 6, 3) * 4 - 2,
        rng.rand(5, 6, 3) * 1000,
        np.full((5, 6, 3), 9.0),
        rng.rand(5, 6, 1) * 200,
    ]
    for x in images:
        x = x.astype("float32")
        for factor in (0.0, 0.4, 1.0, 1.7):
            for scale in (True, False):
                theirs = keras.apply_brightness_shift(x.copy(), factor, scale=scale)
                close(K.brightness_shift(torch.from_numpy(x), factor, scale=scale), theirs, 1e-4)
        for intensity in (-20.0, 0.3):
            theirs = keras.apply_channel_shift(x.copy(), intensity, channel_axis=2)
            close(K.channel_shift(torch.from_numpy(x), intensity), theirs, 1e-5)
    batch = torch.from_numpy(np.stack(images[:4]).astype("float32"))
    factors = torch.tensor([0.4, 1.7, 1.0, 0.2])
    y = K.brightness_shift(batch, factors, scale=False)
    for i in range(4):
        close(y[i], K.brightness_shift(batch[i], factors[i].item(), scale=False))


@pytest.mark.oracle
@pytest.mark.parametrize("layout", ["channels_last", "channels_first"])
def test_standardising_against_keras_2(layout):
    keras = legacy()
    x = np.random.RandomState(0).rand(20, 4, 3, 2).astype("float32")
    axes = (0, 1, 2) if layout == "channels_last" else (0, 2, 3)
    for kind in ("samplewise", "featurewise", "zca"):
        arguments = (
            {"zca_whitening": True, "featurewise_center": True}
            if kind == "zca"
            else {f"{kind}_center": True, f"{kind}_std_normalization": True}
        )
        generator = keras.ImageDataGenerator(**arguments, zca_epsilon=1e-2, data_format=layout)
        generator.fit(x)
        theirs = np.stack([generator.standardize(image.copy()) for image in x])
        t = torch.from_numpy(x)
        if kind == "samplewise":
            ours = K.samplewise_standardize(t)
        else:
            mean = t.mean(axes, keepdim=True)
            deviation = (t - mean).std(axes, correction=0, keepdim=True)
            ours = K.standardize(t, mean, deviation if kind == "featurewise" else None)
        if kind == "zca":
            ours = K.whiten(ours, K.zca_matrix(ours, epsilon=1e-2))
        close(ours, theirs, 2e-3 if kind == "zca" else 1e-4)


def test_gradients():
    x = torch.rand(2, 3, 2, 3, dtype=torch.float64, requires_grad=True)
    for function in (
        lambda t: K.adjust_contrast(t, 1.3),
        lambda t: K.adjust_saturation(t, 0.7),
        lambda t: K.adjust_hue(t, 0.21),
        lambda t: K.rotate_hue(t, 0.3),
        lambda t: K.samplewise_standardize(t),
        lambda t: K.normalize(t.movedim(-1, 1), (0.1, 0.2, 0.3), 2.0),
    ):
        assert torch.autograd.gradcheck(function, x)


def test_wrong_arguments_are_named():
    with pytest.raises(ValueError, match=r"3 channels.*Given: 2"):
        K.adjust_saturation(randn(4, 4, 2), 0.5)
    with pytest.raises(ValueError, match=r"3 channels.*Given: 2"):
        K.adjust_lighting(randn(4, 4, 2), (0, 0, 0))
    with pytest.raises(ValueError, match=r"mean.*1 or 3.*Given: 2"):
        K.normalize(randn(3, 4, 4), (0.1, 0.2), 1.0)
    with pytest.raises(ValueError, match="no image"):
        K.to_tensor(randn(4, 4))
