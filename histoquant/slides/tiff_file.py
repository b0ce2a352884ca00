"""TIFF directories, read under limits: no tag can ask for more memory than it may.

A general TIFF library opens a file of 2**31 x 2**31 px or follows a directory loop for as long as
it lasts; a slide from a failing disk does both. So the few tags needed are read here, each one
checked against the file's real size first.
"""

from __future__ import annotations

import os
import struct
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import numpy as np
import numpy.typing as npt

from histoquant.errors import SlideRefusedError
from histoquant.slides.limits import MAX_IFDS, MAX_TABLE_BYTES, MAX_TAG_BYTES, MAX_TAGS, MAX_TEXT_BYTES
from histoquant.slides.names import display_name

# TIFF 6.0 field types and the 64-bit ones of BigTIFF; rationals are read as two integers.
_TYPES: Final = {1: "u1", 2: "u1", 3: "u2", 4: "u4", 5: "u4", 6: "i1", 7: "u1", 8: "i2", 9: "i4"} | {
    10: "i4", 11: "f4", 12: "f8", 13: "u4", 16: "u8", 17: "i8", 18: "u8",
}  # fmt: skip
_RATIONAL: Final = (5, 10)

SUBFILE_TYPE, WIDTH, LENGTH, BITS, COMPRESSION, PHOTOMETRIC = 254, 256, 257, 258, 259, 262
FILL_ORDER, DESCRIPTION, STRIP_OFFSETS, SAMPLES, ROWS_PER_STRIP, STRIP_COUNTS = 266, 270, 273, 277, 278, 279
X_RESOLUTION, Y_RESOLUTION, PLANAR, RESOLUTION_UNIT, SOFTWARE, PREDICTOR = 282, 283, 284, 296, 305, 317
TILE_WIDTH, TILE_LENGTH, TILE_OFFSETS, TILE_COUNTS, SUB_IFDS = 322, 323, 324, 325, 330
EXTRA_SAMPLES, SAMPLE_FORMAT, JPEG_TABLES, XMP = 338, 339, 347, 700
IMAGE_DEPTH, ICC_PROFILE, NDPI_FLAG = 32997, 34675, 65420


def is_tiff(head: bytes) -> bool:
    """Whether the first bytes of a file are a TIFF or BigTIFF header."""
    return head[:4] in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")


@dataclass(frozen=True)
class Entry:
    """One tag of one directory: where its value lies."""

    kind: int
    count: int
    offset: int


@dataclass
class Ifd:
    """One image file directory.

    Parameters
    ----------
    file : TiffFile
        The open file.
    index : int
        Position in the main chain, from 0; sub-directories carry their parent's.
    entries : dict
        Tag number to :class:`Entry`.
    """

    file: TiffFile
    index: int
    entries: dict[int, Entry] = field(default_factory=dict)

    def __contains__(self, tag: int) -> bool:
        return tag in self.entries

    def numbers(self, tag: int) -> npt.NDArray[np.generic]:
        """All values of a numeric tag, empty when absent; rationals as (n, 2)."""
        entry = self.entries.get(tag)
        if entry is None:
            return np.empty(0, np.int64)
        return self.file.values(entry, tag)

    def integers(self, tag: int) -> npt.NDArray[np.uint64]:
        """All values of an offset or byte count tag."""
        values = self.numbers(tag)
        if values.ndim != 1 or values.dtype.kind not in "ui":
            raise self.file.damaged(f"tag {tag} does not hold whole numbers")
        return values.astype(np.uint64)

    def integer(self, tag: int, default: int) -> int:
        """First value of a tag, or ``default`` when absent."""
        values = self.integers(tag)
        return int(values[0]) if values.size else default

    def raw(self, tag: int) -> bytes:
        """Bytes of a tag, empty when absent."""
        entry = self.entries.get(tag)
        return b"" if entry is None else self.file.value_bytes(entry, tag)

    def text(self, tag: int) -> str:
        """Text of a tag, empty when absent or longer than any real description."""
        entry = self.entries.get(tag)
        if entry is None or entry.count > MAX_TEXT_BYTES:
            return ""
        return self.file.value_bytes(entry, tag).split(b"\0", 1)[0].decode("utf-8", "replace")

    @property
    def size_px(self) -> tuple[int, int]:
        """Width and height as claimed."""
        return self.integer(WIDTH, 0), self.integer(LENGTH, 0)

    @property
    def is_tiled(self) -> bool:
        """Whether pixels are stored in tiles."""
        return TILE_WIDTH in self and TILE_OFFSETS in self

    def chunk_index(self) -> tuple[npt.NDArray[np.uint64], npt.NDArray[np.uint64]]:
        """File offsets and byte counts of the tiles or strips."""
        # some writers keep tile tables under the strip tags, which TIFF readers accept
        offsets = self.integers(TILE_OFFSETS if TILE_OFFSETS in self else STRIP_OFFSETS)
        counts = self.integers(TILE_COUNTS if TILE_COUNTS in self else STRIP_COUNTS)
        return offsets, counts

    def sub_ifds(self) -> list[Ifd]:
        """Directories below this one: the pyramid levels of OME-TIFF."""
        return [self.file.single(int(offset), self.index) for offset in self.integers(SUB_IFDS).tolist()]


