"""Where batches come from: which batches a model sees, of arrays, datasets, loaders and generators."""

import warnings

import numpy as np
import pandas
import pytest
import scipy.sparse
import torch

from oracles import real_keras
from tandem import keras
from tandem.core.arrays import Array
from tandem.engine import feeding
from tandem.keras.trainers import sources

X = np.arange(20.0)[:, None]


def _batches(source):
    return list(source)


def _firsts(source):
    return [int(sources.unpack(data)[0][0, 0]) for data in source]


# --- arrays ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        (np.ones((3, 2)), torch.float32),
        (np.ones((3, 2), "float16"), torch.float32),
        (np.ones((3, 2), "int64"), torch.int64),
        (np.ones((3, 2), "uint8"), torch.uint8),
        (np.ones((3, 2), "uint16"), torch.int32),
        (np.ones((3, 2), bool), torch.bool),
        (np.ones((3, 2), ">f4"), torch.float32),
        (np.ones((6, 2))[::-2], torch.float32),
        (np.broadcast_to(np.float32(1), (3, 2)), torch.float32),
        (torch.ones(3, 2, dtype=torch.float64), torch.float32),
        ([[1.0, 1.0]] * 3, torch.float32),
        (pandas.DataFrame(np.ones((3, 2))), torch.float32),
        (pandas.DataFrame({"a": [1, 1, 1], "b": [True, True, True]}), torch.float32),
        (pandas.Series([1, 1, 1]), torch.int64),
        (scipy.sparse.csr_matrix(np.ones((3, 2))), torch.float32),
        (Array._wrap(torch.ones(3, 2)), torch.float32),
    ],
)
def test_arrays_become_tensors(given, wanted):
    tensor = sources.tensor(given)
    assert tensor.dtype is wanted
    assert tensor.shape == ((3, 1) if isinstance(given, pandas.Series) else (3, 2))
    assert (tensor == 1).all()


def test_arrays_share_memory_where_they_can():
    array = np.ones((3, 2), "float32")
    assert sources.tensor(array).data_ptr() == array.ctypes.data


@pytest.mark.parametrize(
    "given", [np.array([[1], [1, 2]], dtype=object), np.array([None, "a"]), np.ones(2, "uint64"), np.ones(2, complex)]
)
def test_arrays_without_numbers_are_an_error(given):
    with pytest.raises(ValueError, match="cannot be fed"):
        sources.tensor(given)


def test_batches_cover_the_rows():
    source = sources.make(X, X, batch_size=8)
    assert source.num_batches == 3
    assert [len(x) for x, _ in source] == [8, 8, 4]
    assert _firsts(source) == _firsts(source) == [0, 8, 16]
    shuffled = sources.make(X, X, batch_size=8, shuffle=True)
    first, second = torch.cat([x for x, _ in shuffled]), torch.cat([x for x, _ in shuffled])
    assert sorted(first[:, 0].tolist()) == list(range(20))
    assert first.tolist() != second.tolist()
    in_batches = _firsts(sources.make(X, X, batch_size=8, shuffle="batch"))
    assert sorted(in_batches) == [0, 8, 16]
    assert sources.make(X, steps=5).batch_size == 4
    for x, y in shuffled:
        assert torch.equal(x, y)


def test_structures_are_kept():
    source = sources.make({"a": X, "b": [X, X]}, (X, None), X[:, 0], batch_size=6)
    x, y, weights = _batches(source)[3]
    assert set(x) == {"a", "b"}
    assert x["b"][1].shape == (2, 1)
    assert y[1] is None
    assert weights.shape == (2,)
    assert isinstance(_batches(sources.make(X))[0], torch.Tensor)
    assert isinstance(_batches(sources.make([X]))[0], tuple)


@pytest.mark.parametrize("given", [None, "text", 3, [], {}, object()])
def test_data_of_an_unknown_kind(given):
    with pytest.raises(ValueError, match="Unrecognized data type"):
        sources.make(given)


def test_into_buffers():
    feed = feeding.ArrayFeed([torch.tensor(X), torch.tensor(X[:, 0])], 8, shuffle=True)
    buffers = [torch.empty(8, 1, dtype=torch.float64), torch.empty(8, dtype=torch.float64)]
    feed.start()
    seen = []
    while feed.next_into(buffers):
        assert torch.equal(buffers[0][:, 0], buffers[1])
        seen += buffers[1].tolist()
    last = feed.next()
    seen += last[1].tolist()
    assert len(last[1]) == 4
    assert sorted(seen) == list(range(20))
    assert feed.next() is None
    assert not feed.next_into(buffers)
    plain = feeding.ArrayFeed([torch.tensor(X)], 8)
    plain.start()
    assert plain.next_into(buffers[:1])
    assert buffers[0][0, 0] == 0
    assert plain.next()[0][0, 0] == 8


