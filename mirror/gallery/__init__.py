"""A web site without a server out of what the archive holds: pages, an index in small script files, or copies too."""

from mirror.gallery.build import build_gallery
from mirror.gallery.options import GalleryOptions, GalleryReport, default_folder
from mirror.gallery.serving import PICTURES, GalleryServer, keep_fresh
from mirror.gallery.site import is_gallery_of

__all__ = [
    "PICTURES",
    "GalleryOptions",
    "GalleryReport",
    "GalleryServer",
    "build_gallery",
    "default_folder",
    "is_gallery_of",
    "keep_fresh",
]
