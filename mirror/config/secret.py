"""Secrets from a file or a command's output: never from argv, never from a file that others can read."""

import os
import re
import shlex
import stat
import subprocess
from collections.abc import Sequence
from pathlib import Path

from mirror.errors import ConfigError

_LONGEST_BYTES = 65_536
_OTHERS = stat.S_IRGRP | stat.S_IWGRP | stat.S_IROTH | stat.S_IWOTH


def find_secret(name: str, *, file: Path | None, command: Sequence[str], command_limit_s: float = 30.0) -> str:
    """Read a secret from the first line of a file or of a command's output; empty where neither is given.

    Args:
        name: The setting, such as ``api.secret``, for the messages.
        command_limit_s: How long the command may take.
    Raises:
        ConfigError: It cannot be read, is empty, or others can read the file.
    """
    if file is not None:
        return _from_file(f"{name}_file", file)
    return _from_command(f"{name}_command", command, command_limit_s) if command else ""


def private_fault(file: Path, mode: int) -> str | None:
    """Say what to do about a file with a secret that others can read or change; None if they cannot."""
    if os.name == "posix" and mode & _OTHERS:
        return f"others can read or change {file}, and it holds a secret: type 'chmod 600 {shlex.quote(str(file))}'"
    return None


def _from_file(name: str, file: Path) -> str:
    try:
        with file.open("rb") as opened:
            mode = os.fstat(opened.fileno()).st_mode
            data = opened.read(_LONGEST_BYTES)
    except OSError as error:
        raise ConfigError(f"{name}: {file} cannot be read: {error.strerror}") from None
    if fault := private_fault(file, mode):
        raise ConfigError(f"{name}: {fault}")
    return _first_line(data, f"{name}: {file}")


def _from_command(name: str, command: Sequence[str], limit_s: float) -> str:
    try:
        # The command may ask for a passphrase: it keeps the terminal for that.
        done = subprocess.run(command, stdout=subprocess.PIPE, timeout=limit_s, check=False)  # noqa: S603 - the user's own
    except subprocess.TimeoutExpired:
        raise ConfigError(f"{name}: '{command[0]}' gave nothing within {limit_s:g} s") from None
    except OSError as error:
        raise ConfigError(f"{name}: '{command[0]}' cannot be run: {error.strerror}") from None
    if done.returncode:
        raise ConfigError(f"{name}: '{command[0]}' failed with exit code {done.returncode}")
    return _first_line(done.stdout, f"{name}: '{command[0]}'")


def _first_line(data: bytes, place: str) -> str:
    line = data.decode("utf-8-sig", "replace").split("\n", 1)[0].strip()
    if not line:
        raise ConfigError(f"{place} gave nothing, expected the secret in the first line")
    if not re.fullmatch(r"[\x21-\x7e]+", line):
        raise ConfigError(f"{place} gave something with spaces or special characters, expected the secret alone")
    return line
