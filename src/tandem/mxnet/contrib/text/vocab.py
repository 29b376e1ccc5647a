"""`Vocabulary`: tokens and their numbers."""

import collections

from tandem.core.errors import explain

__all__ = ["UNKNOWN_IDX", "Vocabulary"]

UNKNOWN_IDX = 0


class Vocabulary:
    """Numbers tokens: the unknown token, the reserved ones, then those of a counter, the most frequent first.

    counter: a collections.Counter, or None; most_freq_count: how many of its tokens at most; min_freq: how often a
    token must have been counted; unknown_token: what stands for tokens that are not in it; reserved_tokens: a list.
    Tokens that were counted equally often are in alphabetical order.
    Raises AssertionError for a counter of another type, min_freq below 1, or reserved tokens that repeat.
    """

    def __init__(self, counter=None, most_freq_count=None, min_freq=1, unknown_token="<unk>", reserved_tokens=None):
        if min_freq <= 0:
            raise AssertionError(explain("`min_freq` must be set to a positive value", given=min_freq))
        if reserved_tokens is not None:
            if unknown_token in reserved_tokens:
                raise AssertionError(
                    explain("`reserved_tokens` cannot contain `unknown_token`", given=f"{unknown_token!r}")
                )
            if len(set(reserved_tokens)) != len(reserved_tokens):
                raise AssertionError(
                    explain("`reserved_tokens` cannot contain duplicate reserved tokens", given=reserved_tokens)
                )
        if counter is not None and not isinstance(counter, collections.Counter):
            raise AssertionError(
                explain("`counter` must be an instance of collections.Counter", given=type(counter).__name__)
            )
        self._unknown_token = unknown_token
        self._reserved_tokens = None if reserved_tokens is None else reserved_tokens[:]
        self._idx_to_token = [unknown_token, *(reserved_tokens or ())]
        if counter is not None:
            known = set(self._idx_to_token)
            ordered = sorted(sorted(counter.items()), key=lambda item: item[1], reverse=True)
            tokens = [token for token, count in ordered if count >= min_freq and token not in known]
            self._idx_to_token += tokens if most_freq_count is None else tokens[:most_freq_count]
        self._token_to_idx = {token: index for index, token in enumerate(self._idx_to_token)}

    def __len__(self):
        return len(self._idx_to_token)

    @property
    def token_to_idx(self):
        """Token -> number."""
        return self._token_to_idx

    @property
    def idx_to_token(self):
        """The tokens in the order of their numbers."""
        return self._idx_to_token

    @property
    def unknown_token(self):
        """What stands for tokens that are not in the vocabulary."""
        return self._unknown_token

    @property
    def reserved_tokens(self):
        """The reserved tokens, or None."""
        return self._reserved_tokens

    def to_indices(self, tokens):
        """The number of a token, or a list of those of several; 0 for one that is not in the vocabulary."""
        if not isinstance(tokens, list):
            return self._token_to_idx.get(tokens, UNKNOWN_IDX)
        return [self._token_to_idx.get(token, UNKNOWN_IDX) for token in tokens]

    def to_tokens(self, indices):
        """The token with a number, or a list of those with several.

        Raises ValueError for a number that is too large.
        """
        several = isinstance(indices, list)
        found = []
        for index in indices if several else [indices]:
            if not isinstance(index, int) or index >= len(self._idx_to_token):
                raise ValueError(
                    explain(
                        f"Token index {index} in the provided `indices` is invalid",
                        expected=f"an int below {len(self._idx_to_token)}",
                        given=repr(index),
                    )
                )
            found.append(self._idx_to_token[index])
        return found if several else found[0]
