"""Data sets and model files that MXNet's tests and examples fetch; what is there already is not fetched again."""

import bz2
import errno
import logging
import os
import zipfile

import numpy as np

from tandem.core.errors import explain
from tandem.formats import mnist
from tandem.mxnet import io
from tandem.mxnet.gluon import utils

_HOME = "http://data.mxnet.io/"
_MODELS = _HOME + "models/"


def download(url, fname=None, dirname=None, overwrite=False, retries=5):
    """Fetch a file; answers its path.

    fname: its name here, the address's last part where None; dirname: its folder; overwrite: whether a file that is
    there is fetched again; retries: how many times to try.
    Raises AssertionError for fewer than no retries, OSError where no try succeeded.
    """
    if retries < 0:
        raise AssertionError(explain("Number of retries should be at least 0", given=retries))
    name = url.split("/")[-1] if fname is None else fname
    if dirname is not None:
        os.makedirs(dirname, exist_ok=True)
        name = os.path.join(dirname, name)
    if not overwrite and os.path.exists(name):
        logging.info("%s exists, skipping download", name)
        return name
    utils.download(url, path=name, overwrite=overwrite, retries=retries)
    logging.info("downloaded %s into %s successfully", url, name)
    return name


def get_zip_data(data_dir, url, data_origin_name):
    """Fetch a zip file into a folder and unpack it there."""
    path = download(url, fname=data_origin_name, dirname=data_dir)
    root = os.path.realpath(data_dir)
    with zipfile.ZipFile(path) as archive:
        for name in archive.namelist():
            target = os.path.realpath(os.path.join(root, name))
            if os.path.commonpath([root, target]) != root:
                raise ValueError(explain("The archive has a file outside its folder, and is not unpacked", given=name))
        archive.extractall(root)


def get_bz2_data(data_dir, data_name, url, data_origin_name):
    """Fetch a bz2 file into a folder and unpack it to `data_name`, where that is not there yet."""
    target = os.path.join(data_dir, data_name)
    if os.path.exists(target):
        return
    packed = download(url, fname=data_origin_name, dirname=data_dir)
    with bz2.BZ2File(packed) as source, open(target, "wb") as file:
        while block := source.read(1 << 20):
            file.write(block)
    os.remove(packed)


_MNIST_FILES = (
    "train-labels-idx1-ubyte",
    "train-images-idx3-ubyte",
    "t10k-labels-idx1-ubyte",
    "t10k-images-idx3-ubyte",
)


def _mnist_path(name):
    """Where a file of MNIST lies: here, in Gluon's cache, or fetched into the current folder."""
    from tandem.mxnet.gluon.data.vision import datasets

    packed = name + ".gz"
    cached = os.path.join(os.path.expanduser(datasets._ROOTS["mnist"]), packed)
    for path in (packed, cached):
        if os.path.exists(path):
            return path
    return download(f"{_HOME}data/mnist/{packed}")


def get_mnist():
    """MNIST as numpy arrays: 'train_data', 'train_label', 'test_data', 'test_label'.

    Images (n, 1, 28, 28) float32 from 0 to 1, labels int8. Files in the current folder or in Gluon's cache are used.
    """
    arrays = {}
    for part, prefix in (("train", "train"), ("test", "t10k")):
        labels = mnist.read(_mnist_path(f"{prefix}-labels-idx1-ubyte"))
        images = mnist.read(_mnist_path(f"{prefix}-images-idx3-ubyte"))
        arrays[f"{part}_data"] = np.asarray(images).reshape(-1, 1, 28, 28).astype(np.float32) / 255
        arrays[f"{part}_label"] = np.asarray(labels).astype(np.int8)
    return arrays


def get_mnist_ubyte():
    """Fetch MNIST's four files, unpacked, into the folder data."""
    paths = [os.path.join("data", name) for name in _MNIST_FILES]
    if not all(map(os.path.exists, paths)):
        get_zip_data("data", _HOME + "mxnet/data/mnist.zip", "mnist.zip")


