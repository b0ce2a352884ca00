"""One encoded tile or strip into 8-bit samples."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from typing import Any, Final

import imagecodecs
import numpy as np
import numpy.typing as npt

Samples = npt.NDArray[np.uint8]
_Frame = tuple[int, int, int, int]

JPEG: Final = 7
# Aperio YCbCr (and lossless RGB of Bio-Formats), lossy RGB of Bio-Formats, Aperio RGB, JP2 in TIFF
JPEG2000: Final = (33003, 33004, 33005, 34712)
APERIO_YCBCR: Final = 33003

_PLAIN: Final[dict[int, tuple[str, Callable[..., Any]]]] = {
    5: ("LZW", imagecodecs.lzw_decode),
    8: ("deflate", imagecodecs.zlib_decode),
    32773: ("PackBits", imagecodecs.packbits_decode),
    32946: ("deflate", imagecodecs.zlib_decode),
    50000: ("Zstandard", imagecodecs.zstd_decode),
}
# Names for the messages of the codecs that are refused as well.
CODEC_NAMES: Final = {
    1: "none", 2: "CCITT RLE", 3: "CCITT T.4", 4: "CCITT T.6", 6: "old-style JPEG", 7: "JPEG", 9: "JBIG",
    22610: "JPEG XR (NDPI)", 33003: "JPEG 2000", 33004: "JPEG 2000 (lossy)",
    33005: "JPEG 2000", 34661: "JBIG", 34676: "SGI LogLuv", 34712: "JPEG 2000", 34887: "LERC",
    34892: "lossy JPEG (DNG)", 34925: "LZMA", 34933: "PNG", 34934: "JPEG XR", 50001: "WebP", 50002: "JPEG XL",
    52546: "JPEG XL (DNG)",
} | {code: name for code, (name, _) in _PLAIN.items()}  # fmt: skip
SUPPORTED: Final = frozenset({1, JPEG, 50001, *JPEG2000, *_PLAIN})
PREDICTABLE: Final = frozenset({1, *_PLAIN})

_END: Final = b"\xff\xd9"


class DecodeError(Exception):
    """A tile's bytes are not what its header says."""


def decode_bytes(data: bytes, codec: int, shape: tuple[int, int, int], *, predictor: bool) -> Samples:
    """Decode a lossless stream of raw samples.

    Parameters
    ----------
    data : bytes
        The encoded tile.
    codec : int
        TIFF compression code.
    shape : tuple of int
        Rows, columns, samples.
    predictor : bool
        Whether samples are differences to the left neighbour (TIFF predictor 2).

    Returns
    -------
    ndarray of uint8, shape ``shape``

    Raises
    ------
    DecodeError
        When the stream is damaged or too short.
    """
    expected = shape[0] * shape[1] * shape[2]
    try:
        raw = data if codec == 1 else _PLAIN[codec][1](data, out=expected)
    except Exception as error:
        raise DecodeError(str(error)) from error
    if len(raw) < expected:
        raise DecodeError(f"{len(raw)} of {expected} bytes")
    samples = np.frombuffer(raw, np.uint8, expected).reshape(shape)
    if predictor:
        samples = np.asarray(imagecodecs.delta_decode(samples, axis=1), np.uint8)
    return samples


def decode_jpeg(
    data: bytes,
    tables: bytes | None,
    shape: tuple[int, int, int],
    *,
    ycbcr: bool,
    out: Samples | None = None,
) -> Samples:
    """Decode a JPEG tile, abbreviated or not.

    Parameters
    ----------
    data : bytes
        The encoded tile.
    tables : bytes or None
        Content of the JPEGTables tag.
    shape : tuple of int
        Rows, columns, samples (1 or 3).
    ycbcr : bool
        Whether the stream holds luma and chroma; else its samples are taken as they are.
    out : ndarray of uint8, optional
        Where to decode to, of that shape, contiguous; what it holds after an error is undefined.

    Returns
    -------
    ndarray of uint8, shape ``shape``

    Raises
    ------
    DecodeError
        When the stream is damaged, cut short, or has another size than its tile.
    """
    frame, jfif = _head(data) or (None, False)
    if frame is None or frame[:2] != (shape[1], shape[0]) or frame[2] != shape[2]:
        raise DecodeError(f"a JPEG frame of {frame}, not {(shape[1], shape[0], shape[2])}")
    # the decoder fills what is missing with grey and says nothing
    if not data.endswith(_END) and data.rfind(_END, max(0, len(data) - 1024)) < 0:
        raise DecodeError("the JPEG stream ends early")
    space, out_space = ("YCBCR" if ycbcr else "RGB", "RGB") if shape[2] == 3 else ("GRAYSCALE", "GRAYSCALE")
    # what JFIF is taken for need not be named: names are looked up in a dictionary made for each of them
    named = not (jfif and space == "YCBCR")
    try:
        samples = imagecodecs.jpeg8_decode(
            data,
            tables=tables,
            colorspace=space if named else None,
            outcolorspace=out_space if named else None,
            out=out,
        )
    except Exception as error:
        raise DecodeError(str(error)) from error
    return np.asarray(samples, np.uint8).reshape(shape) if out is None else out


