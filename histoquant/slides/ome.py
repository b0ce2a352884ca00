"""The few facts of OME-XML that decide how a TIFF is read."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final
from xml.etree import ElementTree

from histoquant.slides.resolution import Candidate, parse_number

SOURCE: Final = "OME-XML PhysicalSizeX"

# Lengths of OME's UnitsLength in micrometres; "pixel" and "reference frame" are no lengths.
_UNITS_UM: Final = {
    "pm": 1e-6, "\u00c5": 1e-4, "\u212b": 1e-4, "nm": 1e-3, "\u00b5m": 1.0, "\u03bcm": 1.0, "um": 1.0,
    "mm": 1e3, "cm": 1e4, "dm": 1e5, "m": 1e6, "thou": 25.4, "in": 25400.0,
}  # fmt: skip
_FLUORESCENT: Final = ("Fluor", "EmissionWavelength", "ExcitationWavelength")


@dataclass(frozen=True)
class OmeImage:
    """One image of an OME-TIFF.

    Parameters
    ----------
    size_px : tuple of int
        Width and height.
    z, c, t : int
        Planes, channels, time points.
    first_ifd : int
        Directory of its first plane.
    samples : int
        Samples per pixel of its first channel.
    fluorescent : bool
        Whether a channel names a fluorochrome or a wavelength.
    external : bool
        Whether pixels lie in other files.
    resolution : Candidate or None
        Physical pixel size, where it is a length.
    objective_power : float or None
        Nominal magnification, where the file names one objective.
    """

    size_px: tuple[int, int]
    z: int
    c: int
    t: int
    first_ifd: int
    samples: int
    fluorescent: bool
    external: bool
    resolution: Candidate | None
    objective_power: float | None = None


def is_ome(description: str) -> bool:
    """Whether an ImageDescription is OME-XML."""
    return "OME" in description[:4096] and description.rstrip().endswith("OME>")


def parse_ome(description: str) -> list[OmeImage]:
    """Images of an OME-XML block, in file order.

    Parameters
    ----------
    description : str
        The ImageDescription of the first directory.

    Raises
    ------
    ValueError
        When the block is not well-formed, or declares entities.
    """
    if "<!DOCTYPE" in description or "<!ENTITY" in description:
        raise ValueError("OME-XML with a document type")
    try:
        root = ElementTree.fromstring(description)  # noqa: S314 - no entities, see above
    except ElementTree.ParseError as error:
        raise ValueError(f"OME-XML is not well-formed ({error})") from error
    images: list[OmeImage] = []
    next_ifd = 0
    power = _objective_power(root)
    for pixels in (node for node in root.iter() if _local(node) == "Pixels"):
        image = replace(_image(pixels, next_ifd), objective_power=power)
        images.append(image)
        planes = image.z * image.t * -(-image.c // image.samples)
        next_ifd = image.first_ifd + planes
    return images


def _local(node: ElementTree.Element) -> str:
    return node.tag.rpartition("}")[2]


def _objective_power(root: ElementTree.Element) -> float | None:
    objectives = [node for node in root.iter() if _local(node) == "Objective"]
    powers = {parse_number(node.get("NominalMagnification", "")) for node in objectives}
    return powers.pop() if len(powers) == 1 else None


def _whole(node: ElementTree.Element, key: str, default: int) -> int:
    try:
        return max(int(node.get(key, default)), 0)
    except ValueError as error:
        raise ValueError(f"OME-XML {key} is not a whole number") from error


def _image(pixels: ElementTree.Element, next_ifd: int) -> OmeImage:
    channels = [node for node in pixels if _local(node) == "Channel"]
    data = [node for node in pixels if _local(node) == "TiffData"]
    first = min((_whole(node, "IFD", next_ifd) for node in data), default=next_ifd)
    samples = max(1, _whole(channels[0], "SamplesPerPixel", 1)) if channels else 1
    names = {child.get("FileName") for node in data for child in node if _local(child) == "UUID"} - {None}
    return OmeImage(
        size_px=(_whole(pixels, "SizeX", 0), _whole(pixels, "SizeY", 0)),
        z=_whole(pixels, "SizeZ", 1),
        c=max(1, _whole(pixels, "SizeC", 1)),
        t=_whole(pixels, "SizeT", 1),
        first_ifd=first,
        samples=samples,
        fluorescent=any(node.get(key) for node in channels for key in _FLUORESCENT),
        external=len(names) > 1,
        resolution=_resolution(pixels),
    )


def _resolution(pixels: ElementTree.Element) -> Candidate | None:
    sizes = []
    for axis in "XY":
        value = parse_number(pixels.get(f"PhysicalSize{axis}", ""))
        unit = _UNITS_UM.get(pixels.get(f"PhysicalSize{axis}Unit", "um"))
        sizes.append(None if value is None or unit is None else value * unit)
    x_um, y_um = sizes[0], sizes[1] or sizes[0]
    return None if x_um is None or y_um is None else Candidate(SOURCE, x_um, y_um)
