"""Secrets from a file or a command: never from argv, never from a file that others can read."""

import os
import shlex
import stat
import subprocess
from pathlib import Path

from mirror.errors import ConfigError

_COMMAND_S = 30


def find_secret(file: Path | None, command: str) -> str:
    """Read a secret from the first line of a file or of a command's output; empty where neither is set.

    Raises:
        ConfigError: It cannot be read, is empty, or others can read the file.
    """
    if file is not None:
        return _from_file(file)
    return _from_command(command) if command else ""


def _from_file(file: Path) -> str:
    try:
        mode = file.stat().st_mode
        text = file.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"api.secret_file: {file} cannot be read: {getattr(error, 'strerror', error)}") from None
    if os.name == "posix" and mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise ConfigError(f"api.secret_file: others can read {file}: type 'chmod 600 {file}'")
    return _first_line(text, f"api.secret_file: {file}")


def _from_command(command: str) -> str:
    words = shlex.split(command)
    try:
        done = subprocess.run(words, capture_output=True, text=True, timeout=_COMMAND_S, check=False)  # noqa: S603 - the owner's own command
    except (OSError, subprocess.TimeoutExpired) as error:
        raise ConfigError(f"api.secret_command: {words[0]} failed: {type(error).__name__}") from None
    if done.returncode:
        raise ConfigError(f"api.secret_command: {words[0]} ended with {done.returncode}")
    return _first_line(done.stdout, f"api.secret_command: {words[0]}")


def _first_line(text: str, place: str) -> str:
    line = text.split("\n", 1)[0].strip()
    if not line:
        raise ConfigError(f"{place} gave an empty secret")
    return line
