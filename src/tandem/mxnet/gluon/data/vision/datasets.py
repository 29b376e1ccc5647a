"""Published data sets of images, read from MXNet's cache folder, and data sets of one's own image files."""

import os
import tarfile
import tempfile
import warnings

import numpy as np
import torch

from tandem.core import cache
from tandem.core.errors import explain
from tandem.formats import cifar, mnist
from tandem.mxnet import image
from tandem.mxnet.base import MXNetError
from tandem.mxnet.gluon.data.dataset import Dataset, RecordFileDataset, _DownloadedDataset
from tandem.mxnet.gluon.utils import download
from tandem.mxnet.gluon.weights import array_class
from tandem.mxnet.ndarray.creation import array
from tandem.ops import opencv

__all__ = ["CIFAR10", "CIFAR100", "MNIST", "FashionMNIST", "ImageFolderDataset", "ImageRecordDataset"]

_HOME = os.environ.get("MXNET_HOME", os.path.join("~", ".mxnet"))
_ROOTS = {name: os.path.join(_HOME, "datasets", name) for name in ("mnist", "fashion-mnist", "cifar10", "cifar100")}
_REPOSITORY = "https://apache-mxnet.s3-accelerate.dualstack.amazonaws.com/"


class _ImagesInCache(_DownloadedDataset):
    """Published images whose files lie in a cache folder and are fetched where they are missing.

    A sample is (image, label): NDArray (height, width, channels) uint8, and a number.
    """

    def _get_data(self):
        images, labels = self._images()
        pixels = array(images, dtype=np.uint8)
        kind = array_class()
        self._data = pixels if type(pixels) is kind else kind._wrap(pixels._tensor, pixels._ctx)
        self._label = labels.astype(np.int32)

    def _columns_at(self, indices):
        if self._transform is not None or type(self).__getitem__ is not _DownloadedDataset.__getitem__:
            return None
        indices = np.asarray(indices)
        return [self._data[indices], self._label[indices]]

    def _images(self):
        """(images, labels) as numpy arrays."""
        raise NotImplementedError(explain(f"{type(self).__name__} does not say how it is read"))

    def _path(self, name, sha1):
        """The path of a file of the data set, checked, fetched where it is missing."""
        path = os.path.join(self._root, name)
        if not os.path.exists(path):
            self._fetch(name, sha1)
        cache.verify(path, sha1, error=MXNetError)
        return path

    def _fetch(self, name, sha1):
        """Download a file.

        Raises OSError, saying where the file belongs, where that cannot be done.
        """
        repository = os.environ.get("MXNET_GLUON_REPO", _REPOSITORY).rstrip("/")
        url = f"{repository}/gluon/dataset/{self._namespace}/{name}"
        try:
            download(url, path=os.path.join(self._root, name), sha1_hash=sha1)
        except OSError as error:
            raise OSError(
                explain(
                    f"{type(self).__name__} is not in the cache and cannot be downloaded ({error})",
                    expected=f"the file {name} in {self._root}",
                    given=f"no such file, and no answer from {url}",
                    hint="Put the file there by hand, or say root= where it is.",
                )
            ) from error

    def _read(self, reader, path, *args):
        try:
            return reader(path, *args)
        except ValueError as error:
            raise MXNetError(str(error)) from error


class MNIST(_ImagesInCache):
    """Handwritten digits: 60,000 images (28, 28, 1) for training, 10,000 for testing, 10 classes."""

    _namespace = "mnist"
    # Part -> (file, SHA-1) of the images and of the labels.
    _files = {
        True: (
            ("train-images-idx3-ubyte.gz", "6c95f4b05d2bf285e1bfb0e7960c31bd3b3f8a7d"),
            ("train-labels-idx1-ubyte.gz", "2a80914081dc54586dbdf242f9805a6b8d2a15fc"),
        ),
        False: (
            ("t10k-images-idx3-ubyte.gz", "c3a25af1f52dad7f726cce8cacb138654b760d48"),
            ("t10k-labels-idx1-ubyte.gz", "763e7fa3757d93b0cdec073cef058b2004252c17"),
        ),
    }

    def __init__(self, root=_ROOTS["mnist"], train=True, transform=None):
        self._train = train
        super().__init__(root, transform)

    def _images(self):
        images, labels = (
            self._read(mnist.read, self._path(*file), axes)
            for file, axes in zip(self._files[bool(self._train)], (3, 1))
        )
        if len(images) != len(labels):
            raise MXNetError(
                explain(
                    f"The files of {type(self).__name__} in {self._root!r} do not belong together",
                    expected="as many labels as images",
                    given=f"{len(images)} images and {len(labels)} labels",
                )
            )
        return images[..., None], labels


