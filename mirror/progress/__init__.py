"""What a person sees during and after a run."""

from typing import TYPE_CHECKING

from mirror.faces import lazy_face

if TYPE_CHECKING:
    from mirror.progress.live import Progress
    from mirror.progress.numbers import clock_text, count_text, size_text, time_text
    from mirror.progress.report import causes, next_step, summary_lines
    from mirror.progress.steps import StepsProgress

__all__ = [
    "Progress", "StepsProgress", "causes", "clock_text", "count_text", "next_step", "size_text", "summary_lines",
    "time_text",
]  # fmt: skip

__getattr__ = lazy_face(
    __name__,
    {
        "live": "Progress",
        "numbers": "clock_text count_text size_text time_text",
        "report": "causes next_step summary_lines",
        "steps": "StepsProgress",
    },
)
