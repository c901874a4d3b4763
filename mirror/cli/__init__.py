"""The command line: arguments, logging, signals, exit codes."""

from mirror.cli.app import main

__all__ = ["main"]
