"""How help looks: flags stand there without a type, which says nothing to a person."""

from typing import Any

from typer.core import TyperCommand, TyperGroup


class Command(TyperCommand):
    """A command with a calm page."""

    def get_params(self, *args: Any, **kwargs: Any) -> list[Any]:
        """List the options, flags without a type."""
        return _calm(super().get_params(*args, **kwargs))


class Group(TyperGroup):
    """The face, with a calm page."""

    def get_params(self, *args: Any, **kwargs: Any) -> list[Any]:
        """List the options, flags without a type."""
        return _calm(super().get_params(*args, **kwargs))


def _calm(options: list[Any]) -> list[Any]:
    for option in options:
        if getattr(option, "is_flag", False):
            option.metavar = ""
    return options
