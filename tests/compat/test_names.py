"""The front ends as scripts import them, under `tandem run`."""

import subprocess
import sys
import textwrap

import pytest


def run(text, tmp_path, *options):
    path = tmp_path / "script.py"
    path.write_text(textwrap.dedent(text))
    command = [sys.executable, "-m", "tandem", "run", *options, str(path)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_keras_under_the_names_of_its_releases(tmp_path):
    out = run(
        """
        import keras, tandem.keras
        from keras.models import Sequential
        from keras.layers.core import Activation, Dense, Dropout, Flatten
        from keras.layers.convolutional import Conv1D, Conv2D, MaxPooling2D
        from keras.layers.embeddings import Embedding
        from keras.layers.normalization import BatchNormalization
        from keras.layers.pooling import GlobalAveragePooling2D
        from keras.layers.recurrent import GRU, LSTM
        from keras.engine import Model
        from keras.engine.topology import Layer
        from keras.objectives import mean_squared_error
        from keras.optimizers import SGD
        from keras.preprocessing.image import ImageDataGenerator
        from keras.utils import np_utils
        from keras.utils.np_utils import to_categorical
        import keras.utils.np_utils as same_np_utils
        from keras.api.layers import Dense as D1
        from tf_keras.layers import Dense as D2
        from tensorflow.keras.layers import Dense as D3
        from tensorflow.python.keras.layers.core import Dense as D4
        import tensorflow as tf

        assert keras is tandem.keras is tf.keras
        assert {Dense, D1, D2, D3, D4, tf.keras.layers.Dense} == {tandem.keras.layers.Dense}
        assert Model is keras.Model and Layer is keras.layers.Layer and LSTM is keras.layers.LSTM
        assert to_categorical is keras.utils.to_categorical is np_utils.to_categorical
        assert same_np_utils is np_utils is keras.utils.np_utils
        print(Sequential([keras.Input((3,)), Dense(2), Activation("relu")]).output_shape)
        """,
        tmp_path,
    )
    assert out == "(None, 2)\n"


def test_keras_under_the_paths_of_its_own_files(tmp_path):
    out = run(
        """
        import keras
        from keras._tf_keras.keras.layers import Dense as D1
        from keras.src import backend, layers, metrics, ops, testing
        from keras.src.version import version
        from keras.src.backend.common.keras_tensor import KerasTensor
        from keras.src.callbacks.early_stopping import EarlyStopping
        from keras.src.layers import Dense as D2
        from keras.src.layers.core.dense import Dense as D3
        from keras.src.layers.merging.add import Add, add
        from keras.src.legacy.preprocessing.image import ImageDataGenerator
        from keras.src.models.sequential import Sequential
        from keras.src.ops import numpy as knp
        from keras.src.optimizers.schedules.learning_rate_schedule import CosineDecay
        from keras.src.saving import serialization_lib
        from keras.src.utils import argument_validation, naming
        from keras.src.utils.module_utils import tensorflow as tf
        from tensorflow.keras.src.layers import Dense as D4
        import keras.src.layers.pooling.max_pooling2d as pooling

        assert D1 is D2 is D3 is D4 is keras.layers.Dense and add is keras.layers.add
        assert KerasTensor is backend.KerasTensor is keras.KerasTensor
        assert backend.numpy.matmul is keras.ops.matmul and backend.backend() == "torch"
        assert knp.Absolute()(KerasTensor((None, 2))).shape == (None, 2)
        assert serialization_lib.serialize_keras_object is keras.saving.serialize_keras_object
        assert pooling is keras.src.layers.pooling.max_pooling2d and dir(pooling) == ["MaxPooling2D"]
        assert keras.src.__version__ == version() and not hasattr(keras.src.layers.core.dense, "__version__")
        assert ImageDataGenerator is keras.preprocessing.image.ImageDataGenerator
        assert argument_validation.standardize_tuple(2, 2, "size") == (2, 2) and not tf.available
        for line in (
            "from keras.src.layers.core.dense import Flatten",
            "import keras.src.layers.core.dens",
            "import keras.src.backend.jax.core",
        ):
            try:
                exec(line)
            except ImportError as error:
                print(type(error).__name__, str(error).replace(chr(10), " "))
        try:
            keras.src.layers.core.dense.Flatten
        except AttributeError as error:
            print("keras.layers) shows" in str(error))
        """,
        tmp_path,
    )
    lines = out.splitlines()
    assert lines[0].startswith("ImportError module 'keras.src.layers.core.dense' has no name 'Flatten'")
    assert "dir(keras.layers)" in lines[0]
    assert lines[1].startswith("ModuleNotFoundError No module named 'keras.src.layers.core.dens'")
    assert lines[2].startswith("ModuleNotFoundError keras.src.backend.jax is a private part of Keras")
    assert lines[3:] == ["True"]


def test_the_table_of_source_paths_leads_to_names_that_are_there():
    import importlib

    from tandem.keras import public_names
    from tandem.keras.source_paths import PATHS

    known = " ".join([*public_names.CLASSES.values(), *public_names.OTHERS.values()]).split()
    wrong = []
    for path, sources in PATHS.items():
        for source in sources.split():
            module, _, names = source.partition(":")
            try:
                module = importlib.import_module(f"tandem.keras.{module}".rstrip("."))
            except ModuleNotFoundError:
                wrong += [f"{path}: {module}"] * (module not in ("distribution", "distillation", "visualization"))
                continue
            ours = [name.partition("=")[2] or name for name in names.split(",") if name]
            wrong += [f"{path}: {name}" for name in ours if not hasattr(module, name) and name not in known]
    assert not wrong


def test_mxnet_under_its_names(tmp_path):
    out = run(
        """
        import mxnet as mx, tandem.mxnet
        import mxnet.ndarray as F
        import mxnet.gluon.nn as nn
        from mxnet import autograd, gluon, nd
        from mxnet.gluon.block import HybridBlock
        from mxnet.gluon.nn import Dense
        from mxnet.gluon.nn.basic_layers import Dense as same
        from mxnet.gluon.data.dataloader import DataLoader
        from mxnet.ndarray.ndarray import NDArray

        assert mx is tandem.mxnet and F is mx.nd is nd and nn is gluon.nn
        assert Dense is same is tandem.mxnet.gluon.nn.Dense and HybridBlock is gluon.HybridBlock
        assert NDArray is nd.NDArray and DataLoader is gluon.data.DataLoader
        print(mx.__version__, isinstance(nd.ones(2), NDArray))
        """,
        tmp_path,
    )
    assert out == "1.9.1 True\n"


def test_workers_of_data_loaders_find_the_front_ends(tmp_path):
    out = run(
        """
        import torch
        import keras
        from torch.utils.data import DataLoader, Dataset

        class Numbers(Dataset):
            def __len__(self):
                return 4

            def __getitem__(self, i):
                import mxnet
                from keras.utils.np_utils import to_categorical
                return to_categorical(i, 4)

        if __name__ == "__main__":
            for method in ("fork", "spawn"):
                batch, = DataLoader(Numbers(), batch_size=4, num_workers=1, multiprocessing_context=method)
                print(batch.sum().item())
        """,
        tmp_path,
    )
    assert out == "4.0\n4.0\n"


@pytest.mark.parametrize(("module", "table"), [
    ("tandem.keras", "tandem.keras.legacy.modules:MODULE_ALIASES"),
    ("tandem.mxnet", "tandem.compat.names:MXNET_ALIASES"),
])  # fmt: skip
def test_no_older_path_stands_in_the_way_of_a_name(module, table):
    """Importing `keras.layers.core` makes `core` an attribute of `keras.layers`: nothing else may have that name."""
    import importlib
    import importlib.util
    from types import ModuleType

    where, _, name = table.partition(":")
    aliases = getattr(importlib.import_module(where), name)
    hidden = []
    for path in aliases:
        parent, _, last = f"{module}.{path}".rpartition(".")
        try:
            holder = importlib.import_module(parent)
        except ModuleNotFoundError:
            continue
        if not isinstance(getattr(holder, last, None), (ModuleType, type(None))):
            hidden.append(path)
    assert not hidden
