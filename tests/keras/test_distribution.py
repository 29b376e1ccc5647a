"""The objects of `keras.distribution` on one process, as Keras 3.15 has them; and meshes of two processes."""

import numpy as np
import pytest
import torch
from tests.processes import free_port, together

from tandem import keras
from tandem.core.errors import Unsupported
from tandem.engine.distributed import group
from tandem.keras import layers
from tandem.keras.distribution import (
    DataParallel,
    DeviceMesh,
    LayoutMap,
    ModelParallel,
    TensorLayout,
    distribute_tensor,
    initialize,
)

DEVICES = [f"cpu:{number}" for number in range(8)]


@pytest.fixture
def mesh():
    return DeviceMesh((2, 4), ["batch", "model"], DEVICES)


def test_meshes(mesh):
    assert (mesh.shape, mesh.axis_names) == ((2, 4), ["batch", "model"])
    assert mesh.devices.tolist() == [DEVICES[:4], DEVICES[4:]]
    assert repr(mesh) == "<DeviceMesh shape=(2, 4), axis_names=['batch', 'model']>"
    assert DeviceMesh((1,), ["batch"], ["cpu:0"]).shape == (1,)
    with pytest.raises(RuntimeError, match="a process to each device"):
        _ = mesh.backend_mesh


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (((2, 4), ["batch"], DEVICES), "Shape and axis_names should have same size"),
        (((2, 2), ["batch", "model"], DEVICES), "Shape does not match the number of devices"),
        ((None, ["batch"], DEVICES), "Shape and axis_names cannot be empty"),
        (((8,), None, DEVICES), "Shape and axis_names cannot be empty"),
        (((), [], DEVICES), "Shape and axis_names cannot be empty"),
    ],
)
def test_wrong_meshes(arguments, message):
    with pytest.raises(ValueError, match=message):
        DeviceMesh(*arguments)


def test_layouts(mesh):
    layout = TensorLayout(["batch", None], mesh)
    assert layout.axes == ("batch", None)
    assert repr(layout) == f"<TensorLayout axes=('batch', None), device_mesh={mesh}>"
    later = TensorLayout(["batch"])
    with pytest.raises(ValueError, match="device mesh is not set"):
        _ = later.backend_layout
    later.device_mesh = mesh
    with pytest.raises(ValueError, match="Cannot override device mesh value"):
        later.device_mesh = mesh
    with pytest.raises(ValueError, match="Invalid axis names for Layout"):
        TensorLayout(["depth"], mesh)
    wrong = TensorLayout(["depth"])
    with pytest.raises(ValueError, match="Invalid axis names for Layout"):
        wrong.device_mesh = mesh


def test_maps_of_layouts(mesh):
    layouts = LayoutMap(mesh)
    layouts["d1/kernel"] = (None, "model")
    layouts[".*dense.*kernel"] = TensorLayout([None, "model"], mesh)
    layouts["dense.*bias"] = ("model",)
    assert list(layouts) == list(layouts.keys()) == ["d1/kernel", ".*dense.*kernel", "dense.*bias"]
    assert len(layouts) == 3 and layouts.device_mesh is mesh
    assert all(layout.device_mesh is mesh for layout in layouts.values())
    assert layouts["model/dense_1/kernel"].axes == (None, "model")
    assert layouts["dense_2/bias"].axes == ("model",)
    for path in ("xd1/kernel", "d1/kernels", "a/dense_2/bias", "other"):  # a pattern fits as a whole or not at all
        assert layouts[path] is None
    layouts["d.*kernel"] = ("model", None)
    assert layouts["d1/kernel"].axes == (None, "model")  # the path itself comes first
    with pytest.raises(ValueError, match="matches multiple layout specification keys"):
        _ = layouts["dense/kernel"]
    del layouts["d.*kernel"]
    assert layouts["dense/kernel"].axes == (None, "model")
    with pytest.raises(KeyError):
        del layouts["other"]
    with pytest.raises(ValueError, match="already exist in the LayoutMap"):
        layouts["d1/kernel"] = (None,)
    for wrong in (3, "model", None):
        with pytest.raises(ValueError, match="should be a TensorLayout type"):
            layouts["z"] = wrong
    with pytest.raises(ValueError, match="Invalid axis names"):
        layouts["z"] = ("depth",)


