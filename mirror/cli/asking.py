"""Asking before something goes for good."""

import sys

import typer

from mirror.errors import ConfigError


def is_agreed(question: str, *, is_yes: bool) -> bool:
    """Ask a person, unless ``--yes`` has answered already; the question stands on standard error.

    Raises:
        ConfigError: There is nobody to ask.
    """
    if is_yes:
        return True
    if not sys.stdin.isatty():
        raise ConfigError("nobody is there to be asked: give --yes, or --dry-run to see what would go")
    try:
        return typer.confirm(question, default=False, err=True)
    except typer.Abort:
        return False
