"""Which program wrote a TIFF, which of its images is the slide, and what it says of its resolution."""

from __future__ import annotations

import re
from typing import Final

import numpy as np

from histoquant.errors import SlideRefusedError
from histoquant.slides import tiff_file as tags
from histoquant.slides.findings import Findings
from histoquant.slides.ome import OmeImage, is_ome, parse_ome
from histoquant.slides.resolution import Candidate, from_density, parse_number
from histoquant.slides.tiff_file import Ifd, TiffFile

APERIO: Final = "Aperio SVS"
OME: Final = "OME-TIFF"
GENERIC: Final = "TIFF"

_ASPECT: Final = 0.02  # pyramid levels are rounded to whole pixels or tiles
_UNIT_UM: Final = {2: 25400.0, 3: 10000.0}  # TIFF 6.0 ResolutionUnit: inch, centimetre
_MICRON: Final = (
    "micron",
    "microns",
    "um",
    "\u00b5m",
    "\u03bcm",
    "\\u00b5m",
    "\\u00B5m",
)  # as ImageJ writes it


def foreign_format(first: Ifd) -> str:
    """Scanner formats in TIFF clothing that OpenSlide reads: overlapping, shifted or many-part images."""
    software = first.text(tags.SOFTWARE)
    if tags.NDPI_FLAG in first:
        return "Hamamatsu NDPI"
    if "leica-microsystems.com/scn" in first.text(tags.DESCRIPTION)[:65536]:
        return "Leica SCN"
    if software.startswith("Philips"):
        return "Philips TIFF"
    if software.startswith("MedScan"):
        return "Trestle"
    return ""


def is_ventana(ifds: list[Ifd]) -> bool:
    """Whether any directory carries the iScan record of a Ventana scanner."""
    return any(b"<iScan" in ifd.raw(tags.XMP)[:65536] for ifd in ifds if tags.XMP in ifd)


def check_extent(file: TiffFile, ifds: list[Ifd]) -> None:
    """Refuse a file that ends before its last tile.

    Raises
    ------
    SlideRefusedError
        ``TRUNCATED``.
    """
    for ifd in ifds:
        offsets, counts = ifd.chunk_index()
        if len(offsets) != len(counts):
            continue  # the image of interest is checked for this on its own
        size = np.uint64(file.size)
        beyond = (offsets > size) | (counts > size - np.minimum(offsets, size))
        missing = int((beyond & (offsets != 0) & (counts != 0)).sum())
        if missing:
            raise file.truncated(f"{missing} of the {len(offsets)} tiles of image {ifd.index}")


def choose_image(findings: Findings, ifds: list[Ifd]) -> list[Ifd]:
    """Directories of the slide itself: one, or three with one colour each.

    Parameters
    ----------
    findings : Findings
        Receives format, flags and stated resolutions.
    ifds : list of Ifd
        The main chain.

    Raises
    ------
    SlideRefusedError
        ``Z_STACK`` for focal planes and time series, ``PIXEL_TYPE`` for fluorescence,
        ``UNREADABLE`` for pixels in other files.
    """
    description = ifds[0].text(tags.DESCRIPTION)
    findings.format = GENERIC
    chosen: list[Ifd]
    if description.startswith("Aperio"):
        findings.format = APERIO
        findings.stated += _aperio_mpp(description)
        findings.objective_power = _aperio_number(description, "AppMag")
        chosen = [ifds[0]]
    elif is_ome(description):
        chosen = _choose_ome(findings, ifds, description)
    else:
        chosen = [_largest(findings.name, ifds, description)]
    findings.stated += _imagej_mpp(chosen[0]) + _tag_mpp(chosen[0])
    return chosen


def count_levels(chosen: Ifd, ifds: list[Ifd]) -> int:
    """Pyramid levels including level 0, for people; reading never depends on it."""
    width, height = chosen.size_px
    levels = 1
    for ifd in ifds:
        w, h = ifd.size_px
        if ifd is chosen or not (0 < w < width and 0 < h < height):
            continue
        same_shape = abs(w * height / (h * width) - 1) <= _ASPECT + 1 / min(w, h)
        levels += same_shape and (ifd.is_tiled or not chosen.is_tiled)
    return levels