@pytest.mark.parametrize("shuffle", [False, True, "batch"])
def test_into_buffers_of_every_kind(shuffle):
    rows = np.arange(24)
    given = {
        "bytes": np.stack([rows] * 3, 1).astype("uint8"),
        "nested": [rows.astype("int32"), (rows * 0.5).astype("float64")],
        "turned": np.arange(48).reshape(2, 24).T,
    }
    source = sources.make(given, rows, batch_size=8, shuffle=shuffle)
    buffers = [torch.empty_like(leaf[:8]) for leaf in source._leaves]
    buffers[0] = buffers[0].float()  # a step may want another dtype
    source.feed.start()
    seen = []
    while source.feed.next_into(buffers):
        images, whole, half, turned, labels = buffers
        assert (images == labels[:, None]).all()
        assert (whole == labels).all() and (half == labels * 0.5).all()
        assert (turned[:, 0] == labels).all() and (turned[:, 1] == labels + 24).all()
        seen += labels.tolist()
    assert sorted(seen) == rows.tolist()


def test_class_weights():
    weights = feeding.class_weights(torch.tensor([0, 1, 2, 1]), {1: 3.0, 2: 0.5})
    assert weights.tolist() == [1.0, 3.0, 0.5, 3.0]
    assert feeding.class_weights(torch.eye(3)[[2, 0]], {2: 2.0}).tolist() == [2.0, 1.0]
    assert feeding.class_weights(torch.tensor([[1.0], [0.0]]), {0: 4}).tolist() == [1.0, 4.0]
    _, _, both = _batches(sources.make(X[:2], np.array([0, 1]), np.array([2.0, 3.0]), class_weight={1: 10.0}))[0]
    assert both.tolist() == [2.0, 30.0]
    with pytest.raises(ValueError, match="single output"):
        sources.make(X, [X, X], class_weight={0: 1.0})


def test_nan_and_labels():
    assert not feeding.has_nan(torch.tensor([1.0, float("inf"), -float("inf")]))
    assert feeding.has_nan(torch.tensor([1.0, float("nan")]))
    assert not feeding.has_nan(torch.zeros(0))
    assert not feeding.has_nan(torch.tensor([1, 2]))
    assert feeding.labels_range(torch.tensor([3, -1, 255]), 255) == (-1, 3)
    assert feeding.labels_range(torch.tensor([255]), 255) is None


# --- which batches an epoch sees: the real Keras's -------------------------------------------------------------------


def _generator(count):
    for start in range(count):
        yield X[start : start + 2], X[:2]


def _dataset(K, count, **settings):
    class Data(K.utils.PyDataset):
        def __len__(self):
            return count

        def __getitem__(self, index):
            return X[index : index + 2], X[:2]

    return Data(**settings)


def _loader():
    rows = torch.tensor(X, dtype=torch.float32)
    return torch.utils.data.DataLoader(torch.utils.data.TensorDataset(rows, rows), batch_size=8)


