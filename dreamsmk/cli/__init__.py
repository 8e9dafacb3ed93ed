"""The command line."""

from dreamsmk.cli.run import main

__all__ = ["main"]
