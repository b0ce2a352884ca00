"""Slide ids: ASCII, unique in a run, and the same whatever the order of the slides."""

from __future__ import annotations

import hashlib
import os
import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

from histoquant.study.patterns import slide_stem
from histoquant.study.rules import comparable

# The limit for ids, so that a slide id may stand wherever another id may.
_MAX_LENGTH = 64
_RESERVED = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?", re.IGNORECASE)


def safe_id(name: str) -> str:
    """Turn any name into an id of letters, digits, ``.``, ``_`` and ``-``.

    Parameters
    ----------
    name : str
        A slide's name without its ending.

    Returns
    -------
    str
        1 to 64 characters, beginning with a letter or digit; the name itself when it is such an id already. A
        name that loses letters or length gets eight hexadecimal digits of its SHA-256, so that two such names
        stay apart.
    """
    plain = "".join(char for char in unicodedata.normalize("NFKD", name) if not unicodedata.combining(char))
    kept = re.sub(r"[^A-Za-z0-9._-]+", "_", plain).strip("._-")
    lost = any(char.isalnum() and not char.isascii() for char in plain)
    if _RESERVED.fullmatch(kept):
        kept = f"slide_{kept}"
    if kept and not lost and len(kept) <= _MAX_LENGTH:
        return kept
    digest = _digest(comparable(name))
    return f"{kept[: _MAX_LENGTH - 9].rstrip('._-') or 'slide'}-{digest}"


def _digest(text: str) -> str:
    return hashlib.sha256(os.fsencode(text)).hexdigest()[:8]


def unique_ids(paths: Sequence[Path], root: Path | None = None) -> dict[Path, str]:
    """Give each slide an id that no other has.

    Slides of one name in different folders all get their folder's name as a suffix, then the file's ending,
    then the folder above, and at last a digest of their place below ``root``. Ids that differ only in
    case count as equal, because some file systems take them so.

    Parameters
    ----------
    paths : sequence of Path
        Slides, each once; their order does not matter.
    root : Path, optional
        Folder that paths are taken relative to, so that ids do not change when it moves. Default, and where a
        slide lies outside: the deepest folder that holds them all.

    Returns
    -------
    dict of Path to str
    """
    places = {path: path.absolute() for path in paths}
    if not places:
        return {}
    base = root.absolute() if root is not None else None
    if base is None or not all(place.is_relative_to(base) for place in places.values()):
        base = Path(os.path.commonpath([place.parent for place in places.values()]))
    relative = {path: place.relative_to(base) for path, place in places.items()}
    level = dict.fromkeys(places, 0)
    while True:
        ids = {path: _LEVELS[level[path]](place) for path, place in relative.items()}
        counts = Counter(slide_id.casefold() for slide_id in ids.values())
        clashing = [path for path, slide_id in ids.items() if counts[slide_id.casefold()] > 1]
        risen = [path for path in clashing if level[path] < len(_LEVELS) - 1]
        if not risen:
            return ids
        for path in risen:
            level[path] += 1


def _with_folders(place: Path, depth: int, ending: str = "") -> str:
    folders = place.parts[:-1][-depth:] if depth else ()
    return safe_id("_".join([slide_stem(place), *folders]) + ending)


def _with_digest(place: Path) -> str:
    digest = _digest(comparable(place.as_posix()))
    return f"{safe_id(slide_stem(place))[: _MAX_LENGTH - 9].rstrip('._-')}-{digest}"


def _ending(place: Path) -> str:
    return place.name.removeprefix(slide_stem(place))


_LEVELS: tuple[Callable[[Path], str], ...] = (
    lambda place: _with_folders(place, 0),
    lambda place: _with_folders(place, 1),
    lambda place: _with_folders(place, 1, _ending(place)),
    lambda place: _with_folders(place, 2, _ending(place)),
    _with_digest,
)
