"""Texts for language models: WikiText-2 and WikiText-103, read from MXNet's cache folder."""

import os
import zipfile

import numpy as np

from tandem.core import cache
from tandem.core.errors import explain
from tandem.mxnet import ndarray
from tandem.mxnet.base import MXNetError
from tandem.mxnet.contrib.text import utils, vocab
from tandem.mxnet.gluon.data.dataset import Dataset
from tandem.mxnet.gluon.utils import download
from tandem.mxnet.gluon.weights import array_class

__all__ = ["WikiText2", "WikiText103"]

_HOME = os.environ.get("MXNET_HOME", os.path.join("~", ".mxnet"))
_REPOSITORY = "https://apache-mxnet.s3-accelerate.dualstack.amazonaws.com/"
_ROOTS = {name: os.path.join(_HOME, "datasets", name) for name in ("wikitext-2", "wikitext-103")}
_EOS = "<eos>"


class _WikiText(Dataset):
    """Sequences of `seq_len` token numbers and the same one token later, int32.

    root: the folder of files; segment: 'train', 'validation' or 'test'; vocab: a `contrib.text.vocab.Vocabulary`, made
    from the text where None; seq_len.
    Raises KeyError for another segment, OSError where the file is neither there nor can be fetched, MXNetError where
    its digest is another.
    """

    # Name of the archive and its SHA-1 digest; segment -> the same of the file in it.
    _archive = ("", "")
    _files = {}
    _namespace = ""

    def __init__(self, root, segment, vocab, seq_len):
        super().__init__()
        self._root = os.path.expanduser(root)
        self._segment, self._vocab, self._seq_len = segment, vocab, seq_len
        self._counter = None
        self._get_data()

    @property
    def vocabulary(self):
        """The vocabulary."""
        return self._vocab

    @property
    def frequencies(self):
        """How often each token comes, a Counter."""
        return self._counter

    def _path(self):
        name, digest = self._files[self._segment]
        path = os.path.join(self._root, name)
        if not os.path.exists(path):
            self._fetch(name)
        cache.verify(path, digest, error=MXNetError)
        return path

    def _fetch(self, name):
        archive, digest = self._archive
        repository = os.environ.get("MXNET_GLUON_REPO", _REPOSITORY).rstrip("/")
        url = f"{repository}/gluon/dataset/{self._namespace}/{archive}"
        packed = os.path.join(self._root, archive)
        os.makedirs(self._root, exist_ok=True)
        try:
            download(url, path=packed, sha1_hash=digest)
        except OSError as error:
            raise OSError(
                explain(
                    f"{type(self).__name__} is not in the cache and cannot be downloaded ({error})",
                    expected=f"the file {name} or {archive} in {self._root}",
                    given=f"no such file, and no answer from {url}",
                    hint="Put the file there by hand, or say root= where it is.",
                )
            ) from error
        with zipfile.ZipFile(packed) as opened:
            for member in opened.namelist():
                if os.path.basename(member) == name:
                    part = os.path.join(self._root, name + ".part")
                    with opened.open(member) as source, open(part, "wb") as target:
                        while block := source.read(1 << 20):
                            target.write(block)
                    os.replace(part, os.path.join(self._root, name))

    def _get_data(self):
        with open(self._path(), encoding="utf8") as file:
            content = file.read()
        self._counter = utils.count_tokens_from_str(content)
        if self._vocab is None:
            self._vocab = vocab.Vocabulary(counter=self._counter, reserved_tokens=[_EOS])
        lines = [line.split() for line in content.splitlines()]
        tokens = [token for line in lines if line for token in (*line, _EOS)]
        numbers = np.array(self._vocab.to_indices(tokens), dtype=np.int32)
        count = (len(numbers) - 1) // self._seq_len
        kind = array_class()
        self._data, self._label = (
            kind._wrap(part._tensor, part._ctx)
            for part in (
                ndarray.array(numbers[start : start + count * self._seq_len].reshape(count, -1), dtype=np.int32)
                for start in (0, 1)
            )
        )

    def __getitem__(self, idx):
        return self._data[idx], self._label[idx]

    def __len__(self):
        return len(self._label)


class WikiText2(_WikiText):
    """2 million words of Wikipedia articles. Source: Merity et al. 2016.

    See `_WikiText` for the arguments: root, segment, vocab and seq_len.
    """

    _archive = ("wikitext-2-v1.zip", "3c914d17d80b1459be871a5039ac23e752a53cbe")
    _files = {
        "train": ("wiki.train.tokens", "863f29c46ef9d167fff4940ec821195882fe29d1"),
        "validation": ("wiki.valid.tokens", "0418625c8b4da6e4b5c7a0b9e78d4ae8f7ee5422"),
        "test": ("wiki.test.tokens", "c7b8ce0aa086fb34dab808c5c49224211eb2b172"),
    }
    _namespace = "wikitext-2"

    def __init__(self, root=_ROOTS["wikitext-2"], segment="train", vocab=None, seq_len=35):
        super().__init__(root, segment, vocab, seq_len)


class WikiText103(_WikiText):
    """103 million words of Wikipedia articles. Source: Merity et al. 2016.

    See `_WikiText` for the arguments: root, segment, vocab and seq_len.
    """

    _archive = ("wikitext-103-v1.zip", "0aec09a7537b58d4bb65362fee27650eeaba625a")
    _files = {
        "train": ("wiki.train.tokens", "b7497e2dfe77e72cfef5e3dbc61b7b53712ac211"),
        "validation": ("wiki.valid.tokens", "c326ac59dc587676d58c422eb8a03e119582f92b"),
        "test": ("wiki.test.tokens", "8a5befc548865cec54ed4273cf87dbbad60d1e47"),
    }
    _namespace = "wikitext-103"

    def __init__(self, root=_ROOTS["wikitext-103"], segment="train", vocab=None, seq_len=35):
        super().__init__(root, segment, vocab, seq_len)