def _largest(name: str, ifds: list[Ifd], description: str) -> Ifd:
    images = [ifd for ifd in ifds if not ifd.integer(tags.SUBFILE_TYPE, 0) & 4]  # bit 2: mask
    if not images:
        raise ifds[0].file.damaged("no image but masks")
    best = max(images, key=lambda ifd: (ifd.size_px[0] * ifd.size_px[1], -ifd.index))
    twins = [
        ifd for ifd in images if ifd.size_px == best.size_px and not ifd.integer(tags.SUBFILE_TYPE, 0) & 1
    ]
    stack = (
        re.search(r"^images=(\d+)", description, re.MULTILINE) if description.startswith("ImageJ=") else None
    )
    if len(twins) > 1 or (stack and int(stack[1]) > 1 and best.integer(tags.SAMPLES, 1) == 3):
        raise SlideRefusedError(
            "Z_STACK",
            f"{name}: holds several images of the same size (focal planes or a series). Export one.",
        )
    return best


def _choose_ome(findings: Findings, ifds: list[Ifd], description: str) -> list[Ifd]:
    name = findings.name
    findings.format = OME
    try:
        images = parse_ome(description)
    except ValueError:
        images = []
    images = [image for image in images if image.first_ifd < len(ifds)]
    if not images:
        findings.flag("OME_UNREADABLE")
        return [_largest(name, ifds, "")]
    image = max(images, key=lambda i: i.size_px[0] * i.size_px[1])
    area = image.size_px[0] * image.size_px[1]
    if sum(4 * i.size_px[0] * i.size_px[1] >= area for i in images) > 1:
        findings.flag("MULTIPLE_REGIONS")
    if image.external:
        raise SlideRefusedError(
            "UNREADABLE", f"{name}: OME-XML spreads the pixels over several files. Export a single OME-TIFF."
        )
    if image.z > 1 or image.t > 1:
        raise SlideRefusedError(
            "Z_STACK", f"{name}: holds {image.z} focal planes and {image.t} time points. Export one plane."
        )
    if image.resolution is not None:
        findings.stated.append(image.resolution)
    findings.objective_power = image.objective_power
    return _ome_planes(findings, ifds, image)


def _ome_planes(findings: Findings, ifds: list[Ifd], image: OmeImage) -> list[Ifd]:
    head = ifds[image.first_ifd]
    if head.integer(tags.SAMPLES, 1) >= 3:
        return [head]
    planes = ifds[image.first_ifd : image.first_ifd + 3]
    if image.c != 3 or len(planes) != 3 or image.fluorescent:
        raise SlideRefusedError(
            "PIXEL_TYPE",
            f"{findings.name}: {image.c} greyscale channel{'s' * (image.c != 1)}"
            f"{' of fluorescence' * image.fluorescent}; brightfield quantification needs 8-bit RGB.",
        )
    findings.flag("SEPARATE_CHANNELS")
    return planes


def _aperio_mpp(description: str) -> list[Candidate]:
    value = _aperio_number(description, "MPP")
    return [] if value is None else [Candidate("aperio.MPP", value, value)]


def _aperio_number(description: str, key: str) -> float | None:
    match = re.search(rf"\|\s*{key}\s*=([^|]*)", description)
    return parse_number(match[1]) if match else None


def _density(ifd: Ifd) -> tuple[float, float] | None:
    sides = []
    for tag in (tags.X_RESOLUTION, tags.Y_RESOLUTION):
        values = ifd.numbers(tag)
        if values.ndim == 2 and values.size and int(values[0, 1]):
            sides.append(int(values[0, 0]) / int(values[0, 1]))
    return (sides[0], sides[-1]) if sides and tags.X_RESOLUTION in ifd else None


def _tag_mpp(ifd: Ifd) -> list[Candidate]:
    unit = _UNIT_UM.get(ifd.integer(tags.RESOLUTION_UNIT, 2))
    density = _density(ifd)
    if unit is None or density is None:
        return []
    return from_density("TIFF resolution tags", density[0], density[1], unit)


def _imagej_mpp(ifd: Ifd) -> list[Candidate]:
    text = ifd.text(tags.DESCRIPTION)
    match = re.search(r"^unit=(.*)$", text, re.MULTILINE) if text.startswith("ImageJ=") else None
    density = _density(ifd)
    if match is None or density is None or match[1].strip() not in _MICRON:
        return []
    return from_density("ImageJ resolution", density[0], density[1], 1.0)
