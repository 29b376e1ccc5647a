"""The model zoo without its oracle: the cache of parameter files, models in Tandem's own ways."""

import hashlib
import zipfile

import numpy as np
import pytest
import torch

import tandem.mxnet as mx
from tandem.mxnet.gluon.model_zoo import model_store, vision


def _publish(monkeypatch, folder, name, net, content=None):
    """A repository in a folder that has a net's parameters, under their digest; answers the name of the file."""
    net.save_parameters(str(folder / "saved"))
    data = (folder / "saved").read_bytes()
    monkeypatch.setitem(model_store._model_sha1, name, hashlib.sha1(data).hexdigest())
    monkeypatch.setenv("MXNET_GLUON_REPO", folder.as_uri())
    file_name = f"{name}-{model_store.short_hash(name)}"
    models = folder / "gluon" / "models"
    models.mkdir(parents=True)
    with zipfile.ZipFile(models / f"{file_name}.zip", "w") as archive:
        archive.writestr(f"{file_name}.params", data if content is None else content)
        archive.writestr("../elsewhere.params", b"never written")
    return f"{file_name}.params"


@pytest.fixture
def small(monkeypatch):
    """A small net under a published name."""
    monkeypatch.setitem(vision.vgg.vgg_spec, 11, ([1], [2]))
    net = vision.vgg11(classes=3)
    net.initialize()
    net(mx.nd.ones((1, 3, 4, 4)))
    return net


def test_pretrained_parameters_are_fetched_once(monkeypatch, tmp_path, small):
    file = _publish(monkeypatch, tmp_path, "vgg11", small)
    root = tmp_path / "cache"
    x = mx.nd.random.uniform(shape=(2, 3, 4, 4))
    net = vision.get_model("vgg11", pretrained=True, root=str(root), classes=3, ctx=mx.cpu(0))
    np.testing.assert_array_equal(net(x).asnumpy(), small(x).asnumpy())
    assert [path.name for path in root.iterdir()] == [file]
    assert not list(tmp_path.rglob("elsewhere*"))

    monkeypatch.setenv("MXNET_GLUON_REPO", (tmp_path / "nowhere").as_uri())
    assert model_store.get_model_file("vgg11", root=str(root)) == str(root / file)
    model_store.purge(str(root))
    assert not list(root.iterdir())
    with pytest.raises(OSError, match=r"(?s)not in the cache and cannot be downloaded.*by hand"):
        vision.vgg11(pretrained=True, root=str(root), classes=3)
    assert not list(root.iterdir())


def test_a_file_that_is_not_the_published_one(monkeypatch, tmp_path, small, caplog):
    file = _publish(monkeypatch, tmp_path, "vgg11", small)
    root = tmp_path / "cache"
    root.mkdir()
    (root / file).write_bytes(b"another")
    assert model_store.get_model_file("vgg11", root=str(root)) == str(root / file)
    assert "not the file that was published" in caplog.text
    assert (root / file).read_bytes() == (tmp_path / "saved").read_bytes()

    (root / file).write_bytes(b"another")
    monkeypatch.setenv("TANDEM_RUN_TRUST_CACHE", "1")
    with pytest.warns(UserWarning, match="hash differs"):
        model_store.get_model_file("vgg11", root=str(root))
    assert (root / file).read_bytes() == b"another"


def test_a_wrong_file_at_the_source(monkeypatch, tmp_path, small):
    _publish(monkeypatch, tmp_path, "vgg11", small, content=b"another")
    root = tmp_path / "cache"
    with pytest.raises(ValueError, match="not the one that was published"):
        model_store.get_model_file("vgg11", root=str(root))
    assert not list(root.iterdir())


def test_what_is_published():
    assert len(model_store._model_sha1) == 34
    assert set(model_store._model_sha1) == set(vision._MODELS)
    assert all(len(digest) == 40 for digest in model_store._model_sha1.values())
    assert model_store.short_hash("resnet18_v1") == "a0666292"
    with pytest.raises(ValueError, match=r"(?s)resnet18_v3.*resnet18_v1"):
        vision.get_model("resnet18_v3")


def test_each_published_name_is_that_of_its_parameters(monkeypatch):
    asked = []

    def get_model_file(name, root):
        asked.append((name, root))
        raise FileNotFoundError

    monkeypatch.setattr(model_store, "get_model_file", get_model_file)
    for name in vision._MODELS:
        with pytest.raises(FileNotFoundError):
            vision.get_model(name, pretrained=True, root="here")
    assert asked == [(name, "here") for name in vision._MODELS]


def test_functions_are_named():
    assert vision.resnet50_v2.__name__ == "resnet50_v2"
    assert "50 layers" in vision.resnet50_v2.__doc__


def test_fine_tuning_as_the_tutorials_do():
    """Features of one net, another last layer, a few steps, hybridized."""
    mx.random.seed(0)
    before = vision.mobilenet0_25()
    before.initialize(mx.init.Xavier())
    net = vision.mobilenet0_25(classes=2)
    net.features = before.features
    net.output.initialize(mx.init.Xavier())
    net.hybridize()
    trainer = mx.gluon.Trainer(net.collect_params(), "sgd", {"learning_rate": 0.05, "momentum": 0.9})
    loss_of = mx.gluon.loss.SoftmaxCrossEntropyLoss()
    x, y = mx.nd.random.uniform(shape=(8, 3, 64, 64)), mx.nd.array([0, 1] * 4)
    x = x + y.reshape((8, 1, 1, 1))
    losses = []
    for _ in range(8):
        with mx.autograd.record():
            loss = loss_of(net(x), y)
        loss.backward()
        trainer.step(8)
        losses.append(loss.mean().asscalar())
    assert losses[-1] < 0.3 * losses[0]


def test_a_model_is_a_torch_module():
    net = vision.resnet18_v1(classes=5, thumbnail=True)
    net.initialize()
    x = torch.rand(2, 3, 16, 16)
    out = net.eval()(x)
    assert isinstance(out, torch.Tensor) and out.shape == (2, 5)
    np.testing.assert_allclose(net(mx.nd.array(x.numpy())).asnumpy(), out.detach().numpy(), rtol=1e-5, atol=1e-6)
    assert "features.4.0.body.0.weight" in net.state_dict()
