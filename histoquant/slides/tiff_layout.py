"""Where the level-0 pixels of a TIFF lie and how they are encoded."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from histoquant.errors import SlideRefusedError
from histoquant.slides import tiff_file as tags
from histoquant.slides.limits import check_dimensions, check_tile
from histoquant.slides.tiff_codec import CODEC_NAMES, JPEG, JPEG2000, PREDICTABLE, SUPPORTED
from histoquant.slides.tiff_file import Ifd

RGB_PHOTOMETRIC: Final = 2
YCBCR_PHOTOMETRIC: Final = 6
_PHOTOMETRIC_NAMES: Final = {
    0: "greyscale", 1: "greyscale", 3: "palette colour", 4: "a mask", 5: "CMYK", 8: "CIELab",
    32803: "a raw mosaic",
}  # fmt: skip
_STRIP_PX: Final = 1 << 20  # uncompressed strips beyond 1 Mpx are read in parts of that size
_MAX_EXPANSION: Final = 4  # no codec makes pixels larger than this, so no tile is read beyond it
_TILE_OVERHEAD: Final = 1 << 20  # tables, colour profile or padding in a small tile

Offsets = npt.NDArray[np.uint64]


@dataclass(frozen=True)
class TiffLayout:
    """Plain data from which level-0 pixels can be decoded; holds no file.

    Parameters
    ----------
    size_px : tuple of int
        Width and height of level 0.
    chunk_px : tuple of int
        Width and height of a tile, or of a strip.
    tiled : bool
        Tiles (always full size) or strips (the last one may be short).
    codec : int
        TIFF compression code.
    samples : int
        Samples interleaved in a chunk: 1 where each colour has its own chunks, 3, or 4.
    planes : tuple of (offsets, counts)
        Chunk positions in the file, row by row: one pair, or one per colour.
    photometric : int
        2 (RGB) or 6 (YCbCr).
    predictor : bool
        TIFF predictor 2.
    alpha : str
        ``""``, ``"straight"`` or ``"premultiplied"``: meaning of a fourth sample.
    jpeg_tables : bytes or None
        Shared JPEG tables.
    """

    size_px: tuple[int, int]
    chunk_px: tuple[int, int]
    tiled: bool
    codec: int
    samples: int
    planes: tuple[tuple[Offsets, Offsets], ...]
    photometric: int
    predictor: bool = False
    alpha: str = ""
    jpeg_tables: bytes | None = None

    @property
    def grid(self) -> tuple[int, int]:
        """Columns and rows of chunks."""
        (width, height), (chunk_w, chunk_h) = self.size_px, self.chunk_px
        return -(-width // chunk_w), -(-height // chunk_h)

    def chunk_rows(self, row: int) -> int:
        """Pixel rows stored in the chunks of a row."""
        if self.tiled:
            return self.chunk_px[1]
        return min(self.chunk_px[1], self.size_px[1] - row * self.chunk_px[1])

    def first_stored(self) -> tuple[int, int] | None:
        """Offset and byte count of the first chunk that is not sparse."""
        offsets, counts = self.planes[0]
        stored = np.flatnonzero((offsets != 0) & (counts != 0))
        return (int(offsets[stored[0]]), int(counts[stored[0]])) if stored.size else None


def layout_of(name: str, ifds: list[Ifd]) -> TiffLayout:
    """Layout of one image: a directory, or three with one colour each.

    Parameters
    ----------
    name : str
        File name for messages.
    ifds : list of Ifd
        One directory with interleaved or planar RGB, or three greyscale ones for red, green and blue.

    Raises
    ------
    SlideRefusedError
        ``TOO_LARGE``, ``PIXEL_TYPE``, ``CODEC``, ``Z_STACK``, ``UNREADABLE``.
    """
    head = ifds[0]
    check_dimensions(name, *head.size_px)
    if head.integer(tags.IMAGE_DEPTH, 1) > 1:
        raise SlideRefusedError("Z_STACK", f"{name}: holds several focal planes. Export one plane.")
    alpha = _check_pixel_type(name, ifds)
    codec = _check_codec(name, head)
    chunk = _chunk_px(head)
    separate = len(ifds) == 3 or head.integer(tags.PLANAR, 1) == 2
    samples = 1 if separate else head.integer(tags.SAMPLES, 1)
    planes = _planes(name, ifds, chunk, separate=separate)
    if not head.is_tiled and codec == 1:
        whole, planes_before = chunk, planes
        chunk, planes = _split_strips(head.size_px, chunk, samples, planes)
        needed = whole[0] * min(whole[1], head.size_px[1]) * samples
        if chunk != whole and any(int(counts[0]) < needed for _, counts in planes_before):
            # cut by what the header claims, it would be read beyond what is stored
            raise head.file.damaged(f"a strip of {needed} bytes that takes fewer")
    check_tile(name, *chunk)
    _check_tile_bytes(head, chunk[0] * chunk[1] * samples, planes)
    return TiffLayout(
        size_px=head.size_px,
        chunk_px=chunk,
        tiled=head.is_tiled,
        codec=codec,
        samples=samples,
        planes=planes,
        photometric=head.integer(tags.PHOTOMETRIC, RGB_PHOTOMETRIC),
        predictor=head.integer(tags.PREDICTOR, 1) == 2 and codec in PREDICTABLE,
        alpha=alpha,
        jpeg_tables=head.raw(tags.JPEG_TABLES) or None,
    )


def _chunk_px(head: Ifd) -> tuple[int, int]:
    if head.is_tiled:
        return head.integer(tags.TILE_WIDTH, 0), head.integer(tags.TILE_LENGTH, 0)
    width, height = head.size_px
    return width, min(head.integer(tags.ROWS_PER_STRIP, height), height)


def _check_tile_bytes(head: Ifd, decoded: int, planes: tuple[tuple[Offsets, Offsets], ...]) -> None:
    largest = max(int(counts.max()) for _, counts in planes)
    if largest > _MAX_EXPANSION * decoded + _TILE_OVERHEAD:
        raise head.file.damaged(f"a tile of {decoded} samples that takes {largest} bytes")


def _check_pixel_type(name: str, ifds: list[Ifd]) -> str:
    head = ifds[0]
    samples = head.integer(tags.SAMPLES, 1)
    photometric = head.integer(tags.PHOTOMETRIC, -1)
    bits = set(head.integers(tags.BITS).tolist()) or {1}
    formats = set(head.integers(tags.SAMPLE_FORMAT).tolist()) or {1}
    if bits != {8} or formats != {1}:
        kind = " floating-point" if 3 in formats else " signed" if 2 in formats else ""
        raise _pixel_type(name, f"{'/'.join(map(str, sorted(bits)))}-bit{kind}")
    if len(ifds) == 3:
        if any(ifd.size_px != head.size_px or ifd.integer(tags.SAMPLES, 1) != 1 for ifd in ifds):
            raise _pixel_type(name, "channels that differ in size or kind")
        return ""
    if photometric not in (RGB_PHOTOMETRIC, YCBCR_PHOTOMETRIC):
        raise _pixel_type(name, _PHOTOMETRIC_NAMES.get(photometric, f"of photometric kind {photometric}"))
    extra = head.integers(tags.EXTRA_SAMPLES).tolist()
    codec = head.integer(tags.COMPRESSION, 1)
    if photometric == YCBCR_PHOTOMETRIC and codec not in (JPEG, *JPEG2000, 50001):
        raise _pixel_type(name, f"YCbCr in {CODEC_NAMES.get(codec, codec)}")
    if samples == 3:
        return ""
    if samples == 4 and codec != JPEG and head.integer(tags.PLANAR, 1) == 1:
        return {1: "premultiplied", 2: "straight"}.get(int(extra[0]) if extra else 0, "")
    raise _pixel_type(name, f"of {samples} samples")


def _pixel_type(name: str, what: str) -> SlideRefusedError:
    return SlideRefusedError(
        "PIXEL_TYPE",
        f"{name}: pixels are {what}; brightfield needs 8-bit RGB. Export the slide as 8-bit RGB.",
    )


def _check_codec(name: str, head: Ifd) -> int:
    codec = head.integer(tags.COMPRESSION, 1)
    label = CODEC_NAMES.get(codec)
    problem = ""
    if codec not in SUPPORTED:
        problem = f"{label} (TIFF compression {codec})" if label else f"TIFF compression {codec}"
    elif codec in PREDICTABLE and head.integer(tags.PREDICTOR, 1) not in (1, 2):
        problem = f"{label} with TIFF predictor {head.integer(tags.PREDICTOR, 1)}"
    elif head.integer(tags.FILL_ORDER, 1) != 1:
        problem = f"{label} with reversed bit order"
    if problem:
        raise SlideRefusedError(
            "CODEC",
            f"{name}: pixels are compressed with {problem}, which is not supported. Convert to a tiled TIFF "
            "with JPEG, JPEG 2000, LZW, deflate or no compression.",
        )
    return codec


def _planes(
    name: str, ifds: list[Ifd], chunk: tuple[int, int], *, separate: bool
) -> tuple[tuple[Offsets, Offsets], ...]:
    width, height = ifds[0].size_px
    check_tile(name, chunk[0], min(chunk[1], 1))
    needed = -(-width // chunk[0]) * -(-height // max(chunk[1], 1))
    in_file = needed * (3 if separate and len(ifds) == 1 else 1)
    found = []
    for ifd in ifds:
        offsets, counts = ifd.chunk_index()
        if len(offsets) != in_file or len(counts) != in_file:
            raise ifd.file.damaged(f"{len(offsets)} tile offsets and {len(counts)} sizes for {in_file} tiles")
        found += [
            (offsets[i : i + needed].copy(), counts[i : i + needed].copy()) for i in range(0, in_file, needed)
        ]
    return tuple(found)


def _split_strips(
    size_px: tuple[int, int],
    chunk: tuple[int, int],
    samples: int,
    planes: tuple[tuple[Offsets, Offsets], ...],
) -> tuple[tuple[int, int], tuple[tuple[Offsets, Offsets], ...]]:
    """Cut one huge uncompressed strip into readable ones; several strips are small already."""
    (width, height), (_, rows) = size_px, chunk
    if len(planes[0][0]) != 1 or width * rows <= _STRIP_PX or any(o[0] == 0 or c[0] == 0 for o, c in planes):
        return chunk, planes
    rows = max(1, _STRIP_PX // width)
    row_bytes = width * samples
    starts = np.arange(0, height, rows, dtype=np.uint64)
    sizes = np.minimum(rows, height - starts.astype(np.int64)).astype(np.uint64) * np.uint64(row_bytes)
    cut = tuple((offsets[0] + starts * np.uint64(row_bytes), sizes.copy()) for offsets, _ in planes)
    return (width, rows), cut
