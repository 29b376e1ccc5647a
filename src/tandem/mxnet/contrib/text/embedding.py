"""Vectors of words: from files of one's own, from published ones (GloVe, fastText), or several side by side."""

import json
import os
import zipfile
from pathlib import Path

import numpy as np

from tandem.core import cache
from tandem.core.errors import explain, warn
from tandem.mxnet import ndarray, registry, util
from tandem.mxnet.base import MXNetError
from tandem.mxnet.contrib.text import vocab
from tandem.mxnet.gluon.utils import download
from tandem.mxnet.ndarray.ndarray import NDArray

__all__ = [
    "CompositeEmbedding",
    "CustomEmbedding",
    "FastText",
    "GloVe",
    "create",
    "get_pretrained_file_names",
    "register",
]

_HOME = os.environ.get("MXNET_HOME", os.path.join("~", ".mxnet"))
_ROOT = os.path.join(os.path.expanduser(_HOME), "embeddings")
_REPOSITORY = "https://apache-mxnet.s3-accelerate.dualstack.amazonaws.com/"


def _published(name):
    """Published files and their SHA-1 digests: {"archives": {name: digest}, "files": {name: digest}}."""
    return json.loads((Path(__file__).parent / "published" / f"{name}.json").read_text(encoding="utf-8"))


def register(embedding_cls):
    """Register a subclass of `_TokenEmbedding` under its lower-case name; usable as a decorator."""
    return registry.get_register_func(_TokenEmbedding, "token embedding")(embedding_cls)


def create(embedding_name, **kwargs):
    """An embedding by name ('glove', 'fasttext', or one that was registered), made with the keyword arguments.

    Raises AssertionError for an unknown name, KeyError for an unknown pretrained_file_name.
    """
    return registry.get_create_func(_TokenEmbedding, "token embedding")(embedding_name, **kwargs)


def get_pretrained_file_names(embedding_name=None):
    """The names of the published files of an embedding, or a dict of those of all.

    Raises KeyError for an unknown embedding.
    """
    known = {
        name: list(klass.pretrained_file_name_sha1)
        for name, klass in registry.get_registry(_TokenEmbedding).items()
        if klass.pretrained_file_name_sha1 is not None
    }
    if embedding_name is None:
        return known
    if embedding_name not in known:
        raise KeyError(
            f"Cannot find `embedding_name` {embedding_name}."
            " Use `get_pretrained_file_names(embedding_name=None).keys()` to get all the valid embedding names."
        )
    return known[embedding_name]


def _array(values):
    """A float32 array of the kind that is current: `mx.np.ndarray` under np_array."""
    if util.is_np_array():
        from tandem.mxnet import numpy as mx_numpy

        return mx_numpy.array(values, dtype="float32")
    return ndarray.array(values, dtype="float32")


