"""From a path to a slide: sniff the format, examine it under limits, settle its resolution."""

from __future__ import annotations

import stat
import struct
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from histoquant.errors import SlideError, SlideRefusedError
from histoquant.slides.examine_tiff import Opener, examine_tiff
from histoquant.slides.findings import Findings
from histoquant.slides.image_slide import (
    JPEG_SIGNATURE,
    PNG_SIGNATURE,
    ImageSlide,
    examine_jpeg,
    examine_png,
)
from histoquant.slides.names import CLOSED_SUFFIXES
from histoquant.slides.openslide_slide import OpenSlideSlide, examine_openslide
from histoquant.slides.slide import BaseSlide, Slide
from histoquant.slides.tiff_file import is_tiff
from histoquant.slides.unread import Unread


def open_slide(
    path: str | Path,
    *,
    mpp: float | None = None,
    study_mpp: float | None = None,
    unread: Unread | None = None,
) -> Slide:
    """Open a whole-slide image or a field image.

    Parameters
    ----------
    path : str or Path
        SVS, TIFF, OME-TIFF, NDPI, MRXS, SCN, BIF, VMS, CZI, Philips TIFF, PNG or JPEG file, a DICOM file, or
        a folder with the DICOM files of one slide.
    mpp : float, optional
        Micrometres per pixel to use when the file states none (``--mpp``).
    study_mpp : float, optional
        The same from the study's slide table; asked before ``mpp``.
    unread : Unread, optional
        What may be missing from the slide. Default: nothing; reading a part that cannot be decoded is an
        error.

    Returns
    -------
    Slide
        To be closed after use, or used in a ``with`` statement.

    Raises
    ------
    SlideRefusedError
        The slide must not be quantified; ``code`` is ``NOT_FOUND``, ``EMPTY_FILE``, ``NOT_AN_IMAGE``,
        ``TRUNCATED``, ``UNREADABLE``, ``CODEC``, ``PIXEL_TYPE``, ``TOO_LARGE``, ``Z_STACK``, ``NO_MPP``,
        ``MPP_IMPLAUSIBLE``, ``MPP_CONFLICT`` or ``NOT_SQUARE``.
    SlideFailedError
        The file vanished or could not be opened after its examination.
    """
    findings = Findings(Path(path))
    opener = _examine(findings)
    resolution = findings.settle(mpp=mpp, study_mpp=study_mpp)
    slide = opener(findings.facts(resolution))
    slide.unread = unread
    return slide


@dataclass(frozen=True)
class Preflight:
    """What is known about a slide before its pixels are read; never an exception.

    Parameters
    ----------
    path : Path
        File or folder.
    format, reader, compression : str
        In words; empty where the examination did not get that far.
    size_px : tuple of int or None
        Level-0 width and height.
    levels : int
        Pyramid levels with level 0; 0 when unknown.
    mpp : float or None
        Micrometres per level-0 pixel.
    mpp_source : str
        Where it came from.
    flags : tuple of str
        What a person should know.
    code, message : str
        Why the slide is refused; empty for a good slide.
    """

    path: Path
    format: str
    reader: str
    size_px: tuple[int, int] | None
    levels: int
    compression: str
    mpp: float | None
    mpp_source: str
    flags: tuple[str, ...]
    code: str
    message: str

    @property
    def ok(self) -> bool:
        """Whether the slide can be quantified."""
        return not self.code


def preflight(path: str | Path, *, mpp: float | None = None, study_mpp: float | None = None) -> Preflight:
    """Examine a slide without decoding pixels; a bad slide is reported, not raised.

    Parameters
    ----------
    path, mpp, study_mpp
        As for :func:`open_slide`.

    Returns
    -------
    Preflight
    """
    findings = Findings(Path(path))
    resolution, code, message = None, "", ""
    try:
        _examine(findings)
        resolution = findings.settle(mpp=mpp, study_mpp=study_mpp)
    except SlideError as error:
        code, message = error.code, error.message
    return Preflight(
        path=findings.path,
        format=findings.format,
        reader=findings.reader,
        size_px=findings.size_px,
        levels=findings.levels,
        compression=findings.compression,
        mpp=sum(resolution.mpp_xy) / 2 if resolution else None,
        mpp_source=resolution.source if resolution else "",
        flags=(*findings.flags, *(resolution.flags if resolution else ())),
        code=code,
        message=message,
    )


def _examine(findings: Findings) -> Opener:
    """Examine a file; whatever it makes the parsers raise becomes a refusal."""
    name = findings.name
    try:
        head = _head(findings)
        return _examine_format(findings, head)
    except SlideError:
        raise
    except FileNotFoundError as error:
        raise SlideRefusedError("NOT_FOUND", f"{name}: no such file or folder.") from error
    except OSError as error:
        reason = error.strerror or str(error)
        raise SlideRefusedError(
            "UNREADABLE", f"{name}: cannot be read ({reason}). Check permissions and the disk."
        ) from error
    except (ValueError, ArithmeticError, LookupError, RecursionError, struct.error) as error:
        raise SlideRefusedError(
            "UNREADABLE", f"{name}: damaged file ({error}). Copy or export the slide again."
        ) from error


def _head(findings: Findings) -> bytes:
    """First bytes of a file; empty for a folder and for an MRXS index, whose pixels lie elsewhere."""
    mode = findings.path.stat().st_mode
    if stat.S_ISDIR(mode):
        return b""
    if not stat.S_ISREG(mode):
        raise SlideRefusedError("NOT_AN_IMAGE", f"{findings.name}: not a regular file.")
    lower = findings.name.lower()
    if lower.endswith(CLOSED_SUFFIXES):
        raise SlideRefusedError(
            "NOT_AN_IMAGE",
            f"{findings.name}: this format is closed or keeps its pixels in other files. Export the slide as "
            "OME-TIFF from its own program or with QuPath.",
        )
    if lower.endswith(".mrxs"):
        return b""
    with findings.path.open("rb") as file:
        head = file.read(16)
    if not head:
        raise SlideRefusedError(
            "EMPTY_FILE", f"{findings.name}: the file is empty. Copy it again from its source."
        )
    return head


def _examine_format(findings: Findings, head: bytes) -> Opener:
    if is_tiff(head) and not findings.name.lower().endswith(".ndpi"):
        opener = examine_tiff(findings)
        if opener is not None:
            return opener
    elif head.startswith(PNG_SIGNATURE):
        examine_png(findings)
        return ImageSlide
    elif head.startswith(JPEG_SIGNATURE):
        examine_jpeg(findings)
        return ImageSlide
    findings.stated.clear()  # OpenSlide's own properties take over
    findings.objective_power = None
    source = examine_openslide(findings)
    return _openslide_opener(source)


def _openslide_opener(source: Path) -> Callable[..., BaseSlide]:
    return lambda facts: OpenSlideSlide(facts, source)
