"""Keras 1's and 2's spellings, mostly as tables of what maps to what."""
