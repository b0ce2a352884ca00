"""What a slide may claim about itself before one byte of its pixels is decoded."""

from __future__ import annotations

from typing import Final

from histoquant.errors import SlideRefusedError

MAX_SIDE_PX: Final = 1 << 20  # 26 cm at 0.25 um/px: ten times a glass slide
MAX_PIXELS: Final = 1 << 36  # 200 GB of RGB: ten times the largest slides scanned today
MAX_TILE_PX: Final = 8192 * 8192  # one decoded tile stays below 201 MB
MAX_WHOLE_PX: Final = 1 << 27  # PNG and JPEG are decoded whole: 403 MB of RGB
MAX_IFDS: Final = 1000  # the deepest real pyramids with associated images hold about 20
MAX_TAGS: Final = 4096  # per IFD; real files hold about 30
MAX_TAG_BYTES: Final = 32 << 20  # an offset table of 4 million tiles: 128-px tiles on the largest slide
MAX_TABLE_BYTES: Final = 192 << 20  # all tags read from one file together: bounds time as well as memory
MAX_TEXT_BYTES: Final = 16 << 20  # OME-XML with every annotation of a large study
TILE_CACHE_BYTES: Final = 56 << 20  # decoded tiles per slide: the halo of one row of cores


def check_dimensions(name: str, width: int, height: int) -> None:
    """Refuse an image whose header claims an impossible size.

    Parameters
    ----------
    name : str
        File name for the message.
    width, height : int
        Claimed size in pixels.

    Raises
    ------
    SlideRefusedError
        ``UNREADABLE`` for an empty image, ``TOO_LARGE`` above 2**20 px per side or 2**36 px.
    """
    if width < 1 or height < 1:
        raise SlideRefusedError(
            "UNREADABLE", f"{name}: the header claims {width} x {height} px. Export the slide again."
        )
    if width > MAX_SIDE_PX or height > MAX_SIDE_PX or width * height > MAX_PIXELS:
        raise SlideRefusedError(
            "TOO_LARGE",
            f"{name}: the header claims {width} x {height} px, beyond the limit of {MAX_SIDE_PX} px per side "
            f"and {MAX_PIXELS} px. The file is damaged or not a slide; export it again.",
        )


def check_tile(name: str, width: int, height: int) -> None:
    """Refuse tiles or strips that cannot be decoded in bounded memory.

    Parameters
    ----------
    name : str
        File name for the message.
    width, height : int
        Tile or strip size in pixels.

    Raises
    ------
    SlideRefusedError
        ``UNREADABLE`` for an empty tile, ``TOO_LARGE`` above 8192 x 8192 px.
    """
    if width < 1 or height < 1:
        raise SlideRefusedError(
            "UNREADABLE", f"{name}: the header claims tiles of {width} x {height} px. Export the slide again."
        )
    if width * height > MAX_TILE_PX:
        raise SlideRefusedError(
            "TOO_LARGE",
            f"{name}: pixels are stored in pieces of {width} x {height} px, more than 8192 x 8192. "
            "Convert to a TIFF with tiles of 256 or 512 px.",
        )


def check_whole_image(name: str, width: int, height: int) -> None:
    """Refuse a PNG or JPEG that would not fit in memory once decoded.

    Parameters
    ----------
    name : str
        File name for the message.
    width, height : int
        Claimed size in pixels.

    Raises
    ------
    SlideRefusedError
        ``TOO_LARGE`` above 2**27 px; as :func:`check_dimensions` otherwise.
    """
    check_dimensions(name, width, height)
    if width * height > MAX_WHOLE_PX:
        raise SlideRefusedError(
            "TOO_LARGE",
            f"{name}: {width} x {height} px must be decoded in one piece, more than {MAX_WHOLE_PX} px. "
            "Convert to a tiled TIFF.",
        )
