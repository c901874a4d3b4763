"""What a person sees during and after a run."""

from mirror.progress.live import Progress
from mirror.progress.numbers import clock_text, count_text, size_text, time_text
from mirror.progress.report import causes, next_step, summary_lines
from mirror.progress.steps import StepsProgress

__all__ = [
    "Progress", "StepsProgress", "causes", "clock_text", "count_text", "next_step", "size_text", "summary_lines",
    "time_text",
]  # fmt: skip
