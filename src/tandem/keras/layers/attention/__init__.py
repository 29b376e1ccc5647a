"""Attention layers, one family to a module."""