def test_devices():
    count = torch.cuda.device_count()
    expected = [f"gpu:{number}" for number in range(count)] or ["cpu:0"]
    assert keras.distribution.list_devices() == expected
    assert keras.distribution.list_devices("cpu") == ["cpu:0"]
    assert keras.distribution.get_device_count("CPU") == 1
    for kind in ["tpu", *([] if count else ["gpu"])]:
        with pytest.raises(RuntimeError, match="no device of type"):
            keras.distribution.list_devices(kind)


def test_data_parallel(mesh):
    whole = DataParallel(devices=DEVICES)
    assert (whole.device_mesh.shape, whole.device_mesh.axis_names) == ((8,), ["batch"])
    assert (whole.batch_dim_name, whole.auto_shard_dataset) == ("batch", True)
    assert (whole.num_processes, whole.data_shard_id, whole.num_model_replicas) == (1, 0, 8)
    assert whole.get_data_layout((3, 4, 5)).axes == ("batch", None, None)
    assert whole.get_tensor_layout("x/y") is None
    assert whole.get_variable_layout(keras.Variable(np.zeros((3, 4)))).axes == (None, None)
    assert whole.distribute_dataset("dataset") == whole.distribute_tf_dataset("dataset") == "dataset"
    whole.auto_shard_dataset = False
    assert not whole.auto_shard_dataset
    assert repr(whole) == "<DataParallel device_mesh=<DeviceMesh shape=(8,), axis_names=['batch']>>"
    with pytest.raises(AttributeError):
        whole.device_mesh = mesh
    with pytest.raises(ValueError, match="Expect `mesh` to be an instance of `DeviceMesh`"):
        DataParallel(3)
    with pytest.warns(UserWarning, match="first axis will be used"):
        DataParallel(mesh)


def test_model_parallel(mesh):
    layouts = LayoutMap(mesh)
    layouts["dense.*kernel"] = (None, "model")
    divided = ModelParallel(layout_map=layouts, batch_dim_name="batch")
    assert divided.device_mesh is mesh
    assert (divided.num_processes, divided.data_shard_id, divided.num_model_replicas) == (1, 0, 2)
    layer = layers.Dense(4, name="dense")
    layer.build((2, 3))
    assert divided.get_variable_layout(layer.kernel).axes == (None, "model")
    assert divided.get_variable_layout(layer.bias).axes == (None,)
    assert divided.get_tensor_layout("dense/kernel").axes == (None, "model")
    assert divided.get_tensor_layout("other") is None
    assert divided.get_data_layout((3, 4)).axes == ("batch", None)
    assert ModelParallel(layout_map=layouts).batch_dim_name == "batch"
    with pytest.raises(ValueError, match="must specify a layout_map"):
        ModelParallel()
    with pytest.raises(ValueError, match="must be a `LayoutMap` instance"):
        ModelParallel(layout_map=3)
    with pytest.raises(TypeError):
        ModelParallel(mesh, layouts)


def test_which_distribution_holds():
    assert keras.distribution.distribution() is None
    first, second = DataParallel(devices=DEVICES), DataParallel(devices=DEVICES[:2])
    with first.scope():
        assert keras.distribution.distribution() is first
        with second.scope():
            assert keras.distribution.distribution() is second
        assert keras.distribution.distribution() is first
    assert keras.distribution.distribution() is None
    keras.distribution.set_distribution(first)
    try:
        assert keras.distribution.distribution() is first
        model = keras.Sequential([layers.Input((2,)), layers.Dense(1)])
        model.compile("sgd", "mse")
        assert len(model.fit(np.ones((4, 2)), np.ones((4, 1)), verbose=0).history["loss"]) == 1
    finally:
        keras.distribution.set_distribution(None)
    with pytest.raises(Unsupported, match="tandem run --nproc 2"):
        keras.distribution.set_distribution(DataParallel(devices=["gpu:0", "gpu:1"]))