class FashionMNIST(MNIST):
    """Pieces of clothing: 60,000 images (28, 28, 1) for training, 10,000 for testing, 10 classes."""

    _namespace = "fashion-mnist"
    _files = {
        True: (
            ("train-images-idx3-ubyte.gz", "0cf37b0d40ed5169c6b3aba31069a9770ac9043d"),
            ("train-labels-idx1-ubyte.gz", "236021d52f1e40852b06a4c3008d8de8aef1e40b"),
        ),
        False: (
            ("t10k-images-idx3-ubyte.gz", "626ed6a7c06dd17c0eec72fa3be1740f146a2863"),
            ("t10k-labels-idx1-ubyte.gz", "17f9ab60e7257a1620f4ad76bbbaf857c3920701"),
        ),
    }

    def __init__(self, root=_ROOTS["fashion-mnist"], train=True, transform=None):
        super().__init__(root, train, transform)


class CIFAR10(_ImagesInCache):
    """Photographs: 50,000 images (32, 32, 3) for training, 10,000 for testing, 10 classes."""

    _namespace = "cifar10"
    _archive = ("cifar-10-binary.tar.gz", "fab780a1e191a7eda0f345501ccd62d20f7ed891")
    _files = {
        True: (
            ("data_batch_1.bin", "aadd24acce27caa71bf4b10992e9e7b2d74c2540"),
            ("data_batch_2.bin", "c0ba65cce70568cd57b4e03e9ac8d2a5367c1795"),
            ("data_batch_3.bin", "1dd00a74ab1d17a6e7d73e185b69dbf31242f295"),
            ("data_batch_4.bin", "aab85764eb3584312d3c7f65fd2fd016e36a258e"),
            ("data_batch_5.bin", "26e2849e66a845b7f1e4614ae70f4889ae604628"),
        ),
        False: (("test_batch.bin", "67eb016db431130d61cd03c7ad570b013799c88c"),),
    }
    _labels = 1

    def __init__(self, root=_ROOTS["cifar10"], train=True, transform=None):
        self._train = train
        super().__init__(root, transform)

    def _images(self):
        parts = [self._read(cifar.read, self._path(*file), self._labels) for file in self._files[bool(self._train)]]
        images, labels = (np.concatenate(column) for column in zip(*parts))
        return images, labels[:, self._column()]

    def _column(self):
        """Which label of a record counts."""
        return 0

    def _fetch(self, name, sha1):
        """Take a file out of the archive, which is downloaded where it is missing."""
        archive = os.path.join(self._root, self._archive[0])
        if not os.path.exists(archive):
            super()._fetch(*self._archive)
        cache.verify(archive, self._archive[1], error=MXNetError)
        with tarfile.open(archive) as tar:
            # By its last name, so that nothing in the archive says where a file goes.
            found = next((one for one in tar if one.isfile() and os.path.basename(one.name) == name), None)
            if found is None:
                raise MXNetError(explain(f"There is no {name} in {archive!r}", given=", ".join(tar.getnames()[:10])))
            with tempfile.NamedTemporaryFile(dir=self._root, delete=False) as partial:
                content = tar.extractfile(found)
                while piece := content.read(1 << 20):
                    partial.write(piece)
        os.replace(partial.name, os.path.join(self._root, name))


