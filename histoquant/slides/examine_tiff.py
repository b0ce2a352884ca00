"""Examination of a TIFF before any pixel is decoded."""

from __future__ import annotations

from collections.abc import Callable

from histoquant.errors import SlideRefusedError
from histoquant.slides import tiff_file as tags
from histoquant.slides.findings import Findings
from histoquant.slides.names import display_name
from histoquant.slides.slide import BaseSlide, SlideFacts
from histoquant.slides.tiff_codec import (
    APERIO_YCBCR,
    CODEC_NAMES,
    JPEG,
    JPEG2000,
    jpeg2000_frame,
    jpeg2000_mixes_colours,
    jpeg_says_ycbcr,
)
from histoquant.slides.tiff_file import Ifd, TiffFile
from histoquant.slides.tiff_kind import (
    APERIO,
    check_extent,
    choose_image,
    count_levels,
    foreign_format,
    is_ventana,
)
from histoquant.slides.tiff_layout import YCBCR_PHOTOMETRIC, TiffLayout, layout_of
from histoquant.slides.tiff_slide import TiffSlide

Opener = Callable[[SlideFacts], BaseSlide]

_PEEK_BYTES = 65536  # headers of a tile; quantisation and Huffman tables take about 600 bytes


def examine_tiff(findings: Findings) -> Opener | None:
    """Read a TIFF's directories.

    Parameters
    ----------
    findings : Findings
        Filled with what is learnt.

    Returns
    -------
    callable or None
        Makes the slide from its facts; None when the file is one that OpenSlide reads.

    Raises
    ------
    SlideRefusedError
        With any of the preflight codes.
    """
    with TiffFile(findings.path) as file:
        if not file.ifds:
            raise file.damaged("it holds no image")
        foreign = foreign_format(file.ifds[0])
        if foreign == "Hamamatsu NDPI":  # 64-bit offsets in 32-bit fields: not checked here
            return None
        below = [sub for ifd in file.ifds if tags.SUB_IFDS in ifd for sub in ifd.sub_ifds()]
        if foreign or is_ventana(file.ifds):
            check_extent(file, [*file.ifds, *below])
            return None
        return _examine_native(findings, file, below)


def _examine_native(findings: Findings, file: TiffFile, below: list[Ifd]) -> Opener | None:
    chosen = choose_image(findings, file.ifds)
    head = chosen[0]
    findings.reader = "tiff" if head.is_tiled else "image"
    findings.size_px = head.size_px
    codec = head.integer(tags.COMPRESSION, 1)
    findings.compression = CODEC_NAMES.get(codec, f"code {codec}")
    layout = layout_of(findings.name, chosen)
    findings.levels = count_levels(head, [*file.ifds, *below])
    check_extent(file, [*file.ifds, *below])
    findings.note_icc(head.raw(tags.ICC_PROFILE))
    start = _first_bytes(file, layout)
    if codec in JPEG2000:
        frame = jpeg2000_frame(start)
        if frame is not None and frame[3] > 1:  # subsampled chroma: OpenSlide's decoder knows it
            return None
    ycbcr = _is_ycbcr(findings, layout, start)
    return lambda facts: TiffSlide(facts, layout, ycbcr=ycbcr)


def _first_bytes(file: TiffFile, layout: TiffLayout) -> bytes:
    stored = layout.first_stored()
    if stored is None:
        raise SlideRefusedError(
            "UNREADABLE", f"{display_name(file.path)}: no tile of the slide holds pixels."
        )
    return file.bytes_at(stored[0], min(stored[1], _PEEK_BYTES), "its first tile")


def _is_ycbcr(findings: Findings, layout: TiffLayout, start: bytes) -> bool:
    tagged = layout.photometric == YCBCR_PHOTOMETRIC
    if layout.codec in JPEG2000:
        aperio = layout.codec == APERIO_YCBCR and findings.format == APERIO
        return (tagged or aperio) and not jpeg2000_mixes_colours(start)
    if layout.codec != JPEG:
        return False  # WebP decodes to RGB; YCbCr in any other codec was refused
    if layout.samples != 3 or len(layout.planes) != 1:
        if tagged:
            raise SlideRefusedError(
                "PIXEL_TYPE",
                f"{findings.name}: luma and chroma are stored apart. Export as interleaved 8-bit RGB.",
            )
        return False
    declared = jpeg_says_ycbcr(start)
    if declared is None:
        return tagged
    # OME-TIFF writers tag JFIF streams as RGB: the encoder wrote the stream, so the stream knows
    return declared
