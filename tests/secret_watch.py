"""A pytest plugin: a test fails in whose output, log records, exceptions or files a secret of the simulator stands.

Configuration files may hold one, since the test wrote them. Where a test must tell a secret, it says why:
``@pytest.mark.tells_secrets("the printed configuration is to be used")``.
"""

import logging
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any

import pytest

SECRETS = ("demo-secret-7f3a9c", "demo-registration-51be", "demo-key")
"""Those of the demo's service. The key is one too: it travels in the API's query and belongs nowhere else."""
_KNOWN = tuple(each.encode() for each in SECRETS)


def secrets_in(text: str) -> list[str]:
    """Say which secrets a text holds."""
    return [secret for secret in SECRETS if secret in text]


def secrets_below(folder: Path) -> Iterator[str]:
    """Name each file in a folder that holds a secret and is no configuration."""
    for path in sorted(folder.rglob("*")):
        if path.suffix != ".toml" and path.is_file() and not path.is_symlink():
            data = path.read_bytes()
            yield from (f"{path.relative_to(folder)} holds {secret.decode()}" for secret in _KNOWN if secret in data)


class _Records(logging.Handler):
    """Every record of every level, before anything is taken out of it."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.leaks: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        text = f"{record.getMessage()} {record.exc_info[1]!r}" if record.exc_info else record.getMessage()
        self.leaks += (f"a record of {record.name} holds {secret}" for secret in secrets_in(text))


class _Watch:
    """What was seen of one test after the other."""

    def __init__(self) -> None:
        self.records = _Records()
        self.raised: list[BaseException] = []

    def raises(self, *what: Any, **more: Any) -> Any:
        """Stand in for ``pytest.raises`` and keep what was raised."""
        return _Raises(self.raised, _pytest_raises(*what, **more))

    def leaks(self, item: pytest.Item, report: pytest.TestReport) -> Iterator[str]:
        """Name every place of this test in which a secret stands."""
        for name in ("capstdout", "capstderr", "longreprtext"):
            yield from (f"{name} holds {secret}" for secret in secrets_in(getattr(report, name)))
        yield from self.records.leaks
        for error in self.raised:
            told: BaseException | None = error
            while told is not None:
                yield from (f"{type(told).__name__} holds {secret}" for secret in secrets_in(f"{told} {told!r}"))
                told = told.__cause__ or told.__context__
        folder = getattr(item, "funcargs", {}).get("tmp_path")
        if folder is not None:
            yield from secrets_below(folder)


class _Raises:
    """A ``pytest.raises`` block that tells what came out of it."""

    def __init__(self, raised: list[BaseException], inner: Any) -> None:
        self._raised = raised
        self._inner = inner

    def __enter__(self) -> Any:
        return self._inner.__enter__()

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> Any:
        if error is not None:
            self._raised.append(error)
        return self._inner.__exit__(kind, error, trace)


_pytest_raises = pytest.raises
_WATCH = pytest.StashKey[_Watch]()


def pytest_configure(config: pytest.Config) -> None:
    """Listen to everything from now on."""
    config.addinivalue_line("markers", "tells_secrets(why): a secret is shown here on purpose")
    watch = config.stash[_WATCH] = _Watch()
    logging.getLogger().addHandler(watch.records)
    logging.getLogger("mirror").setLevel(logging.DEBUG)
    pytest.raises = watch.raises


def pytest_unconfigure(config: pytest.Config) -> None:
    """Leave all as it was."""
    logging.getLogger().removeHandler(config.stash[_WATCH].records)
    pytest.raises = _pytest_raises


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Fail a test that told a secret, whatever else became of it."""
    report = yield
    watch = item.config.stash[_WATCH]
    if call.when != "call":
        return report
    leaks = list(dict.fromkeys(watch.leaks(item, report)))
    watch.records.leaks.clear()
    watch.raised.clear()
    if leaks and item.get_closest_marker("tells_secrets") is None:
        report.outcome = "failed"
        report.longrepr = "\n".join(["A secret stands where it must not:", *leaks, "", report.longreprtext])
    return report
