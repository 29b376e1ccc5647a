"""`contrib.text`: vocabularies, and vectors of words from files."""

from tandem.mxnet.contrib.text import embedding, utils, vocab

__all__ = ["embedding", "utils", "vocab"]
