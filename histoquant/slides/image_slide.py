"""Field images: PNG and JPEG, decoded whole on first use."""

from __future__ import annotations

import mmap
import struct
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import Final

import imagecodecs
import numpy as np

from histoquant.errors import SlideFailedError, SlideRefusedError
from histoquant.slides.alpha import over_white
from histoquant.slides.findings import Findings
from histoquant.slides.limits import check_whole_image
from histoquant.slides.names import display_name
from histoquant.slides.resolution import from_density
from histoquant.slides.slide import RGB, BaseSlide, SlideFacts, Valid
from histoquant.slides.tiff_codec import jpeg_frame, jpeg_segments

PNG_SIGNATURE: Final = b"\x89PNG\r\n\x1a\n"
JPEG_SIGNATURE: Final = b"\xff\xd8\xff"

_PNG_COLOURS: Final = {0: "greyscale", 2: "RGB", 3: "palette colour", 4: "greyscale", 6: "RGB"}
_DENSITY_UM: Final = {1: 25400.0, 2: 10000.0}  # JFIF: per inch, per centimetre
_HUFFMAN_FRAMES: Final = (0xC0, 0xC1, 0xC2)  # baseline, extended, progressive


class ImageSlide(BaseSlide):
    """A PNG or JPEG field.

    Parameters
    ----------
    facts : SlideFacts
        What is known about the image. EXIF orientation is ignored: pixels keep their order in the file.
    """

    def __init__(self, facts: SlideFacts) -> None:
        super().__init__(facts)
        self._lock = Lock()
        self._pixels: tuple[RGB, Valid] | None = None

    def close(self) -> None:
        """Release the decoded image."""
        with self._lock:
            self._pixels = None

    def read_level0(self, x: int, y: int, width: int, height: int) -> tuple[RGB, Valid]:
        """Read full-resolution pixels; see :meth:`BaseSlide.read_level0`."""
        with self._lock:
            if self._pixels is None:
                self._pixels = _decode(self.path, self.size_px)
            pixels, held = self._pixels
        rgb = np.full((height, width, 3), 255, np.uint8)
        valid = np.zeros((height, width), np.bool_)
        left, top = max(x, 0), max(y, 0)
        right, bottom = min(x + width, self.size_px[0]), min(y + height, self.size_px[1])
        if left < right and top < bottom:
            to = (slice(top - y, bottom - y), slice(left - x, right - x))
            rgb[to] = pixels[top:bottom, left:right]
            valid[to] = held[top:bottom, left:right]
        return rgb, valid


def _decode(path: Path, size_px: tuple[int, int]) -> tuple[RGB, Valid]:
    try:
        data = path.read_bytes()
        if data.startswith(PNG_SIGNATURE):
            samples = np.asarray(imagecodecs.png_decode(data))
        else:
            samples = np.asarray(imagecodecs.jpeg8_decode(data, outcolorspace="RGB"))
        if (
            samples.dtype != np.uint8
            or samples.shape[:2] != size_px[::-1]
            or samples.shape[2:] not in ((3,), (4,))
        ):
            raise ValueError(f"decoded to {samples.shape} {samples.dtype}")
    except Exception as error:
        raise SlideFailedError(
            "UNREADABLE", f"{display_name(path)}: cannot be decoded: {error}. Copy or export the image again."
        ) from error
    if samples.shape[2] == 4:
        return over_white(samples)
    return samples, np.ones(samples.shape[:2], np.bool_)


@dataclass(frozen=True)
class _PngHeader:
    size_px: tuple[int, int]
    bits: int
    colour: int
    chunks: dict[bytes, bytes]


def examine_png(findings: Findings) -> None:
    """Read a PNG's header and check that it is complete.

    Parameters
    ----------
    findings : Findings
        Filled with what is learnt.

    Raises
    ------
    SlideRefusedError
        ``TRUNCATED``, ``TOO_LARGE``, ``PIXEL_TYPE`` or ``UNREADABLE``.
    """
    findings.format, findings.reader, findings.compression, findings.levels = "PNG", "image", "deflate", 1
    header = _read_png(findings)
    findings.size_px = header.size_px
    check_whole_image(findings.name, *header.size_px)
    colour = _PNG_COLOURS.get(header.colour, "of an unknown kind")
    if colour != "RGB" or header.bits != 8:
        kind = f"{header.bits}-bit RGB" if colour == "RGB" else colour
        raise _pixel_type(findings.name, kind)
    density = header.chunks.get(b"pHYs", b"")
    if len(density) == 9 and density[8] == 1:
        _note_density(findings, "PNG pHYs", *struct.unpack(">II", density[:8]), unit_um=1e6)
    findings.note_icc(header.chunks.get(b"iCCP", b""))