def decode_jpeg2000(data: bytes, shape: tuple[int, int, int], *, ycbcr: bool) -> Samples:
    """Decode a JPEG 2000 tile; parameters and errors as :func:`decode_jpeg`."""
    frame = jpeg2000_frame(data)
    if frame is None or frame[:3] != (shape[1], shape[0], shape[2]):
        raise DecodeError(f"a JPEG 2000 frame of {frame}, not {(shape[1], shape[0], shape[2])}")
    try:
        decoded = np.asarray(imagecodecs.jpeg2k_decode(data))
    except Exception as error:
        raise DecodeError(str(error)) from error
    if decoded.dtype != np.uint8 or decoded.size != shape[0] * shape[1] * shape[2]:
        raise DecodeError(f"JPEG 2000 samples of type {decoded.dtype} and shape {decoded.shape}")
    samples = decoded.reshape(shape)
    return ycbcr_to_rgb(samples) if ycbcr else samples


def decode_webp(data: bytes, shape: tuple[int, int, int]) -> Samples:
    """Decode a WebP tile; parameters and errors as :func:`decode_jpeg`."""
    try:
        return np.asarray(imagecodecs.webp_decode(data, out=np.empty(shape, np.uint8)), np.uint8)
    except Exception as error:
        raise DecodeError(str(error)) from error


# The last stream that was asked about, up to the end of its frame header, and what that says.
_last_head: tuple[bytes, tuple[_Frame, bool]] | None = None


def jpeg_frame(data: bytes) -> _Frame | None:
    """Width, height, components and bits of a JPEG stream, None when there is no frame header."""
    head = _head(data)
    return head and head[0]


def _head(data: bytes) -> tuple[_Frame, bool] | None:
    """Likewise, and whether it is a JFIF stream, whose three colours are luma and chroma."""
    global _last_head
    known = _last_head
    if known is not None and data.startswith(known[0]):  # tiles of a slide differ in what follows
        return known[1]
    jfif = False
    for marker, start, stop in _segments(data):
        jfif = jfif or (marker == 0xE0 and stop - start >= 14 and data.startswith(b"JFIF\0", start))
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC) and min(stop, len(data)) - start >= 6:
            bits, height, width, components = struct.unpack_from(">BHHB", data, start)
            head = (width, height, components, bits), jfif
            _last_head = data[:stop], head
            return head
    return None


def jpeg_says_ycbcr(data: bytes) -> bool | None:
    """What the stream itself declares: JFIF or Adobe markers; None when it declares nothing."""
    jfif = False
    for marker, body in jpeg_segments(data):
        if marker == 0xEE and body[:5] == b"Adobe" and len(body) >= 12:
            return body[11] == 1
        jfif = jfif or (marker == 0xE0 and body[:4] == b"JFIF")
    return True if jfif else None


def jpeg_segments(data: bytes) -> list[tuple[int, bytes]]:
    """Marker segments before the scan: (marker, body)."""
    return [(marker, data[start:stop]) for marker, start, stop in _segments(data)]


def _segments(data: bytes) -> Iterator[tuple[int, int, int]]:
    """Marker, and where its body begins and ends; every tile is asked, so nothing is copied."""
    at = 2
    while at + 4 <= len(data) and data[at] == 0xFF:
        marker = data[at + 1]
        if marker == 0xFF:  # fill byte
            at += 1
            continue
        if marker in (0xDA, 0xD9):
            break
        length = data[at + 2] << 8 | data[at + 3]
        yield marker, at + 4, at + 2 + length
        at += 2 + max(length, 2)


def jpeg2000_mixes_colours(data: bytes) -> bool:
    """Whether a JPEG 2000 stream uses its own colour transform, so that its samples decode to RGB."""
    at = data.find(b"\xff\x52", max(data.find(b"\xff\x4f\xff\x51"), 0))  # coding style default
    return 0 <= at < len(data) - 8 and data[at + 8] == 1


def jpeg2000_frame(data: bytes) -> tuple[int, int, int, int] | None:
    """Width, height, components and largest chroma subsampling of a JPEG 2000 stream."""
    at = data.find(b"\xff\x4f\xff\x51")  # start of codestream, then image size
    if at < 0 or len(data) < at + 42:
        return None
    _, width, height, left, top = struct.unpack_from(">HIIII", data, at + 6)
    (components,) = struct.unpack_from(">H", data, at + 40)
    part = data[at + 42 : at + 42 + 3 * components]
    steps = [max(part[3 * i + 1], part[3 * i + 2]) for i in range(len(part) // 3)]
    return width - left, height - top, components, max(steps, default=1)


_CHROMA = np.arange(256, dtype=np.int32) - 128
# ITU-T T.871 in hundred-thousandths, rounded half up; equal to OpenSlide for all 2**24 inputs.
_RED = (140200 * _CHROMA + 50000) // 100000
_BLUE = (177200 * _CHROMA + 50000) // 100000
_GREEN_CB = -34414 * _CHROMA
_GREEN_CR = -71414 * _CHROMA + 50000


def ycbcr_to_rgb(samples: Samples) -> Samples:
    """Full-range YCbCr to RGB, integers throughout; shapes (h, w, 3)."""
    luma = samples[..., 0].astype(np.int32)
    cb, cr = samples[..., 1], samples[..., 2]
    rgb = np.empty(samples.shape, np.int32)
    rgb[..., 0] = luma + _RED[cr]
    rgb[..., 1] = luma + (_GREEN_CB[cb] + _GREEN_CR[cr]) // 100000
    rgb[..., 2] = luma + _BLUE[cb]
    return rgb.clip(0, 255).astype(np.uint8)