def get_mnist_pkl():
    """Fetch MNIST as data/mnist.pkl.gz."""
    if not os.path.exists("data/mnist.pkl.gz"):
        download("http://deeplearning.net/data/mnist/mnist.pkl.gz", dirname="data")


def get_cifar10():
    """Fetch CIFAR-10 as record files: data/cifar/train.rec, test.rec and their lists."""
    names = ("train.rec", "test.rec", "train.lst", "test.lst")
    if not all(os.path.exists(os.path.join("data", "cifar", name)) for name in names):
        get_zip_data("data", _HOME + "mxnet/data/cifar10.zip", "cifar10.zip")


def get_mnist_iterator(batch_size, input_shape, num_parts=1, part_index=0):
    """(training, validation) iterators over MNIST.

    input_shape: of a sample: (784,) gives flat ones, (1, 28, 28) images; num_parts, part_index: which part of the
    training data is read.
    """
    get_mnist_ubyte()

    def iterator(prefix, **options):
        return io.MNISTIter(
            image=f"data/{prefix}-images-idx3-ubyte",
            label=f"data/{prefix}-labels-idx1-ubyte",
            input_shape=input_shape,
            batch_size=batch_size,
            flat=len(input_shape) != 3,
            **options,
        )

    return iterator("train", shuffle=True, num_parts=num_parts, part_index=part_index), iterator("t10k")


def get_im2rec_path(home_env="MXNET_HOME"):
    """The path of MXNet's tool im2rec.py: in the folder that an environment variable names, or above the current one.

    Raises OSError where it is in neither.
    """
    places = [os.environ[home_env]] if home_env in os.environ else []
    places += [".", "..", os.path.join("..", "..")]
    for place in places:
        path = os.path.abspath(os.path.join(place, "tools", "im2rec.py"))
        if os.path.isfile(path):
            return path
    raise OSError(errno.ENOENT, "Could not find path to tools/im2rec.py")


# Name -> (path of the symbol, path of the parameters) under the models' address, and the number of the epoch.
_KNOWN_MODELS = {
    "imagenet1k-inception-bn": ("imagenet/inception-bn/Inception-BN", 126),
    **{f"imagenet1k-resnet-{n}": (f"imagenet/resnet/{n}-layers/resnet-{n}", 0) for n in (18, 34, 50, 101, 152)},
    **{f"imagenet1k-resnext-{n}": (f"imagenet/resnext/{n}-layers/resnext-{n}", 0) for n in (50, 101)},
    "imagenet1k-resnext-101-64x4d": ("imagenet/resnext/101-layers/resnext-101-64x4d", 0),
    "imagenet11k-resnet-152": ("imagenet-11k/resnet-152/resnet-152", 0),
    "imagenet11k-place365ch-resnet-152": ("imagenet-11k-place365-ch/resnet-152", 0),
    "imagenet11k-place365ch-resnet-50": ("imagenet-11k-place365-ch/resnet-50", 0),
}


def download_model(model_name, dst_dir="./", meta_info=None):
    """Fetch a model's two files: (prefix, epoch) for `mx.model.load_checkpoint`, or (None, 0) for an unknown name.

    meta_info: name -> {'symbol': address, 'params': address}; the models of data.mxnet.io where None.
    """
    if meta_info is None:
        meta_info = {
            name: {"symbol": f"{_MODELS}{path}-symbol.json", "params": f"{_MODELS}{path}-{epoch:04d}.params"}
            for name, (path, epoch) in _KNOWN_MODELS.items()
        }
    if model_name not in meta_info:
        return None, 0
    addresses = meta_info[model_name]
    for part in ("symbol", "params"):
        if part not in addresses:
            raise AssertionError(explain(f"The model {model_name} has no address of its {part} file"))
    os.makedirs(dst_dir, exist_ok=True)
    prefix = os.path.join(dst_dir, model_name)
    utils.download(addresses["symbol"], prefix + "-symbol.json")
    utils.download(addresses["params"], prefix + "-0000.params")
    return prefix, 0
