"""The tree: drafts, versions and the files under their final names. The only room that writes assets."""

from typing import TYPE_CHECKING

from mirror.faces import lazy_face

if TYPE_CHECKING:
    from mirror.archive.copying import put_copy
    from mirror.archive.exported import Copies, Original
    from mirror.archive.handing import StoredFiles, stored_files
    from mirror.archive.local import LocalArchive
    from mirror.archive.neighbour import flush_folder, new_file
    from mirror.archive.new_folder import NewFolder, new_folder
    from mirror.archive.nouns import Copy, Entry, Expected, FileRef, How, Inspection, KeptDraft, Publication
    from mirror.archive.seam import Archive, Draft
    from mirror.archive.shared import open_shared

__all__ = [
    "Archive",
    "Copies",
    "Copy",
    "Draft",
    "Entry",
    "Expected",
    "FileRef",
    "How",
    "Inspection",
    "KeptDraft",
    "LocalArchive",
    "NewFolder",
    "Original",
    "Publication",
    "StoredFiles",
    "flush_folder",
    "new_file",
    "new_folder",
    "open_shared",
    "put_copy",
    "stored_files",
]

__getattr__ = lazy_face(
    __name__,
    {
        "copying": "put_copy",
        "exported": "Copies Original",
        "handing": "StoredFiles stored_files",
        "local": "LocalArchive",
        "neighbour": "flush_folder new_file",
        "new_folder": "NewFolder new_folder",
        "nouns": "Copy Entry Expected FileRef How Inspection KeptDraft Publication",
        "seam": "Archive Draft",
        "shared": "open_shared",
    },
)