PLANS = {
    "arrays": lambda K: ((X, X), {"batch_size": 8, "epochs": 2}),
    "arrays, fewer steps": lambda K: ((X, X), {"batch_size": 8, "steps_per_epoch": 1, "epochs": 4}),
    "arrays, a part of an epoch": lambda K: ((X, X), {"batch_size": 8, "steps_per_epoch": 2, "epochs": 4}),
    "arrays, more steps": lambda K: ((X, X), {"batch_size": 8, "steps_per_epoch": 5, "epochs": 2}),
    "arrays, steps make the size": lambda K: ((X, X), {"steps_per_epoch": 5, "epochs": 2}),
    "validation steps": lambda K: (
        (X, X),
        {"batch_size": 8, "validation_data": (X, X), "validation_steps": 2, "epochs": 2},
    ),
    "validation split": lambda K: ((X, X), {"batch_size": 8, "validation_split": 0.25, "epochs": 2}),
    "generator": lambda K: ((_generator(5),), {"epochs": 3}),
    "generator and steps": lambda K: ((_generator(7),), {"steps_per_epoch": 3, "epochs": 4}),
    "short generator": lambda K: ((_generator(3),), {"steps_per_epoch": 5, "epochs": 2}),
    "validation by a generator": lambda K: ((X, X), {"batch_size": 10, "validation_data": _generator(3), "epochs": 3}),
    "validation by a generator, steps": lambda K: (
        (X, X),
        {"batch_size": 10, "validation_data": _generator(5), "validation_steps": 2, "epochs": 3},
    ),
    "dataset": lambda K: ((_dataset(K, 4),), {"epochs": 2}),
    "dataset, fewer steps": lambda K: ((_dataset(K, 4),), {"epochs": 3, "steps_per_epoch": 3}),
    "dataset, more steps": lambda K: ((_dataset(K, 4),), {"epochs": 2, "steps_per_epoch": 6}),
    "validation by a dataset": lambda K: (
        (X, X),
        {"batch_size": 10, "validation_data": _dataset(K, 3), "validation_steps": 2, "epochs": 2},
    ),
    "loader": lambda K: ((_loader(),), {"epochs": 2}),
    "loader and steps": lambda K: ((_loader(),), {"epochs": 3, "steps_per_epoch": 2}),
}


@pytest.mark.oracle
@pytest.mark.parametrize("name", list(PLANS))
def test_an_epoch_sees_the_batches_that_it_sees_in_keras(name):
    def run(K):
        seen = []

        class Model(K.Model):
            def __init__(self):
                super().__init__()
                self.dense = K.layers.Dense(1)

            def call(self, x):
                return self.dense(x)

            def train_step(self, data):
                seen.append((int(data[0][0, 0]), len(data[0])))
                return super().train_step(data)

            def test_step(self, data):
                seen.append(("test", int(data[0][0, 0]), len(data[0])))
                return super().test_step(data)

        model = Model()
        model.build((None, 1))
        model.compile(K.optimizers.SGD(0.0), "mse", run_eagerly=True)
        marks = K.callbacks.LambdaCallback(on_epoch_begin=lambda epoch, logs=None: seen.append("epoch"))
        arguments, settings = PLANS[name](K)
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            history = model.fit(*arguments, verbose=0, shuffle=False, callbacks=[marks], **settings)
        ran_out = any("ran out of data" in str(warning.message) for warning in caught)
        return seen, history.params, {key: len(values) for key, values in history.history.items()}, ran_out

    assert run(keras) == run(real_keras())


# --- datasets, generators --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("settings", [{}, {"workers": 3}, {"workers": 2, "max_queue_size": 1}])
def test_workers_keep_the_order(settings):
    source = sources.make(_dataset(keras, 6, **settings))
    assert _firsts(source) == [0, 1, 2, 3, 4, 5]
    assert sorted(_firsts(sources.make(_dataset(keras, 6, **settings), shuffle=True))) == [0, 1, 2, 3, 4, 5]


class _Numbers(keras.utils.PyDataset):
    def __len__(self):
        return 3

    def __getitem__(self, index):
        return np.full((2, 1), index), np.zeros(2)


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_workers_may_be_processes():
    assert _firsts(sources.make(_Numbers(workers=2, use_multiprocessing=True))) == [0, 1, 2]


def test_a_worker_that_fails_says_so():
    class Broken(keras.utils.PyDataset):
        def __len__(self):
            return 4

        def __getitem__(self, index):
            if index == 2:
                raise OSError("no such image")
            return X[:2], X[:2]

    with pytest.raises(OSError, match="no such image"):
        _batches(sources.make(Broken(workers=2)))


def test_a_dataset_is_told_of_epochs():
    told = []

    class Data(_Numbers):
        def on_epoch_begin(self):
            told.append("begin")

        def on_epoch_end(self):
            told.append("end")

    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    model.fit(Data(), epochs=2, verbose=0)
    assert told == ["begin", "end"] * 2


def test_a_subclass_that_forgets_super():
    class Forgetful(_Numbers):
        def __init__(self):
            pass

    with pytest.warns(UserWarning, match="super"):
        assert len(_batches(sources.make(Forgetful()))) == 3