class _TokenEmbedding(vocab.Vocabulary):
    """Base of embeddings: a vocabulary whose tokens have vectors, `idx_to_vec`.

    A subclass calls `_load_embedding` in its `__init__`, and then `_build_embedding_for_vocabulary` where it takes one;
    one with published files has `pretrained_file_name_sha1`, name -> SHA-1 digest.
    """

    pretrained_file_name_sha1 = None

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self._vec_len, self._idx_to_vec = 0, None

    @property
    def vec_len(self):
        """The length of a vector."""
        return self._vec_len

    @property
    def idx_to_vec(self):
        """The vectors (tokens, vec_len)."""
        return self._idx_to_vec

    # --- files -------------------------------------------------------------------------------------------------------

    @classmethod
    def _get_download_file_name(cls, pretrained_file_name):
        """The name of the archive that a published file is in, or the file's own."""
        return pretrained_file_name

    @classmethod
    def _get_pretrained_file_url(cls, pretrained_file_name):
        repository = os.environ.get("MXNET_GLUON_REPO", _REPOSITORY).rstrip("/")
        name = cls._get_download_file_name(pretrained_file_name)
        return f"{repository}/gluon/embeddings/{cls.__name__.lower()}/{name}"

    @classmethod
    def _check_pretrained_file_names(cls, pretrained_file_name):
        """Raise KeyError for a name that is not one of the published files."""
        known = cls.pretrained_file_name_sha1 or {}
        if pretrained_file_name not in known:
            name = cls.__name__.lower()
            raise KeyError(
                f"Cannot find pretrained file {pretrained_file_name} for token embedding {name}. Valid pretrained files"
                f" for embedding {name}: {', '.join(known)}"
            )

    @classmethod
    def _get_pretrained_file(cls, embedding_root, pretrained_file_name):
        """The path of a published file in the folder, checked, fetched and unpacked where it is missing.

        Raises OSError where it is missing and cannot be fetched, MXNetError where its digest is another.
        """
        folder = os.path.join(os.path.expanduser(embedding_root), cls.__name__.lower())
        path = os.path.join(folder, pretrained_file_name)
        digest = cls.pretrained_file_name_sha1[pretrained_file_name]
        if not os.path.exists(path):
            name, url = (
                cls._get_download_file_name(pretrained_file_name),
                cls._get_pretrained_file_url(pretrained_file_name),
            )
            archives = getattr(cls, "pretrained_archive_name_sha1", {})
            source = os.path.join(folder, name)
            os.makedirs(folder, exist_ok=True)
            try:
                download(url, source, sha1_hash=archives.get(name, digest))
            except OSError as error:
                raise OSError(
                    explain(
                        f"The vectors are not in the cache and cannot be downloaded ({error})",
                        expected=f"the file {pretrained_file_name} in {folder}",
                        given=f"no such file, and no answer from {url}",
                        hint="Put the file there by hand, or use CustomEmbedding with its path.",
                    )
                ) from error
            if name.endswith(".zip"):
                with zipfile.ZipFile(source) as archive:
                    archive.extract(pretrained_file_name, folder)
        cache.verify(path, digest, error=MXNetError)
        return path

    def _load_embedding(self, pretrained_file_path, elem_delim, init_unknown_vec, encoding="utf8"):
        """Read the tokens and vectors of a file: a token and the elements of its vector to a line.

        A vector of the unknown token is used; without one, `init_unknown_vec(shape=…)` makes it, and those of
        reserved tokens. Tokens that come again, and a line with one number (a header), are left out with a warning.
        Raises ValueError where the file is missing or has no vectors, AssertionError for a line of another kind.
        """
        path = os.path.expanduser(pretrained_file_path)
        if not os.path.isfile(path):
            raise ValueError(
                explain("`pretrained_file_path` must be a valid path to the token embedding file", given=repr(path))
            )
        rows, unknown, length, seen = [], None, None, set(self._idx_to_token) - {self._unknown_token}
        given = {}  # the vectors of reserved tokens
        with open(path, encoding=encoding) as file:
            for number, line in enumerate(file, 1):
                token, *texts = line.rstrip().split(elem_delim)
                where = f"At line {number} of the token embedding file {path}: "
                if not texts:
                    raise AssertionError(
                        explain(where + "there is no vector", expected="a token and numbers", given=repr(line[:80]))
                    )
                numbers = np.array(texts, dtype=np.float32)
                if token == self._unknown_token and unknown is None:
                    unknown = numbers
                elif token in (self._reserved_tokens or ()) and token not in given:
                    given[token] = numbers
                elif token in seen or token == self._unknown_token:
                    warn(
                        f"{where}the embedding vector for token {token} has been loaded and a duplicate embedding for"
                        " the same token is seen and skipped."
                    )
                    continue
                elif len(numbers) == 1:
                    warn(
                        f"{where}token {token} with 1-dimensional vector {numbers.tolist()} is likely a header and is"
                        " skipped."
                    )
                    continue
                else:
                    rows.append(numbers)
                    self._idx_to_token.append(token)
                    self._token_to_idx[token] = len(self._idx_to_token) - 1
                    seen.add(token)
                if length is None:
                    length = len(numbers)
                elif len(numbers) != length:
                    raise AssertionError(
                        explain(
                            f"{where}the dimension of token {token} is {len(numbers)} but the dimension of previous"
                            f" tokens is {length}",
                            expected="one dimension for all tokens",
                        )
                    )
        if length is None:
            raise ValueError(explain(f"There are no vectors in the file {path}"))
        self._vec_len = length

        def fresh():
            made = init_unknown_vec(shape=length)
            return made.asnumpy() if isinstance(made, NDArray) else np.asarray(made)

        head = [fresh() if unknown is None else unknown]
        head += [given[token] if token in given else fresh() for token in self._reserved_tokens or ()]
        self._idx_to_vec = _array(np.stack([*head, *rows]).astype(np.float32))

    # --- vectors -----------------------------------------------------------------------------------------------------

    def _take_vocabulary(self, vocabulary):
        self._token_to_idx = vocabulary.token_to_idx.copy()
        self._idx_to_token = vocabulary.idx_to_token[:]
        self._unknown_token = vocabulary.unknown_token
        self._reserved_tokens = None if vocabulary.reserved_tokens is None else vocabulary.reserved_tokens[:]

    def _set_idx_to_vec_by_embeddings(self, token_embeddings, vocab_len, vocab_idx_to_token):
        """Take the vectors of tokens from embeddings, side by side."""
        tokens = [None, *vocab_idx_to_token[1:vocab_len]]
        parts = []
        for embedding in token_embeddings:
            vectors = embedding.idx_to_vec.asnumpy()
            parts.append(vectors[[vocab.UNKNOWN_IDX if one is None else embedding.to_indices(one) for one in tokens]])
        self._idx_to_vec = _array(np.concatenate(parts, axis=1))
        self._vec_len = self._idx_to_vec.shape[1]

    def _build_embedding_for_vocabulary(self, vocabulary):
        """Keep the tokens of a vocabulary only; all where it is None."""
        if vocabulary is None:
            return
        if not isinstance(vocabulary, vocab.Vocabulary):
            raise AssertionError(
                explain("The argument `vocabulary` must be a contrib.text.vocab.Vocabulary", given=repr(vocabulary))
            )
        self._set_idx_to_vec_by_embeddings([self], len(vocabulary), vocabulary.idx_to_token)
        self._take_vocabulary(vocabulary)

    def get_vecs_by_tokens(self, tokens, lower_case_backup=False):
        """The vector of a token (vec_len,), or those of a list of tokens (tokens, vec_len).

        lower_case_backup: whether a token that is not there is looked for in lower case.
        """
        several = isinstance(tokens, list)
        indices = []
        for token in tokens if several else [tokens]:
            if lower_case_backup and token not in self._token_to_idx:
                token = token.lower()
            indices.append(self._token_to_idx.get(token, vocab.UNKNOWN_IDX))
        vectors = self._idx_to_vec.asnumpy()[indices]
        return _array(vectors if several else vectors[0])

    def update_token_vectors(self, tokens, new_vectors):
        """Give tokens other vectors.

        tokens: one or a list; new_vectors: an NDArray, (vec_len,) for one token or (tokens, vec_len).
        Raises ValueError for a token that is not there, AssertionError for another shape.
        """
        if self._idx_to_vec is None:
            raise AssertionError(explain("The embedding has no vectors yet"))
        single = not isinstance(tokens, list) or len(tokens) == 1
        tokens = tokens if isinstance(tokens, list) else [tokens]
        axes = (1, 2) if single else (2,)
        if not isinstance(new_vectors, NDArray) or len(new_vectors.shape) not in axes:
            words = "1-D or 2-D" if single else "2-D"
            given = new_vectors.shape if isinstance(new_vectors, NDArray) else type(new_vectors).__name__
            raise AssertionError(
                explain(f"`new_vectors` must be a {words} NDArray for {len(tokens)} tokens", given=given)
            )
        values = new_vectors.asnumpy()
        values = values[None] if values.ndim == 1 else values
        if values.shape != (len(tokens), self._vec_len):
            raise AssertionError(
                explain(
                    "The length of new_vectors must be equal to the number of tokens and their width to that of the"
                    " embedding",
                    expected=(len(tokens), self._vec_len),
                    given=values.shape,
                )
            )
        indices = []
        for token in tokens:
            if token not in self._token_to_idx:
                raise ValueError(
                    explain(
                        f"Token {token} is unknown",
                        hint="To update the embedding vector for an unknown token, please specify it explicitly as the"
                        f" `unknown_token` {self._unknown_token} in `tokens`. This is to avoid unintended updates.",
                    )
                )
            indices.append(self._token_to_idx[token])
        vectors = self._idx_to_vec.asnumpy().copy()
        vectors[indices] = values
        self._idx_to_vec[:] = _array(vectors)


