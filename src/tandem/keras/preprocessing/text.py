"""`keras.preprocessing.text`."""

from tandem.keras.legacy.text import (
    Tokenizer,
    hashing_trick,
    maketrans,
    one_hot,
    text_to_word_sequence,
    tokenizer_from_json,
)

__all__ = ["Tokenizer", "hashing_trick", "maketrans", "one_hot", "text_to_word_sequence", "tokenizer_from_json"]
