"""The tree: drafts, versions and the files under their final names. The only room that writes assets."""

from mirror.archive.local import LocalArchive
from mirror.archive.seam import Archive, Draft, Inspection, KeptDraft, Publication

__all__ = ["Archive", "Draft", "Inspection", "KeptDraft", "LocalArchive", "Publication"]