class _Published(_TokenEmbedding):
    """Vectors that were published as files."""

    def __init__(self, pretrained_file_name, embedding_root, init_unknown_vec, vocabulary, **kwargs):
        type(self)._check_pretrained_file_names(pretrained_file_name)
        super().__init__(**kwargs)
        path = type(self)._get_pretrained_file(embedding_root, pretrained_file_name)
        self._load_embedding(path, " ", init_unknown_vec)
        self._build_embedding_for_vocabulary(vocabulary)


@register
class GloVe(_Published):
    """The published vectors of GloVe. Source: Pennington, Socher and Manning 2014.

    pretrained_file_name; embedding_root: the folder of files; init_unknown_vec: makes the unknown token's vector;
    vocabulary: whose tokens to keep, all where None; **kwargs: `Vocabulary`'s.
    Raises KeyError for an unknown file, OSError where it is neither there nor can be fetched.
    """

    _tables = _published("glove")
    pretrained_archive_name_sha1 = _tables["archives"]
    pretrained_file_name_sha1 = _tables["files"]

    @classmethod
    def _get_download_file_name(cls, pretrained_file_name):
        # 'glove.6B.50d.txt' is in 'glove.6B.zip', 'glove.840B.300d.txt' in an archive of its own.
        own = os.path.splitext(pretrained_file_name)[0] + ".zip"
        return own if own in cls.pretrained_archive_name_sha1 else os.path.splitext(own[:-4])[0] + ".zip"

    def __init__(
        self,
        pretrained_file_name="glove.840B.300d.txt",
        embedding_root=_ROOT,
        init_unknown_vec=ndarray.zeros,
        vocabulary=None,
        **kwargs,
    ):
        super().__init__(pretrained_file_name, embedding_root, init_unknown_vec, vocabulary, **kwargs)


