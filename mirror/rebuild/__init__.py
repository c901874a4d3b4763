"""The manifest made again, for a tree that lost its own."""

from mirror.rebuild.report import RebuildReport
from mirror.rebuild.run import run_rebuild

__all__ = ["RebuildReport", "run_rebuild"]
