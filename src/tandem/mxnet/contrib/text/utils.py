"""Counting words."""

import collections
import re

__all__ = ["count_tokens_from_str"]


def count_tokens_from_str(source_str, token_delim=" ", seq_delim="\n", to_lower=False, counter_to_update=None):
    """A Counter of the tokens of a text.

    token_delim, seq_delim: regular expressions between tokens and between sequences; to_lower: whether words are
    counted in lower case; counter_to_update: a Counter that is added to and answered, a new one where None.
    """
    tokens = filter(None, re.split(f"{token_delim}|{seq_delim}", source_str))
    counter = collections.Counter() if counter_to_update is None else counter_to_update
    counter.update(token.lower() if to_lower else token for token in tokens)
    return counter
