"""`contrib.text` and `gluon.contrib.data`: vocabularies, vectors from files, texts for language models."""

import collections
import contextlib
import hashlib
import textwrap
import zipfile

import numpy as np
import pytest

import tandem.mxnet as mx
from mxnet_parity import same_code, same_expressions
from tandem.mxnet import nd
from tandem.mxnet.base import MXNetError
from tandem.mxnet.contrib import text
from tandem.mxnet.gluon.contrib import data

_VECTORS = "a 0.1 0.2 0.3\nb 1 2 3\n<unk> 9 9 9\nhello 4 5 6\n"
_SETUP = """
import collections, importlib
text = importlib.import_module(mx.__name__ + ".contrib.text")
cd = importlib.import_module(mx.__name__ + ".gluon.contrib.data")
counter = collections.Counter(["a", "b", "b", "c", "c", "c", "some_word$", "d"])
V = text.vocab.Vocabulary
count = text.utils.count_tokens_from_str
"""


@pytest.mark.oracle
def test_vocabularies_and_counting():
    options = ["", "most_freq_count=2", "min_freq=2", "most_freq_count=2, min_freq=3", "unknown_token='b'"]
    options += ["reserved_tokens=['<pad>', 'b']", "reserved_tokens=[]", "min_freq=0", "reserved_tokens=['<unk>']"]
    options += ["reserved_tokens=['a', 'a']"]
    made = [f"V(counter, {one})" for one in options]
    looks = ["{}.idx_to_token", "sorted({}.token_to_idx.items())", "len({})", "{}.reserved_tokens"]
    uses = """
        V().idx_to_token
        V({'a': 1})
        V(counter).to_indices('c')
        V(counter).to_indices(['c', 'x'])
        V(counter).to_tokens([1, 2])
        V(counter).to_tokens(10)
        V(counter).to_tokens(1.0)
        sorted(count(' Life is great ! \\n life is good . \\n').items())
        sorted(count('xLifexisxgreat', 'x', to_lower=True).items())
        sorted(count('a b a', counter_to_update=collections.Counter(['a'])).items())
        sorted(count('a\\tb|c', '\\t', '[|]').items())
        list(cd.IntervalSampler(13, 3))
        list(cd.IntervalSampler(13, 3, rollover=False))
        len(cd.IntervalSampler(13, 3, rollover=False))
        cd.IntervalSampler(3, 5)
        sorted(text.embedding.get_pretrained_file_names('fasttext'))
        text.embedding.get_pretrained_file_names('glove')
        text.embedding.get_pretrained_file_names('x')
        text.embedding.create('glove', pretrained_file_name='x')
        text.embedding.create('x')
        text.embedding.GloVe.pretrained_file_name_sha1['glove.6B.50d.txt']
        text.embedding.FastText.pretrained_archive_name_sha1['wiki.de.zip']
        text.embedding.GloVe._get_pretrained_file_url('glove.6B.50d.txt')
    """
    same_expressions([look.format(one) for one in made for look in looks] + uses.split("\n"), _SETUP)


@pytest.mark.oracle
def test_embeddings(tmp_path):
    (tmp_path / "one.txt").write_text(_VECTORS)
    (tmp_path / "two.txt").write_text("3 2\na 1 2\nb 3 4\na 7 7\nsome_word$ 5 6\n")
    code = """
    import warnings
    warnings.simplefilter("ignore")
    E = text.embedding.CustomEmbedding
    one, two = E(folder + "/one.txt"), E(folder + "/two.txt", init_unknown_vec=nd.ones)
    found = [(e.idx_to_token, e.idx_to_vec, e.vec_len, e.unknown_token) for e in (one, two)]
    some = E(folder + "/one.txt", vocabulary=V(counter))
    found.append((some.idx_to_token, some.idx_to_vec))
    both = text.embedding.CompositeEmbedding(V(counter), [one, two])
    found.append((both.idx_to_token, both.idx_to_vec, both.vec_len))
    for tokens in ("a", ["a", "zz", "Hello"]):
        found += [one.get_vecs_by_tokens(tokens), one.get_vecs_by_tokens(tokens, lower_case_backup=True)]
    one.update_token_vectors(["a", "b"], nd.array([[1, 1, 1], [2, 2, 2]]))
    one.update_token_vectors("hello", nd.array([3, 3, 3]))
    one.update_token_vectors("<unk>", nd.array([[4, 4, 4]]))
    found.append(one.idx_to_vec)
    errors = []
    wrong = [("zz", nd.ones(3)), (["a", "b"], nd.ones(3)), ("a", nd.ones(2)), ("a", [1, 2, 3])]
    for call in [lambda pair=pair: one.update_token_vectors(*pair) for pair in wrong] + [
        lambda: E(folder + "/none.txt"),
        lambda: E(folder + "/one.txt", elem_delim="|"),
        lambda: text.embedding.CompositeEmbedding(None, one),
        lambda: text.embedding.CompositeEmbedding(V(counter), None),
    ]:
        try:
            call()
        except Exception as error:
            errors.append(type(error).__name__)
    """
    same_code(_SETUP + textwrap.dedent(code), ["found", "errors"], folder=str(tmp_path))


def test_reserved_tokens_have_vectors_too(tmp_path):
    path = tmp_path / "one.txt"
    path.write_text(_VECTORS)
    found = text.embedding.CustomEmbedding(str(path), unknown_token="<none>", reserved_tokens=["<pad>", "b"])
    assert found.idx_to_token == ["<none>", "<pad>", "b", "a", "<unk>", "hello"]
    np.testing.assert_allclose(
        found.get_vecs_by_tokens(["<pad>", "b", "hello"]).asnumpy(), [[0] * 3, [1, 2, 3], [4, 5, 6]]
    )


