"""Slides: every reader, the resolution, and the limits that are checked before a pixel is decoded."""

from __future__ import annotations

from typing import TYPE_CHECKING

from histoquant.faces import face_of

if TYPE_CHECKING:
    from histoquant.slides.files import slide_files
    from histoquant.slides.find import find_slides
    from histoquant.slides.names import SLIDE_SUFFIXES, printable_name, slide_name
    from histoquant.slides.opening import Preflight, open_slide, preflight
    from histoquant.slides.plane import Plane, working_plane
    from histoquant.slides.slide import Slide
else:
    __getattr__, __dir__ = face_of(
        __name__,
        {
            "files": "slide_files",
            "find": "find_slides",
            "names": "SLIDE_SUFFIXES printable_name slide_name",
            "opening": "Preflight open_slide preflight",
            "plane": "Plane working_plane",
            "slide": "Slide",
        },
    )

__all__ = [
    "SLIDE_SUFFIXES",
    "Plane",
    "Preflight",
    "Slide",
    "find_slides",
    "open_slide",
    "preflight",
    "printable_name",
    "slide_files",
    "slide_name",
    "working_plane",
]