class CIFAR100(CIFAR10):
    """Photographs: 50,000 images (32, 32, 3) for training, 10,000 for testing, 100 fine classes in 20 coarse ones.

    fine_label: whether the labels are the fine ones.
    """

    _namespace = "cifar100"
    _archive = ("cifar-100-binary.tar.gz", "a0bb982c76b83111308126cc779a992fa506b90b")
    _files = {
        True: (("train.bin", "e207cd2e05b73b1393c74c7f5e7bea451d63e08e"),),
        False: (("test.bin", "8fb6623e830365ff53cf14adec797474f5478006"),),
    }
    _labels = 2

    def __init__(self, root=_ROOTS["cifar100"], fine_label=False, train=True, transform=None):
        self._fine_label = fine_label
        super().__init__(root, train, transform)

    def _column(self):
        """Which label of a record counts."""
        return int(bool(self._fine_label))


def _columns(dataset, indices):
    """The images and labels of a data set of files at once; None, from then on, where the images differ in shape."""
    if getattr(dataset, "_uneven", False):
        return None
    samples = [dataset[index] for index in indices]
    shapes = {picture.shape for picture, _ in samples}
    if len(shapes) != 1 or any(np.ndim(label) for _, label in samples):
        dataset._uneven = True
        return None
    kind, context = type(samples[0][0]), samples[0][0]._ctx
    pixels = torch.stack([picture._tensor for picture, _ in samples])
    return [kind._wrap(pixels, context), np.asarray([label for _, label in samples])]


class ImageRecordDataset(RecordFileDataset):
    """The images in a RecordIO file (`NAME.rec`, with `NAME.idx` beside it) and their labels.

    flag: 1 colours, 0 grey; transform: `transform(image, label)` is the sample instead.
    """

    def __init__(self, filename, flag=1, transform=None):
        super().__init__(filename)
        opencv.library()  # before workers are forked
        self._flag = flag
        self._transform = transform

    def __getitem__(self, idx):
        from tandem.mxnet import recordio

        header, content = recordio.unpack(super().__getitem__(idx))
        try:
            picture = image.imdecode(content, self._flag)
        except MXNetError as error:
            raise MXNetError(f"Record {idx} of {self.filename!r} holds no image. {error}") from error
        if self._transform is not None:
            return self._transform(picture, header.label)
        return picture, header.label

    def _columns_at(self, indices):
        own = type(self).__getitem__ is ImageRecordDataset.__getitem__
        return _columns(self, indices) if own and self._transform is None else None


class ImageFolderDataset(Dataset):
    """The images in a folder with one sub-folder to a class; the label is the place of its name among all names.

    flag: 1 colours, 0 grey; transform: `transform(image, label)` is the sample instead. `synsets` are the classes'
    names, `items` pairs of path and label. Files that are no images are left out, with a warning.
    """

    def __init__(self, root, flag=1, transform=None):
        self._root = os.path.expanduser(root)
        opencv.library()  # before workers are forked
        self._flag = flag
        self._transform = transform
        self._exts = [".jpg", ".jpeg", ".png"]
        self._list_images(self._root)

    def _list_images(self, root):
        self.synsets, self.items = [], []
        for folder in sorted(os.listdir(root)):
            path = os.path.join(root, folder)
            if not os.path.isdir(path):
                warnings.warn(f"Ignoring {path}, which is not a directory.", UserWarning, stacklevel=4)
                continue
            label = len(self.synsets)
            self.synsets.append(folder)
            for name in sorted(os.listdir(path)):
                filename = os.path.join(path, name)
                ext = os.path.splitext(name)[1]
                if ext.lower() in self._exts:
                    self.items.append((filename, label))
                else:
                    warnings.warn(
                        f"Ignoring {filename} of type {ext}. Only support {', '.join(self._exts)}",
                        UserWarning,
                        stacklevel=4,
                    )

    def __getitem__(self, idx):
        filename, label = self.items[idx]
        picture = image.imread(filename, self._flag)
        if self._transform is not None:
            return self._transform(picture, label)
        return picture, label

    def _columns_at(self, indices):
        own = type(self).__getitem__ is ImageFolderDataset.__getitem__
        return _columns(self, indices) if own and self._transform is None else None

    def __len__(self):
        return len(self.items)
