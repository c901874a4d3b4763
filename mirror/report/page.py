"""The report as one page that stands alone: no script, nothing from elsewhere, every name escaped."""

import base64
import hashlib
from importlib import resources
from pathlib import Path

from mirror.archive import new_file
from mirror.report.facts import Report


def write_page(report: Report, to: Path) -> None:
    """Write the page; an older one stays whole until the new one is.

    Raises:
        ArchiveError: It cannot be written.
    """
    text = page_text(report)
    with new_file(to) as file:
        file.write(text.encode("utf-8", "replace"))


def page_text(report: Report) -> str:
    """Write the page as HTML."""
    # Only here: no other command should wait for it.
    from jinja2 import Environment, StrictUndefined  # noqa: PLC0415

    folder = resources.files("mirror.report")
    style = folder.joinpath("page.css").read_text(encoding="utf-8")
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.filters["plain"] = _plain
    environment.filters["count"] = lambda number: f"{number:,}"
    template = environment.from_string(folder.joinpath("page.html").read_text(encoding="utf-8"))
    # The policy knows this one style sheet: a name that got through would find nothing that it may do.
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    return template.render(report=report, style=style, style_hash=f"sha256-{digest}")


def _plain(text: object) -> str:
    """Take out what turns or hides text: it would be shown as something else."""
    return "".join(char if char.isprintable() else " " for char in str(text))