@register
class FastText(_Published):
    """The published vectors of fastText. Source: Bojanowski et al. 2017.

    The arguments as GloVe's.
    """

    _tables = _published("fasttext")
    pretrained_archive_name_sha1 = _tables["archives"]
    pretrained_file_name_sha1 = _tables["files"]

    @classmethod
    def _get_download_file_name(cls, pretrained_file_name):
        return os.path.splitext(pretrained_file_name)[0] + ".zip"

    def __init__(
        self,
        pretrained_file_name="wiki.simple.vec",
        embedding_root=_ROOT,
        init_unknown_vec=ndarray.zeros,
        vocabulary=None,
        **kwargs,
    ):
        super().__init__(pretrained_file_name, embedding_root, init_unknown_vec, vocabulary, **kwargs)


class CustomEmbedding(_TokenEmbedding):
    """Vectors from a file of one's own, with a token and the elements of its vector to a line.

    pretrained_file_path; elem_delim: what stands between them; encoding: of the file; the rest as GloVe's.
    """

    def __init__(
        self,
        pretrained_file_path,
        elem_delim=" ",
        encoding="utf8",
        init_unknown_vec=ndarray.zeros,
        vocabulary=None,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self._load_embedding(pretrained_file_path, elem_delim, init_unknown_vec, encoding)
        self._build_embedding_for_vocabulary(vocabulary)


class CompositeEmbedding(_TokenEmbedding):
    """The vectors of several embeddings, side by side, for the tokens of a vocabulary.

    vocabulary; token_embeddings: one or a list.
    Raises AssertionError for arguments of another kind.
    """

    def __init__(self, vocabulary, token_embeddings):
        if not isinstance(vocabulary, vocab.Vocabulary):
            raise AssertionError(
                explain("The argument `vocabulary` must be a contrib.text.vocab.Vocabulary", given=repr(vocabulary))
            )
        embeddings = token_embeddings if isinstance(token_embeddings, list) else [token_embeddings]
        for embedding in embeddings:
            if not isinstance(embedding, _TokenEmbedding):
                raise AssertionError(
                    explain("`token_embeddings` must be an embedding or a list of embeddings", given=repr(embedding))
                )
        super().__init__()
        self._take_vocabulary(vocabulary)
        self._set_idx_to_vec_by_embeddings(embeddings, len(self), self.idx_to_token)