def test_class_weight_with_a_dataset():
    class Data(keras.utils.PyDataset):
        def __len__(self):
            return 1

        def __getitem__(self, index):
            return X[:3], np.array([0, 1, 1])

    assert _batches(sources.make(Data(), class_weight={1: 5.0}))[0][2].tolist() == [1.0, 5.0, 5.0]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"y": X}, "`y` should not be passed"),
        ({"sample_weight": X}, "`sample_weights` should not be passed"),
        ({"class_weight": {0: 1.0}}, "`class_weight` is not supported"),
    ],
)
def test_what_a_generator_must_hold_itself(arguments, message):
    for data in (_generator(3), _loader()):
        with pytest.raises(ValueError, match=message):
            sources.make(data, **arguments)


def test_generators_of_the_wrong_kind():
    with pytest.raises(ValueError, match="at least one batch"):
        sources.make(_generator(0))
    with pytest.raises(ValueError, match="wrong form"):
        _batches(sources.make(x for x in [X]))
    with pytest.raises(ValueError, match=r"found|wrong form"):
        _batches(sources.make(iter([(X, X, X, X)])))
    with pytest.warns(UserWarning, match="shuffle=True"):
        sources.make(_generator(2), shuffle=True)


def test_other_iterables_begin_again():
    class Data:
        def __iter__(self):
            return _generator(3)

    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    assert len(model.fit(Data(), epochs=2, verbose=0, shuffle=False).history["loss"]) == 2
    assert model.predict(iter([(X[:3],), (X[:2],)]), steps=2, verbose=0).shape == (5, 1)


@pytest.mark.parametrize("by_name", [False, True])
@pytest.mark.parametrize("way", ["fit", "batch", "generator", "dataset"])
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_class_weights_of_several_outputs_are_sample_weights_of_each(way, by_name):
    labels = [np.array([[0.0], [1.0], [1.0], [0.0]]), np.eye(3)[[2, 0, 1, 2]]]
    given = [{1: 3.0}, {0: 2.0, 2: 0.5}]
    weights = [np.array([1.0, 3.0, 3.0, 1.0]), np.array([0.5, 2.0, 1.0, 0.5])]
    x = np.linspace(-1, 1, 12, dtype="float32").reshape(4, 3)
    y = dict(zip("ab", labels)) if by_name else labels
    class_weight = dict(zip("ab", given)) if by_name else given

    def run(sample_weight, class_weight):
        entry = keras.Input((3,))
        heads = [
            keras.layers.Dense(1, "sigmoid", kernel_initializer="ones", name="a")(entry),
            keras.layers.Dense(3, "softmax", kernel_initializer="ones", name="b")(entry),
        ]
        model = keras.Model(entry, heads)
        model.compile(keras.optimizers.SGD(0.5), ["binary_crossentropy", "categorical_crossentropy"])
        if way == "batch":
            model.train_on_batch(x, y, sample_weight=sample_weight, class_weight=class_weight)
        elif way == "generator" and class_weight is not None:
            model.fit_generator(iter([(x, y)]), 1, class_weight=class_weight, verbose=0)
        elif way == "dataset" and class_weight is not None:

            class Data(keras.utils.PyDataset):
                def __len__(self):
                    return 1

                def __getitem__(self, index):
                    return x, y

            model.fit(Data(), class_weight=class_weight, verbose=0)
        else:
            model.fit(x, y, sample_weight=sample_weight, class_weight=class_weight, shuffle=False, verbose=0)
        return model.get_weights()

    expected = run(dict(zip("ab", weights)) if by_name else weights, None)
    plain = run(None, None)
    for one, two, other in zip(run(None, class_weight), expected, plain, strict=True):
        np.testing.assert_allclose(one, two, rtol=1e-5)
        assert not np.allclose(one, other)


@pytest.mark.parametrize(
    ("class_weight", "error", "message"),
    [
        ({"z": {0: 1.0}}, ValueError, r"Unknown entries in `class_weight`.*\['a', 'b'\].*\['z'\]"),
        ([{0: 1.0}], ValueError, "a dict or None to each output, 2 of them"),
        ({0: 1.0}, ValueError, "single output"),
        ("auto", AttributeError, "class number -> weight. Given: 'auto'"),
    ],
)
def test_class_weights_that_do_not_fit_the_outputs(class_weight, error, message):
    entry = keras.Input((3,))
    model = keras.Model(entry, [keras.layers.Dense(1, name=name)(entry) for name in "ab"])
    model.compile("sgd", "mse")
    with pytest.raises(error, match=message):
        model.fit(np.ones((2, 3)), [np.ones((2, 1))] * 2, class_weight=class_weight, verbose=0)
