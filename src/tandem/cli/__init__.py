"""The command `tandem`: argument parsing and printing."""

from tandem.cli.app import main

__all__ = ["main"]
