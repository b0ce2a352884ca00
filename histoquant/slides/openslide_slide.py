"""Reader for the scanner formats that OpenSlide knows: MRXS, NDPI, SCN, BIF, VMS, Philips, DICOM, ..."""

from __future__ import annotations

import re
from contextlib import suppress
from functools import cache
from pathlib import Path
from threading import Lock

import numpy as np
import openslide
from PIL.ImageCms import PyCMSError

from histoquant.errors import SlideFailedError, SlideRefusedError
from histoquant.slides.alpha import over_white
from histoquant.slides.dicom import is_dicom, read_header, series_files
from histoquant.slides.findings import Findings
from histoquant.slides.limits import TILE_CACHE_BYTES, check_dimensions
from histoquant.slides.names import display_name
from histoquant.slides.resolution import Candidate, parse_number
from histoquant.slides.slide import RGB, BaseSlide, SlideFacts, Valid
from histoquant.slides.unread import Window

FORMATS = {
    "aperio": "Aperio SVS", "dicom": "DICOM", "hamamatsu": "Hamamatsu", "leica": "Leica SCN",
    "mirax": "MIRAX", "philips": "Philips TIFF", "sakura": "Sakura", "trestle": "Trestle",
    "ventana": "Ventana BIF", "zeiss": "Zeiss CZI", "generic-tiff": "TIFF",
}  # fmt: skip
_CELL_PX = 256  # what may be missing is told to this grain; most scanners store tiles of 256 or 512


