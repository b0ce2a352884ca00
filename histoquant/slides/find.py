"""Slides among files and folders."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

from histoquant.slides.dicom import DICOM_SUFFIXES, read_header, series_files
from histoquant.slides.files import INDEX_SUFFIXES, index_names
from histoquant.slides.names import CLOSED_SUFFIXES, SLIDE_SUFFIXES

RESULT_MARK: Final = "run.json"  # a folder that holds it is an output folder
TRUTH_FOLDER: Final = "truth"
# Masks and drawings that go with field images; a slide proper is never named so.
_COMPANION_ENDS: Final = ("_labels", "_label", "_mask", "_truth", "_overlay", "_thumbnail")
_FIELD_SUFFIXES: Final = (".png", ".jpg", ".jpeg", ".tif", ".tiff")


def find_slides(paths: Iterable[str | Path]) -> list[Path]:
    """List the slides among files and folders.

    Parameters
    ----------
    paths : iterable of str or Path
        Files, taken whatever their suffix (a wrong one is refused later, with a reason), and folders,
        searched with all their sub-folders.

    Returns
    -------
    list of Path
        Sorted, each once. A folder that holds the DICOM files of one slide and no other slide stands for that
        slide; other DICOM series are listed by their first file.

    Notes
    -----
    Passed over in folders: hidden files, output folders (with ``run.json``), truth folders and masks, the
    data folders of MRXS and the data files of VMS. Symbolic links are followed once each, so loops end.
    """
    found: set[Path] = set()
    series: set[tuple[Path, str]] = set()
    for given in paths:
        path = Path(given)
        if path.is_dir():
            found.update(_walk(path, set()))
        elif path.suffix.lower() in DICOM_SUFFIXES and (header := read_header(path)) is not None:
            key = (path.parent, header.series)
            if key not in series:
                series.add(key)
                found.add(path)
        else:
            found.add(path)
    return sorted(found)


def _walk(folder: Path, seen: set[str]) -> Iterator[Path]:
    real = os.path.realpath(folder)
    if real in seen:
        return
    seen.add(real)
    entries = sorted(path for path in folder.iterdir() if not path.name.startswith((".", "~$")))
    if any(path.name == RESULT_MARK for path in entries):
        return
    files = [path for path in entries if not path.is_dir()]
    plain = [path for path in files if _is_slide(path)]
    companions = _index_companions(plain)
    plain = [path for path in plain if path.name not in companions]
    mrxs_folders = {path.stem for path in plain if path.suffix.lower() == ".mrxs"}
    dicom = series_files(folder)
    if len(dicom) == 1 and not plain:
        yield folder
    else:
        yield from (members[0] for members in dicom.values())
    yield from plain
    for path in entries:
        if path.is_dir() and path.name not in mrxs_folders and path.name.lower() != TRUTH_FOLDER:
            yield from _walk(path, seen)


def _is_slide(path: Path) -> bool:
    name = path.name.lower()
    if name.endswith(DICOM_SUFFIXES) or not name.endswith((*SLIDE_SUFFIXES, *CLOSED_SUFFIXES)):
        return False
    return not (name.endswith(_FIELD_SUFFIXES) and path.stem.lower().endswith(_COMPANION_ENDS))


def _index_companions(plain: list[Path]) -> set[str]:
    """Names of files that belong to a VMS or VMU index."""
    indexes = [path for path in plain if path.suffix.lower() in INDEX_SUFFIXES and path.is_file()]
    return set().union(*map(index_names, indexes))
