"""What must be known of a DICOM file before OpenSlide opens it: its series, its kind, its focal planes."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final

DICOM_SUFFIXES: Final = (".dcm", ".dicom")

_LONG_VRS: Final = frozenset(b"OB OD OF OL OV OW SQ SV UC UN UR UT UV".split())
_UNDEFINED: Final = 0xFFFFFFFF
_IMAGE_TYPE, _SERIES, _FOCAL_PLANES = (0x0008, 0x0008), (0x0020, 0x000E), (0x0048, 0x0303)
_LAST: Final = _FOCAL_PLANES
_ITEM, _ITEM_END, _SEQUENCE_END = (0xFFFE, 0xE000), (0xFFFE, 0xE00D), (0xFFFE, 0xE0DD)
_MAX_ELEMENTS: Final = 20_000  # headers hold a few hundred elements; a damaged one must end


@dataclass(frozen=True)
class DicomHeader:
    """Facts from a DICOM header.

    Parameters
    ----------
    series : str
        Series instance UID: files that share it are one slide.
    kind : str
        Third value of ImageType: ``"VOLUME"``, ``"LABEL"``, ``"OVERVIEW"``, ``"THUMBNAIL"`` or empty.
    focal_planes : int
        Total focal planes; 1 when not stated.
    """

    series: str
    kind: str
    focal_planes: int


def is_dicom(path: Path) -> bool:
    """Whether a file starts like DICOM part 10."""
    try:
        with path.open("rb") as file:
            return file.read(132)[128:] == b"DICM"
    except OSError:
        return False


def read_header(path: Path) -> DicomHeader | None:
    """Read a DICOM header in explicit little-endian form, as all whole-slide images have.

    Parameters
    ----------
    path : Path
        The file.

    Returns
    -------
    DicomHeader or None
        None when the file is not such a DICOM file, or damaged before its series number.
    """
    found: dict[tuple[int, int], bytes] = {}
    try:
        with path.open("rb") as file:
            if file.read(132)[128:] != b"DICM":
                return None
            for _ in range(_MAX_ELEMENTS):
                tag, value = _element(file)
                if tag in (_IMAGE_TYPE, _SERIES, _FOCAL_PLANES):
                    found[tag] = value
                if tag >= _LAST:
                    break
    except (OSError, struct.error, ValueError, RecursionError):
        pass
    if _SERIES not in found:
        return None
    kinds = found.get(_IMAGE_TYPE, b"").decode("ascii", "replace").strip().split("\\")
    planes = found.get(_FOCAL_PLANES, b"")
    return DicomHeader(
        series=found[_SERIES].decode("ascii", "replace").strip("\0 "),
        kind=kinds[2] if len(kinds) > 2 else "",
        focal_planes=int.from_bytes(planes, "little") or 1,
    )


def _element(file: BinaryIO) -> tuple[tuple[int, int], bytes]:
    """Next element; long values and sequences are passed over."""
    group, number = struct.unpack("<HH", file.read(4))
    if group == 0xFFFE:
        (length,) = struct.unpack("<I", file.read(4))
        return (group, number), struct.pack("<I", length)
    vr = file.read(2)
    if vr in _LONG_VRS:
        _, length = struct.unpack("<HI", file.read(6))
    else:
        (length,) = struct.unpack("<H", file.read(2))
    if length == _UNDEFINED:
        _skip_sequence(file)
        return (group, number), b""
    if length > 4096:
        file.seek(length, 1)
        return (group, number), b""
    return (group, number), file.read(length)


def _skip_sequence(file: BinaryIO) -> None:
    """Pass over items until the sequence's end; items of undefined length hold elements of their own."""
    for _ in range(_MAX_ELEMENTS):
        tag, length = _element(file)
        if tag == _SEQUENCE_END:
            return
        if tag != _ITEM:
            raise ValueError("no item where one must be")
        size = int.from_bytes(length, "little")
        if size != _UNDEFINED:
            file.seek(size, 1)
            continue
        for _ in range(_MAX_ELEMENTS):
            if _element(file)[0] == _ITEM_END:
                break
    raise ValueError("a sequence without end")


def series_files(folder: Path) -> dict[str, list[Path]]:
    """DICOM files of a folder by series, each list sorted by name.

    Parameters
    ----------
    folder : Path
        Where to look; sub-folders are not entered.

    Returns
    -------
    dict of str to list of Path
        A file without a readable series number stands alone under its own name.
    """
    groups: dict[str, list[Path]] = {}
    for path in sorted(folder.iterdir()):
        if path.name.startswith(".") or not path.is_file():
            continue
        suffix = path.suffix.lower()
        unnamed = suffix == "" or suffix[1:].isdigit()  # archives export DICOM as 1.2.840.113... or IM0001
        if suffix in DICOM_SUFFIXES or (unnamed and is_dicom(path)):
            header = read_header(path)
            groups.setdefault(header.series if header else f"file {path.name}", []).append(path)
    return groups
