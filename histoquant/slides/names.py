"""What slides are called: the suffixes they have, and their names without."""

from __future__ import annotations

from pathlib import Path
from typing import Final

SLIDE_SUFFIXES: Final = (
    ".ome.tiff", ".ome.tif", ".ome.tf2", ".ome.tf8", ".ome.btf", ".svs", ".tiff", ".tif", ".btf", ".tf8",
    ".tf2", ".ndpi", ".mrxs", ".scn", ".bif", ".vms", ".vmu", ".svslide", ".czi", ".qptiff", ".dcm",
    ".dicom", ".png", ".jpeg", ".jpg",
)  # fmt: skip
# Listed so that they are refused with a reason, never passed over in silence.
CLOSED_SUFFIXES: Final = (".vsi", ".isyntax", ".kfb", ".sdpc", ".lif", ".zvi", ".tmap")


def slide_name(path: Path) -> str:
    """File name without its slide suffix; a folder's name as it is."""
    if path.is_dir():
        return path.resolve().name
    lower = path.name.lower()
    for suffix in (*SLIDE_SUFFIXES, *CLOSED_SUFFIXES):
        if lower.endswith(suffix) and len(lower) > len(suffix):
            return path.name[: -len(suffix)]
    return path.stem


def printable_name(path: Path) -> str:
    """File name for tables: bytes that are no UTF-8, which no table can hold, become question marks."""
    return path.name.encode("utf-8", "replace").decode()


def display_name(path: Path) -> str:
    """File name for messages, which are one line: anything unprintable becomes a question mark."""
    return "".join(c if c.isprintable() else "?" for c in path.name or str(path))