def test_a_tensor_in_one_process_is_whole(mesh):
    value = np.ones((2, 8), "float32")
    assert distribute_tensor(value, None).shape == (2, 8)
    assert distribute_tensor(value, TensorLayout([None, "model"], mesh)).shape == (2, 8)
    with pytest.raises(ValueError, match="cannot be divided along 'model'"):
        distribute_tensor(np.ones((2, 3)), TensorLayout([None, "model"], mesh))
    with pytest.raises(ValueError, match="device mesh is not set"):
        distribute_tensor(value, TensorLayout([None, "model"]))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"num_processes": 2}, "no job_addresses, process_id"),
        ({"job_addresses": "here:1", "num_processes": 2, "process_id": 2}, "less than num_processes, 2"),
        ({"job_addresses": "here:1", "num_processes": 0, "process_id": 0}, "`num_processes` is wrong"),
        ({"job_addresses": "here", "num_processes": 2, "process_id": 0}, "`job_addresses` is wrong"),
    ],
)
def test_wrong_words_to_meet(arguments, message):
    with pytest.raises(ValueError, match=message):
        initialize(**arguments)


def test_a_process_that_stands_alone(monkeypatch):
    for name in ("RANK", "WORLD_SIZE", "DMLC_NUM_WORKER"):
        monkeypatch.delenv(name, raising=False)
    initialize()
    initialize("127.0.0.1:1", 1, 0)
    assert not group.is_started()


def _met(port):
    rank = group.rank()
    group.stop()
    initialize(f"127.0.0.1:{port},127.0.0.1:9", "2", str(rank))
    mesh = DeviceMesh((1, 2), ["batch", "model"])
    layout = TensorLayout([None, "model"], mesh)
    tensor = distribute_tensor(np.arange(8, dtype="float32").reshape(2, 4), layout)
    return (
        (group.rank(), group.size(), keras.distribution.list_devices("cpu")),
        tensor.to_local().tolist(),
        tensor.full_tensor().tolist(),
        DataParallel().data_shard_id,
    )


def test_two_processes_meet_and_divide_a_tensor():
    for rank, (facts, local, whole, shard) in enumerate(together(_met, free_port())):
        assert facts == (rank, 2, ["cpu:0", "cpu:1"])
        assert local == np.arange(8).reshape(2, 4)[:, 2 * rank : 2 * rank + 2].tolist()
        assert whole == np.arange(8).reshape(2, 4).tolist()
        assert shard == rank


def _model_parallel(shape, key):
    mesh = DeviceMesh(shape, ["batch", "model"])
    layouts = LayoutMap(mesh)
    layouts[key] = (None, "model")
    divided = ModelParallel(layout_map=layouts)
    keras.distribution.set_distribution(divided)
    keras.utils.set_random_seed(1)
    model = keras.Sequential([layers.Input((2,)), layers.Dense(2, name="dense")])
    model.compile("sgd", "mse", metrics=["mae"])
    x = np.arange(14, dtype="float32").reshape(7, 2) / 14
    history = model.fit(x, x, batch_size=3, shuffle=False, verbose=0, epochs=2).history
    return divided.data_shard_id, list(history.values()), model.predict(x, verbose=0).tolist()


def _alone():
    keras.utils.set_random_seed(1)
    model = keras.Sequential([layers.Input((2,)), layers.Dense(2, name="dense")])
    model.compile("sgd", "mse", metrics=["mae"])
    x = np.arange(14, dtype="float32").reshape(7, 2) / 14
    history = model.fit(x, x, batch_size=3, shuffle=False, verbose=0, epochs=2).history
    return list(history.values()), model.predict(x, verbose=0).tolist()


def test_model_parallel_over_processes():
    """Batches are divided along one axis, whole variables are copied along the other."""
    ((expected, outputs),) = together(_alone, count=1)
    for shape, shards in (((2, 1), [0, 1]), ((1, 2), [0, 0]), ((2, 2), [0, 0, 1, 1])):
        results = together(_model_parallel, shape, "other/kernel", count=len(shards))
        assert [shard for shard, _, _ in results] == shards
        for _, history, found in results:
            np.testing.assert_allclose(history, expected, rtol=1e-5)
            np.testing.assert_allclose(found, outputs, rtol=1e-5, atol=1e-6)
