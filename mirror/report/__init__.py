"""How well a race is covered: photos counted, bibs held against a start list, what is missing or odd; and as a page."""

from mirror.report.facts import Bar, DayReport, Gap, ListReport, NameSequence, Report, Stranger
from mirror.report.gather import gather
from mirror.report.page import write_page
from mirror.report.start_list import StartList, read_start_list

__all__ = [
    "Bar",
    "DayReport",
    "Gap",
    "ListReport",
    "NameSequence",
    "Report",
    "StartList",
    "Stranger",
    "gather",
    "read_start_list",
    "write_page",
]
