"""Pictures on their way out: PNG files that carry a small preview, and data URIs that fit a budget.

A report over hundreds of slides must not inflate hundreds of 12-megapixel PNGs only to show them small. Every
large PNG written here holds a small JPEG of itself in a private chunk that other programs ignore.
"""

from __future__ import annotations

import base64
import struct
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import cv2
import numpy as np
from imagecodecs import deflate_crc32, jpeg8_encode

from histoquant.report.canvas import Picture, check_rgb, fit

Part = bytes | memoryview

PREVIEW_PX: Final = 1000
_PREVIEW_FROM: Final = 1_000_000  # pixels: below this a whole PNG decodes in 10 ms
_CHUNK: Final = b"hqPV"  # ancillary, private, not to be copied by editors that change pixels (PNG 1.2, 3.3)
_SIGNATURE: Final = b"\x89PNG\r\n\x1a\n"
_IHDR_END: Final = 8 + 25
_RGB_8: Final = struct.pack(
    ">BBBBB", 8, 2, 0, 0, 0
)  # bits, colour type, deflate, filters by row, not interlaced
_QUALITIES: Final = (84, 74, 70, 66, 60)  # below 60 the thin outlines of negatives smear
_MAX_BYTES: Final = 400_000_000  # no picture of ours comes near; anything larger is not ours


def encode_jpeg(rgb: Picture, quality: int) -> bytes:
    """Return a baseline JPEG of uint8 RGB."""
    # colour at full resolution: 4:2:0 smears one-pixel outlines
    return bytes(jpeg8_encode(np.ascontiguousarray(rgb), quality, subsampling="444"))


def encode_png(rgb: Picture, preview_px: int = PREVIEW_PX) -> bytes:
    """Return PNG bytes of uint8 RGB (h, w, 3), with the preview in a private chunk if the picture is large.

    The bytes depend on the pixels only: no time stamps, no metadata.

    Parameters
    ----------
    rgb : ndarray of uint8, shape (h, w, 3)
    preview_px : int
        Longest side of the preview: as large as the report shows the picture, at most ``PREVIEW_PX``.
    """
    return b"".join(png_parts(rgb, preview_px))


def png_parts(rgb: Picture, preview_px: int = PREVIEW_PX) -> list[Part]:
    """Return what `encode_png` does, in parts that need not be joined to be written."""
    from histoquant.report.png_codes import idat_parts  # compiled: a page needs none

    picture = check_rgb(rgb)
    height, width = picture.shape[:2]
    parts: list[Part] = [_SIGNATURE, *_chunk(b"IHDR", struct.pack(">II", width, height) + _RGB_8)]
    if width * height >= _PREVIEW_FROM:
        parts += _chunk(_CHUNK, encode_jpeg(fit(picture, preview_px), 90))
    parts += _chunk(b"IDAT", *idat_parts(picture))
    return [*parts, *_chunk(b"IEND", b"")]


def _chunk(name: bytes, *body: Part) -> list[Part]:
    """A chunk as PNG 1.2, section 3.2, lays it out, in parts."""
    crc = 0
    part: Any  # the sum takes any buffer, and says it takes bytes
    for part in (name, *body):
        crc = deflate_crc32(part, crc)  # libdeflate's sum takes a tenth of zlib's time
    return [struct.pack(">I", sum(map(len, body))), name, *body, struct.pack(">I", crc)]


def _preview_bytes(path: Path) -> bytes | None:
    with path.open("rb") as file:
        head = file.read(_IHDR_END + 8)
        if len(head) < _IHDR_END + 8 or not head.startswith(_SIGNATURE) or head[-4:] != _CHUNK:
            return None
        (length,) = struct.unpack(">I", head[-8:-4])
        body = file.read(length)
        crc = file.read(4)
    whole = len(body) == length and crc == struct.pack(">I", zlib.crc32(_CHUNK + body))
    return body if whole else None


def read_small(path: Path) -> Picture | None:
    """Return a picture no larger than ``PREVIEW_PX``, from its preview where it has one.

    ``None`` if the file is missing or is no picture: a report is written all the same.
    """
    try:
        if not 0 < path.stat().st_size <= _MAX_BYTES:
            return None
        data = _preview_bytes(path) or path.read_bytes()
    except OSError:
        return None
    try:
        decoded = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    except cv2.error:
        return None
    if decoded is None:
        return None
    return fit(np.ascontiguousarray(decoded[:, :, ::-1], np.uint8), PREVIEW_PX)


@dataclass(frozen=True)
class Embedded:
    """A picture inside the page: data URI, shown size, and the relative link to the full one."""

    uri: str
    width: int
    height: int
    href: str


def embed(picture: Picture, longest_px: int, budget_bytes: int, href: str) -> Embedded:
    """Return the picture as JPEG data URI of at most about ``budget_bytes``, quality first to give way."""
    small = fit(picture, longest_px)
    data = encode_jpeg(small, _QUALITIES[0])
    for quality in _QUALITIES[1:]:
        if len(data) <= budget_bytes:
            break
        # bytes go with the pixel count, a little slower: aim 10 % below
        shrink = min(1.0, (0.9 * budget_bytes / len(data)) ** 0.5 * 1.15)
        small = fit(small, max(80, round(max(small.shape[:2]) * shrink)))
        data = encode_jpeg(small, quality)
    uri = "data:image/jpeg;base64," + base64.b64encode(data).decode("ascii")
    return Embedded(uri, small.shape[1], small.shape[0], href)
