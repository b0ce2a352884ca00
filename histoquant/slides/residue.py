"""What a slide file still tells about its slide beside the pixels; nothing is decoded, nothing quoted."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

import openslide
import tifffile

_MAX_PAGES: Final = 64  # the deepest real pyramids with associated images hold about 20
_TELLTALE: Final = ("label", "macro", "overview")
_ASSOCIATED: Final = re.compile(r"^\s*(label|macro)\b", re.MULTILINE)  # how Aperio's extra pages begin
_DATE: Final = re.compile(r"(^|[^a-z])(scan)?(date|time|datetime|created)([^a-z]|$)")
_SHORTEST_WORD: Final = 3  # shorter words stand in any text by chance


def residue(path: Path, words: Iterable[str]) -> tuple[str, ...]:
    """Name what in a file could tell whose slide it is.

    Parameters
    ----------
    path : Path
        A slide file as OpenSlide or tifffile read it.
    words : iterable of str
        Patient, file name and the like; looked for in the file's text fields without regard to case.

    Returns
    -------
    tuple of str
        Sorted, among ``label image``, ``macro image``, ``overview image``, ``scan date`` and ``identifier``.
        Empty where nothing was found, which does not prove that nothing is there: fields that neither library
        lists are not searched.
    """
    wanted = [word.casefold() for word in words if len(word) >= _SHORTEST_WORD]
    found: set[str] = set()
    for name, text in (*_by_openslide(path), *_by_tifffile(path)):
        kind = next((word for word in _TELLTALE if text is None and word in name.casefold()), None)
        if kind is not None:
            found.add(f"{kind} image")
        if text is None:
            continue
        if text and _DATE.search(name.casefold()):
            found.add("scan date")
        if any(word in text.casefold() for word in wanted):
            found.add("identifier")
    return tuple(sorted(found))


def _by_openslide(path: Path) -> Iterator[tuple[str, str | None]]:
    """Names of associated images (text None) and properties with their text."""
    try:
        with openslide.OpenSlide(path) as slide:
            yield from ((name, None) for name in slide.associated_images)
            yield from ((name, text) for name, text in slide.properties.items())
    except (openslide.OpenSlideError, OSError):
        return


def _by_tifffile(path: Path) -> Iterator[tuple[str, str | None]]:
    """Text tags of a TIFF's pages; a page that calls itself a label is one."""
    try:
        with tifffile.TiffFile(path) as file:
            for page in list(file.pages)[:_MAX_PAGES]:
                for tag in getattr(page, "tags", ()):
                    if isinstance(tag.value, str):
                        yield tag.name, tag.value
                        if page.index and (kind := _ASSOCIATED.search(tag.value)):
                            yield kind.group(1), None
    except (tifffile.TiffFileError, OSError, ValueError, KeyError, IndexError):
        return
