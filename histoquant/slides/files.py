"""The files a slide is made of: one for most formats, an index and its data files for some."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from histoquant.slides.dicom import DICOM_SUFFIXES, read_header, series_files

INDEX_SUFFIXES: Final = (".vms", ".vmu")  # text files that name the JPEG or NGR files of a slide
_MAX_INDEX_BYTES: Final = 1 << 20


def slide_files(path: Path) -> list[Path]:
    """Every file whose bytes can change what is read from a slide.

    Parameters
    ----------
    path : Path
        The slide as it was found: a file, or the folder of a DICOM slide.

    Returns
    -------
    list of Path
        Sorted; the data folder of an MRXS slide, the files that a VMS or VMU index names, and the other files
        of a DICOM series are among them. A file that is not there is left out.
    """
    if path.is_dir():
        return sorted(part for part in path.rglob("*") if part.is_file())
    return sorted({path, *_companions(path)})


def _companions(path: Path) -> list[Path]:
    suffix = path.suffix.lower()
    if suffix == ".mrxs":
        return [part for part in path.with_suffix("").rglob("*") if part.is_file()]
    if suffix in INDEX_SUFFIXES and path.is_file():
        return [path.with_name(name) for name in index_names(path) if path.with_name(name).is_file()]
    if suffix in DICOM_SUFFIXES and (header := read_header(path)) is not None:
        return series_files(path.parent).get(header.series, [])
    return []


def index_names(index: Path) -> set[str]:
    """Names of the files beside it that a VMS or VMU index lists."""
    with index.open("rb") as file:
        text = file.read(_MAX_INDEX_BYTES).decode("utf-8", "replace")
    values = {line.partition("=")[2].strip() for line in text.splitlines()}
    return {value for value in values if value not in ("", ".", "..") and not set(value) & set("/\\\0")}