class OpenSlideSlide(BaseSlide):
    """A slide read through OpenSlide.

    Parameters
    ----------
    facts : SlideFacts
        What is known about the slide.
    source : Path
        The file OpenSlide is given; differs from the slide's path for a DICOM folder.
    """

    def __init__(self, facts: SlideFacts, source: Path) -> None:
        super().__init__(facts)
        self._source = source
        self._lock = Lock()
        self._handle: openslide.OpenSlide | None = None
        self._closed = False

    def close(self) -> None:
        """Release the file; reading afterwards is an error."""
        with self._lock:
            self._closed = True
            handle, self._handle = self._handle, None
        if handle is not None:
            handle.close()

    def read_level0(self, x: int, y: int, width: int, height: int) -> tuple[RGB, Valid]:
        """Read full-resolution pixels; see :meth:`BaseSlide.read_level0`."""
        if width == 0 or height == 0:
            return np.empty((height, width, 3), np.uint8), np.empty((height, width), np.bool_)
        if self.unread is not None:
            return self._read_by_cells(x, y, width, height)
        return self._read_window(x, y, width, height)

    def _read_by_cells(self, x: int, y: int, width: int, height: int) -> tuple[RGB, Valid]:
        """Read on a fixed grid, so that what is missing does not depend on the windows that are asked for."""
        left, top = x // _CELL_PX * _CELL_PX, y // _CELL_PX * _CELL_PX
        right, bottom = (-(-end // _CELL_PX) * _CELL_PX for end in (x + width, y + height))
        cut = (slice(y - top, y - top + height), slice(x - left, x - left + width))
        with suppress(SlideFailedError):
            rgb, valid = self._read_window(left, top, right - left, bottom - top)
            return rgb[cut], valid[cut]
        rgb = np.full((bottom - top, right - left, 3), 255, np.uint8)
        valid = np.zeros((bottom - top, right - left), np.bool_)
        for cell_y in range(top, bottom, _CELL_PX):
            for cell_x in range(left, right, _CELL_PX):
                to = (
                    slice(cell_y - top, cell_y - top + _CELL_PX),
                    slice(cell_x - left, cell_x - left + _CELL_PX),
                )
                try:
                    rgb[to], valid[to] = self._read_window(cell_x, cell_y, _CELL_PX, _CELL_PX)
                except SlideFailedError as error:
                    if not self.may_miss(self._cell(cell_x, cell_y), error.message):
                        raise
        return rgb[cut], valid[cut]

    def _cell(self, x: int, y: int) -> Window:
        slide_w, slide_h = self.size_px
        return x, y, min(_CELL_PX, slide_w - x), min(_CELL_PX, slide_h - y)

    def _read_window(self, x: int, y: int, width: int, height: int) -> tuple[RGB, Valid]:
        broken = None
        for attempt in range(2):
            try:
                # an OpenSlide handle that failed once fails for ever: the second try has a new one
                handle = broken = self._open(broken)
                return over_white(np.asarray(handle.read_region((x, y), 0, (width, height))))
            except openslide.OpenSlideError as error:
                if attempt:
                    raise self._failed(f"x {x}, y {y}, {width} x {height} px", error) from error
        raise AssertionError("unreachable")

    def _failed(self, window: str, error: openslide.OpenSlideError) -> SlideFailedError:
        return SlideFailedError(
            "UNREADABLE",
            f"{display_name(self.path)}: level-0 window {window} cannot be decoded: "
            f"{_plain(error, self._source)}. Copy or export the slide again.",
        )

    def _open(self, broken: openslide.OpenSlide | None) -> openslide.OpenSlide:
        with self._lock:
            if self._closed:
                raise SlideFailedError("UNREADABLE", f"{display_name(self.path)}: the slide is closed.")
            if self._handle is None or self._handle is broken:
                self._handle = openslide.OpenSlide(self._source)
                self._handle.set_cache(_shared_cache())
            return self._handle


@cache
def _shared_cache() -> openslide.OpenSlideCache:
    """One tile cache for all slides of the process, so that memory does not grow with open slides."""
    return openslide.OpenSlideCache(TILE_CACHE_BYTES)


def examine_openslide(findings: Findings) -> Path:
    """Open a slide with OpenSlide and note what it says.

    Parameters
    ----------
    findings : Findings
        Filled with what is learnt.

    Returns
    -------
    Path
        The file to give to OpenSlide.

    Raises
    ------
    SlideRefusedError
        ``NOT_AN_IMAGE`` when OpenSlide does not know the format, ``CODEC``, ``TRUNCATED`` or ``UNREADABLE``
        when it cannot open it, ``Z_STACK`` for several focal planes.
    """
    findings.reader = "openslide"
    source = dicom_source(findings)
    if source.suffix.lower() == ".mrxs" and not source.with_suffix("").is_dir():
        raise SlideRefusedError(
            "UNREADABLE",
            f"{findings.name}: the folder {source.stem} with its pixels is missing. Copy both together.",
        )
    vendor = openslide.OpenSlide.detect_format(source)
    if vendor is None:
        raise SlideRefusedError(
            "NOT_AN_IMAGE",
            f"{findings.name}: not an image in a known slide format. Give SVS, TIFF, OME-TIFF, NDPI, MRXS, "
            "SCN, BIF, CZI, DICOM, PNG or JPEG.",
        )
    findings.format = FORMATS.get(vendor, vendor)
    try:
        with openslide.OpenSlide(source) as handle:
            _note(findings, handle)
    except openslide.OpenSlideError as error:
        raise _refusal(findings.name, _plain(error, source)) from error
    return source


def _note(findings: Findings, handle: openslide.OpenSlide) -> None:
    findings.size_px = handle.dimensions
    findings.levels = handle.level_count
    check_dimensions(findings.name, *handle.dimensions)
    properties = handle.properties
    x_um = parse_number(properties.get(openslide.PROPERTY_NAME_MPP_X, ""))
    y_um = parse_number(properties.get(openslide.PROPERTY_NAME_MPP_Y, "")) or x_um
    if x_um is not None and y_um is not None:
        findings.stated.append(Candidate(openslide.PROPERTY_NAME_MPP_X, x_um, y_um))
    findings.objective_power = parse_number(properties.get(openslide.PROPERTY_NAME_OBJECTIVE_POWER, ""))
    if "openslide.region[1].x" in properties:
        findings.flag("MULTIPLE_REGIONS")
    with suppress(PyCMSError):  # a damaged profile is as good as none: it is never applied
        if properties.get("openslide.icc-size") and handle.color_profile is not None:
            findings.note_icc(handle.color_profile.tobytes())


def _plain(error: openslide.OpenSlideError, source: Path) -> str:
    """OpenSlide's reason without what must not leave a reader: paths, identifiers, quoted contents."""
    text = str(error).replace(str(source), "").replace(str(source.parent), "")
    text = re.sub(r"Reading .+?: |\([^)]*\)|\S*/\S*|\b\d+(\.\d+){3,}\b", " ", text)
    return " ".join("".join(c if c.isprintable() else " " for c in text).split()).strip(" .:")


def _refusal(name: str, reason: str) -> SlideRefusedError:
    lower = reason.lower()
    code = "UNREADABLE"
    if "compression" in lower or "transfer syntax" in lower:
        code = "CODEC"
    elif "short read" in lower or "end of file" in lower or "truncat" in lower:
        code = "TRUNCATED"
    return SlideRefusedError(
        code, f"{name}: cannot be opened: {reason}. Copy the slide again, or export it as a tiled TIFF."
    )


def dicom_source(findings: Findings) -> Path:
    """The file to open: the slide itself, or for a DICOM folder its first file.

    Parameters
    ----------
    findings : Findings
        The slide.

    Raises
    ------
    SlideRefusedError
        ``NOT_AN_IMAGE`` for a folder that holds no DICOM slide, or more than one; ``Z_STACK`` for several
        focal planes.
    """
    path = findings.path
    if path.is_dir():
        series = series_files(path)
        if not series:
            raise SlideRefusedError(
                "NOT_AN_IMAGE", f"{findings.name}: a folder without DICOM files. Give the slide files in it."
            )
        if len(series) > 1:
            raise SlideRefusedError(
                "NOT_AN_IMAGE",
                f"{findings.name}: a folder with {len(series)} DICOM series. Give one file of each slide.",
            )
        members = next(iter(series.values()))
    else:
        members = [path]
    if is_dicom(members[0]):
        headers = [header for header in map(read_header, members) if header is not None]
        if any(header.focal_planes > 1 for header in headers):
            raise SlideRefusedError(
                "Z_STACK", f"{findings.name}: holds several focal planes. Export one plane."
            )
        volumes = [m for m in members if (h := read_header(m)) is not None and h.kind == "VOLUME"]
        return (volumes or members)[0]
    return members[0]
