"""Loops and branches in symbols."""

ROWS = {}