def _read_png(findings: Findings) -> _PngHeader:
    with findings.path.open("rb") as file:
        size = findings.path.stat().st_size
        file.seek(8)
        kept: dict[bytes, bytes] = {}
        while True:
            head = file.read(8)
            if len(head) < 8:
                raise _truncated(findings.name, size, "its end mark")
            length, kind = struct.unpack(">I4s", head)
            if file.tell() + length + 4 > size:
                raise _truncated(findings.name, size, f"the end of its {_block_name(kind)} block")
            if kind in (b"IHDR", b"pHYs", b"iCCP") and length < 1 << 24:
                kept[kind] = file.read(length)
                file.seek(4, 1)
            else:
                file.seek(length + 4, 1)
            if kind == b"IEND":
                break
    header = kept.get(b"IHDR", b"")
    if len(header) != 13:
        raise SlideRefusedError("UNREADABLE", f"{findings.name}: damaged PNG header. Export the image again.")
    width, height, bits, colour = struct.unpack(">IIBB", header[:10])
    return _PngHeader((width, height), bits, colour, kept)


def _block_name(kind: bytes) -> str:
    """Letters of a PNG block's type; a damaged one may hold anything."""
    return "".join(chr(code) if chr(code).isalpha() and code < 128 else "?" for code in kind)


def examine_jpeg(findings: Findings) -> None:
    """Read a JPEG's header and check that it is complete; see :func:`examine_png`.

    Raises
    ------
    SlideRefusedError
        As :func:`examine_png`, and ``CODEC`` for lossless and arithmetic JPEG.
    """
    findings.format, findings.reader, findings.compression, findings.levels = "JPEG", "image", "JPEG", 1
    with findings.path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        size = len(data)
        head = data[: 1 << 20]  # 16 full APP segments, more than any camera or ICC profile writes
        frame = jpeg_frame(head)
        segments = jpeg_segments(head)
        # entropy-coded data cannot hold this marker, so the last one ends the image
        complete = data.rfind(b"\xff\xd9", sum(len(body) + 4 for _, body in segments)) >= 0
    if frame is None:
        raise _truncated(findings.name, size, "the image header")
    width, height, components, bits = frame
    findings.size_px = (width, height)
    check_whole_image(findings.name, width, height)
    if components != 3 or bits != 8:
        kind = {1: "greyscale", 4: "CMYK"}.get(components, f"of {components} samples")
        raise _pixel_type(findings.name, kind if bits == 8 else f"{bits}-bit")
    if not any(marker in _HUFFMAN_FRAMES for marker, _ in segments):
        raise SlideRefusedError(
            "CODEC", f"{findings.name}: lossless or arithmetic JPEG is not supported. Save it as PNG."
        )
    if not complete:
        raise _truncated(findings.name, size, "its end mark")
    for marker, body in segments:
        if marker == 0xE0 and body[:5] == b"JFIF\0" and len(body) >= 12 and body[7] in _DENSITY_UM:
            _note_density(
                findings, "JFIF density", *struct.unpack(">HH", body[8:12]), unit_um=_DENSITY_UM[body[7]]
            )
    findings.note_icc(
        b"".join(body[14:] for m, body in segments if m == 0xE2 and body[:12] == b"ICC_PROFILE\0")
    )


def _note_density(findings: Findings, source: str, x: int, y: int, *, unit_um: float) -> None:
    """Keep a density only if it can be a microscope's; 72, 96 and 300 dpi are for paper."""
    for candidate in from_density(source, x, y, unit_um):
        (findings.stated if candidate.plausible else findings.ignored).append(candidate)


def _pixel_type(name: str, what: str) -> SlideRefusedError:
    return SlideRefusedError(
        "PIXEL_TYPE",
        f"{name}: pixels are {what}; brightfield needs 8-bit RGB. Export the image as 8-bit RGB.",
    )


def _truncated(name: str, size: int, what: str) -> SlideRefusedError:
    return SlideRefusedError(
        "TRUNCATED",
        f"{name}: the file ends after {size} bytes, before {what}. Copy it again from its source.",
    )