class TiffFile:
    """A TIFF or BigTIFF opened for reading its directories.

    Parameters
    ----------
    path : Path
        The file.

    Raises
    ------
    SlideRefusedError
        ``TRUNCATED`` when a directory or value lies beyond the end, ``UNREADABLE`` for loops and
        contradictions, ``TOO_LARGE`` for absurd counts.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._fd = os.open(path, os.O_RDONLY)
        self._seen: set[int] = set()
        self._table_bytes = 0
        self.ifds: list[Ifd] = []
        try:
            self.size = os.fstat(self._fd).st_size
            first = self._read_header()
            self.ifds = self.chain(first, 0)
        except BaseException:
            self.close()
            raise

    def _read_header(self) -> int:
        head = os.pread(self._fd, 16, 0)
        self._order = "<" if head[:2] == b"II" else ">"
        self.is_big = head[2:4] in (b"+\0", b"\0+")
        if len(head) < (16 if self.is_big else 8):
            raise self.truncated("the header")
        if not self.is_big:
            return int(struct.unpack(self._order + "I", head[4:8])[0])
        offset_size, zero, first = struct.unpack(self._order + "HHQ", head[4:16])
        if offset_size != 8 or zero != 0:
            raise self.damaged("the BigTIFF header is not valid")
        return int(first)

    def chain(self, offset: int, index: int) -> list[Ifd]:
        """Directories from ``offset`` on, following the links."""
        found: list[Ifd] = []
        while offset:
            ifd, offset = self._visit(offset, index + len(found))
            found.append(ifd)
        return found

    def single(self, offset: int, index: int) -> Ifd:
        """One directory; its link is not followed, for writers chain the levels they list as well."""
        return self._visit(offset, index)[0]

    def _visit(self, offset: int, index: int) -> tuple[Ifd, int]:
        if offset in self._seen:
            raise self.damaged("the list of images runs in a loop")
        self._seen.add(offset)
        if len(self._seen) > MAX_IFDS:
            raise self._too_large(f"more than {MAX_IFDS} images")
        return self._read_ifd(offset, index)

    def _read_ifd(self, offset: int, index: int) -> tuple[Ifd, int]:
        order, big = self._order, self.is_big
        head, size, inline, link = (8, 20, 8, "Q") if big else (2, 12, 4, "I")
        number = int(
            struct.unpack(order + ("Q" if big else "H"), self.bytes_at(offset, head, "an image header"))[0]
        )
        if number > MAX_TAGS:
            raise self._too_large(f"an image with {number} tags")
        tail = struct.calcsize(order + link)
        block = self.bytes_at(offset + head, number * size + tail, "an image header")
        ifd = Ifd(self, index)
        for i in range(number):
            tag, kind, count = struct.unpack_from(order + ("HHQ" if big else "HHI"), block, i * size)
            nbytes = self._nbytes(kind, count)
            place = i * size + size - inline
            if nbytes > inline:
                value = int(struct.unpack_from(order + link, block, place)[0])
            else:
                value = offset + head + place
            ifd.entries.setdefault(tag, Entry(kind, count, value))
        return ifd, int(struct.unpack_from(order + link, block, number * size)[0])

    def _nbytes(self, kind: int, count: int) -> int:
        width = np.dtype(_TYPES[kind]).itemsize if kind in _TYPES else 1
        return width * count * (2 if kind in _RATIONAL else 1)

    def value_bytes(self, entry: Entry, tag: int) -> bytes:
        """Bytes of a tag's value."""
        nbytes = self._nbytes(entry.kind, entry.count)
        if nbytes > MAX_TAG_BYTES:
            raise self._too_large(f"a tag ({tag}) of {nbytes} bytes")
        self._table_bytes += nbytes
        if self._table_bytes > MAX_TABLE_BYTES:
            raise self._too_large(f"more than {MAX_TABLE_BYTES} bytes of tags")
        return self.bytes_at(entry.offset, nbytes, f"tag {tag}")

    def values(self, entry: Entry, tag: int) -> npt.NDArray[np.generic]:
        """Values of a numeric tag."""
        if entry.kind not in _TYPES:
            raise self.damaged(f"tag {tag} has the unknown type {entry.kind}")
        values = np.frombuffer(self.value_bytes(entry, tag), np.dtype(self._order + _TYPES[entry.kind]))
        return values.reshape(-1, 2) if entry.kind in _RATIONAL else values

    def bytes_at(self, offset: int, count: int, what: str) -> bytes:
        """Bytes of the file; a short read is a truncated file."""
        if offset + count > self.size:
            raise self.truncated(what)
        data = os.pread(self._fd, count, offset)
        if len(data) != count:
            raise self.truncated(what)
        return data

    def truncated(self, what: str) -> SlideRefusedError:
        """The error for something that lies beyond the end of the file."""
        return SlideRefusedError(
            "TRUNCATED",
            f"{display_name(self.path)}: the file ends after {self.size} bytes, before {what}. "
            "Copy it again from its source.",
        )

    def damaged(self, what: str) -> SlideRefusedError:
        """The error for a TIFF that contradicts itself."""
        return SlideRefusedError(
            "UNREADABLE", f"{display_name(self.path)}: damaged TIFF: {what}. Copy or export the slide again."
        )

    def _too_large(self, what: str) -> SlideRefusedError:
        return SlideRefusedError(
            "TOO_LARGE", f"{display_name(self.path)}: the file claims {what}; it is damaged or not a slide."
        )

    def close(self) -> None:
        """Release the file."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
