"""The watch over secrets sees each place in which one could stand."""

from pathlib import Path

import pytest

TESTS = """
import logging
import pytest
SECRET = "demo-" + "secret-7f3a9c"
def test_output(): print(SECRET)
def test_file(tmp_path): (tmp_path / "run.log").write_text(f"asked with {SECRET}")
def test_record(): logging.getLogger("mirror.source").debug("asked with %s", SECRET)
def test_exception():
    with pytest.raises(ValueError):
        raise ValueError(f"asked with {SECRET}")
def test_cause_of_an_exception():
    with pytest.raises(ValueError):
        try:
            raise OSError(SECRET)
        except OSError as error:
            raise ValueError("no answer") from error
def test_configuration(tmp_path): (tmp_path / "mirror.toml").write_text(f"secret = '{SECRET}'")
@pytest.mark.tells_secrets("to be used")
def test_on_purpose(): print(SECRET)
def test_nothing(tmp_path): (tmp_path / "run.log").write_text("asked")
"""


@pytest.mark.tells_secrets("it is what the watch is for")
def test_secret_fails_the_test_in_which_it_stands(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    """Output, files, log records, exceptions and their causes; configurations and what was meant are fine."""
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[1]))
    pytester.makepyfile(TESTS)
    result = pytester.runpytest_subprocess("-p", "tests.secret_watch", "-p", "no:cacheprovider", "-q")
    result.assert_outcomes(failed=5, passed=3)
    result.stdout.fnmatch_lines(["*run.log holds*", "*a record of mirror.source holds*"])