def test_lines_that_are_left_out_and_lines_that_are_wrong(tmp_path):
    path = tmp_path / "one.txt"
    path.write_text("2 3\na 1 2 3\n")
    with pytest.warns(UserWarning, match="line 1 .* likely a header"):
        text.embedding.CustomEmbedding(str(path))
    path.write_text("a 1 2 3\na 4 5 6\n")
    with pytest.warns(UserWarning, match="line 2 .* duplicate"):
        text.embedding.CustomEmbedding(str(path))
    for wrong, error in (("a 1 2\nb 1\nc 1 2 3\n", AssertionError), ("a 1 x\n", ValueError), ("", ValueError)):
        path.write_text(wrong)
        with pytest.raises(error), pytest.warns() if "b 1" in wrong else contextlib.nullcontext():
            text.embedding.CustomEmbedding(str(path))


def test_published_files_are_checked(tmp_path, monkeypatch):
    folder = tmp_path / "glove"
    folder.mkdir()
    path = folder / "glove.6B.50d.txt"
    path.write_text("a 1 2\n")
    with pytest.raises(MXNetError, match="hash differs"):
        text.embedding.GloVe("glove.6B.50d.txt", embedding_root=str(tmp_path))
    digest = hashlib.sha1(path.read_bytes()).hexdigest()
    monkeypatch.setitem(text.embedding.GloVe.pretrained_file_name_sha1, path.name, digest)
    made = text.embedding.create("glove", pretrained_file_name=path.name, embedding_root=str(tmp_path))
    np.testing.assert_allclose(made.idx_to_vec.asnumpy(), [[0, 0], [1, 2]])


def test_arrays_of_numpy_mode(tmp_path):
    path = tmp_path / "one.txt"
    path.write_text(_VECTORS)
    with mx.np_shape(True), mx.np_array(True):
        made = text.embedding.CustomEmbedding(str(path))
        assert type(made.idx_to_vec) is mx.np.ndarray
        assert type(made.get_vecs_by_tokens("a")) is mx.np.ndarray


_TEXT = " \n = Title = \n \n the cat sat . \n the dog sat on the mat\n\n a b c d <unk> é"


@pytest.mark.oracle
def test_wikitext(tmp_path, monkeypatch):
    for part in ("train", "valid", "test"):
        (tmp_path / f"wiki.{part}.tokens").write_text(_TEXT, encoding="utf8")
    digest = hashlib.sha1(_TEXT.encode()).hexdigest()
    for kind in (data.text.WikiText2, data.text.WikiText103):
        monkeypatch.setattr(kind, "_files", {key: (name, digest) for key, (name, _) in kind._files.items()})
    code = """
    if hasattr(cd.text, "check_sha1"):
        cd.text.check_sha1 = lambda path, digest: True
    found = []
    for kind, segment, length in ((cd.text.WikiText2, "train", 4), (cd.text.WikiText103, "validation", 5)):
        words = kind(root=folder, segment=segment, seq_len=length)
        found.append((len(words), list(words[0]), list(words[len(words) - 1]), words.vocabulary.idx_to_token))
        found.append(sorted(words.frequencies.items()))
    own = cd.text.WikiText2(root=folder, segment="test", vocab=V(collections.Counter(["the", "cat"])), seq_len=3)
    found.append([list(sample) for sample in own])
    """
    same_code(_SETUP + textwrap.dedent(code), "found", folder=str(tmp_path))


def test_wikitext_from_an_archive(tmp_path, monkeypatch):
    archive = tmp_path / "wikitext-2-v1.zip"
    with zipfile.ZipFile(archive, "w") as packed:
        packed.writestr("wikitext-2/wiki.test.tokens", _TEXT)
    kind = data.text.WikiText2
    monkeypatch.setattr(kind, "_archive", (archive.name, hashlib.sha1(archive.read_bytes()).hexdigest()))
    with pytest.raises(MXNetError, match="hash differs"):
        kind(root=str(tmp_path), segment="test", seq_len=3)
    files = {"test": ("wiki.test.tokens", hashlib.sha1(_TEXT.encode()).hexdigest())}
    monkeypatch.setattr(kind, "_files", files)
    words = kind(root=str(tmp_path), segment="test", seq_len=3)
    loader = mx.gluon.data.DataLoader(words, batch_size=2, sampler=data.IntervalSampler(len(words), 2))
    assert [tuple(batch.shape) for batch in next(iter(loader))] == [(2, 3), (2, 3)]
    with pytest.raises(KeyError):
        kind(root=str(tmp_path), segment="x")


def test_an_embedding_of_ones_own():
    @text.embedding.register
    class Ones(text.embedding._TokenEmbedding):
        def __init__(self, tokens):
            super().__init__(counter=collections.Counter(tokens))
            self._set_idx_to_vec_by_embeddings([], 0, [])

        def _set_idx_to_vec_by_embeddings(self, token_embeddings, vocab_len, vocab_idx_to_token):
            self._vec_len, self._idx_to_vec = 2, nd.ones((len(self), 2))

    made = text.embedding.create("ones", tokens=["a"])
    assert made.get_vecs_by_tokens(["a", "b"]).shape == (2, 2)
    assert "ones" not in text.embedding.get_pretrained_file_names()
