"""Slides under new names: the same bytes, one time for all, no name, attribute or order of the old."""

from __future__ import annotations

import hashlib
import json
import os
import re
from pathlib import Path
from typing import Final

from histoquant.errors import UsageError
from histoquant.slides import slide_files
from histoquant.slides.dicom import DICOM_SUFFIXES, read_header
from histoquant.slides.files import INDEX_SUFFIXES
from histoquant.store.atomic import json_bytes, write_bytes, writing
from histoquant.study.annotations import read_regions
from histoquant.study.patterns import slide_stem

EPOCH_S: Final = 946_684_800
"""2000-01-01 UTC: the time of every file and folder in a blind folder."""
_CHUNK: Final = 1 << 23
_NOT_FOR_READERS: Final = ("LABEL", "OVERVIEW")
_ENDING: Final = re.compile(r"[a-z0-9.]{1,16}")


def masked_parts(path: Path, mask: str) -> dict[Path, str]:
    """Plan the files of a masked slide.

    Parameters
    ----------
    path : Path
        The slide: a file, or the folder of a DICOM slide.
    mask : str
        New name without ending.

    Returns
    -------
    dict of Path to str
        Name below the blind folder of each file to copy; the first is the slide itself, or lies in its
        folder. Label and overview files of a DICOM slide are left out.

    Raises
    ------
    UsageError
        For formats whose index names its other files after the slide (VMS, VMU).
    """
    suffix = path.suffix.lower()
    if suffix in INDEX_SUFFIXES:
        raise UsageError(
            f"{path.name}: its index names the other files after the slide, so that a copy under another "
            "name cannot be read. Export it as TIFF and blind that."
        )
    files = slide_files(path)
    if path.is_dir() or suffix in DICOM_SUFFIXES:
        kept = [file for file in files if (head := read_header(file)) and head.kind not in _NOT_FOR_READERS]
        return {file: f"{mask}/{number:05d}.dcm" for number, file in enumerate(kept, start=1)}
    ending = path.name.removeprefix(slide_stem(path)).lower()
    name = mask + (ending if _ENDING.fullmatch(ending) else "")
    data = path.with_suffix("")
    beside = {file: f"{mask}/{file.relative_to(data).as_posix()}" for file in files if file != path}
    return {path: name, **beside}


def masked_name(parts: dict[Path, str]) -> str:
    """Name that the slide table gives a masked slide: its file, or the folder of its DICOM files."""
    first = next(iter(parts.values()))
    return first.partition("/")[0] if first.endswith(".dcm") else first


def copy_file(source: Path, target: Path, link: bool) -> str:
    """Copy or link one file and return the SHA-256 of its bytes.

    Raises
    ------
    StoreError
        If the disk refuses.
    """
    digest = hashlib.sha256()
    with writing(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        if link:
            os.link(source, target)
        with source.open("rb") as read:
            if link:
                while chunk := read.read(_CHUNK):
                    digest.update(chunk)
                return digest.hexdigest()
            with target.open("xb") as write:
                while chunk := read.read(_CHUNK):
                    digest.update(chunk)
                    write.write(chunk)
                write.flush()
                os.fsync(write.fileno())
        target.chmod(0o644)
        os.utime(target, (EPOCH_S, EPOCH_S))
    return digest.hexdigest()


def copy_regions(annotations: Path, target: Path) -> bool:
    """Write the regions of a GeoJSON file that a run reads, by their role and nothing else of it.

    Other names and notes may tell the patient.

    Returns
    -------
    bool
        False where there is no such region, and then no file.
    """
    features = [
        {
            "type": "Feature",
            "geometry": {"type": "Polygon", "coordinates": [ring.tolist() for ring in region.rings_px]},
            "properties": {"objectType": "annotation", "classification": {"name": region.role}},
        }
        for region in read_regions(annotations)
        if region.role is not None
    ]
    if features:
        write_bytes(target, json_bytes({"type": "FeatureCollection", "features": features}))
    return bool(features)


def level_times(folder: Path, time_ns: int) -> None:
    """Give every file and folder below, and the folder itself, one time; linked originals have it already."""
    for path in (*sorted(folder.rglob("*"), reverse=True), folder):
        if path.stat().st_mtime_ns != time_ns:
            os.utime(path, ns=(time_ns, time_ns))


def toml_text(value: str) -> str:
    """A TOML basic string."""
    return json.dumps(value, ensure_ascii=False)
