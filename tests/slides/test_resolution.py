"""Micrometres per pixel: found, checked, asked for, never guessed."""

from __future__ import annotations

import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
import pytest

from histoquant.errors import SlideRefusedError
from histoquant.slides import open_slide, preflight
from histoquant.slides.ome import parse_ome
from histoquant.slides.resolution import Candidate, Stated, settle

Writer = Callable[..., Path]
Texture = Callable[..., np.ndarray]

OME = (
    '<?xml version="1.0"?><OME><Image ID="Image:0"><Pixels ID="Pixels:0" SizeX="64" SizeY="64" '
    'SizeZ="1" SizeC="3" SizeT="1" Type="uint8" {attributes}><Channel ID="Channel:0:0" SamplesPerPixel="3"/>'
    '<TiffData IFD="0"/>'
    "</Pixels></Image></OME>"
)


@pytest.mark.parametrize(
    ("attributes", "expected"),
    [
        ('PhysicalSizeX="0.25" PhysicalSizeY="0.25"', 0.25),
        ('PhysicalSizeX="0.25" PhysicalSizeXUnit="&#181;m"', 0.25),
        ('PhysicalSizeX="0.25" PhysicalSizeXUnit="&#956;m"', 0.25),
        ('PhysicalSizeX="250" PhysicalSizeXUnit="nm" PhysicalSizeY="250" PhysicalSizeYUnit="nm"', 0.25),
        (
            'PhysicalSizeX="0.00025" PhysicalSizeXUnit="mm" PhysicalSizeY="0.00025" PhysicalSizeYUnit="mm"',
            0.25,
        ),
        ('PhysicalSizeX="2500" PhysicalSizeXUnit="&#197;"', 0.25),
        ('PhysicalSizeX="1" PhysicalSizeXUnit="pixel"', None),
        ('PhysicalSizeX="NaN"', None),
        ('PhysicalSizeX="0"', None),
        ("", None),
    ],
)
def test_ome_units(attributes: str, expected: float | None, write_tiff: Writer, texture: Texture) -> None:
    options = {"resolution": None, "resolutionunit": None}
    path = write_tiff(texture(64, 64), description=OME.format(attributes=attributes), **options)
    record = preflight(path)
    if expected is None:
        assert record.code == "NO_MPP"
    else:
        assert record.mpp == pytest.approx(expected)
        assert record.mpp_source == "OME-XML PhysicalSizeX"


@pytest.mark.parametrize(
    ("resolution", "unit", "outcome"),
    [
        ((20000, 20000), "CENTIMETER", 0.5),
        ((50800, 50800), "INCH", 0.5),
        ((72, 72), "INCH", "MPP_IMPLAUSIBLE"),
        ((96, 96), "INCH", "MPP_IMPLAUSIBLE"),
        ((300, 300), "INCH", "MPP_IMPLAUSIBLE"),
        ((2000, 2000), "CENTIMETER", "MPP_IMPLAUSIBLE"),  # 5 um/px: ten times too coarse
        ((400000, 400000), "CENTIMETER", "MPP_IMPLAUSIBLE"),  # 0.025 um/px: ten times too fine
        ((20000, 20000), "NONE", "NO_MPP"),
        ((20000, 10000), "CENTIMETER", "NOT_SQUARE"),
        ((20000, 18900), "CENTIMETER", "NOT_SQUARE"),
    ],
)
def test_tiff_tags(
    resolution: tuple[int, int], unit: str, outcome: float | str, write_tiff: Writer, texture: Texture
) -> None:
    record = preflight(write_tiff(texture(64, 64), resolution=resolution, resolutionunit=unit))
    if isinstance(outcome, str):
        assert record.code == outcome
        assert record.mpp is None
        assert ("--mpp" in record.message) == (outcome != "NOT_SQUARE")
    else:
        assert record.mpp == pytest.approx(outcome)
        assert record.mpp_source == "TIFF resolution tags"


def test_tiff_tags_with_a_zero_denominator(
    write_tiff: Writer, texture: Texture, entries: Callable[..., Any]
) -> None:
    path = write_tiff(texture(64, 64))
    data = bytearray(path.read_bytes())
    for tag in (282, 283):
        place = entries(path).tags[0][tag][1]
        data[place + 4 : place + 8] = bytes(4)
    path.write_bytes(data)
    assert preflight(path).code == "NO_MPP"


@pytest.mark.parametrize(
    ("text", "outcome"),
    [
        ("|MPP = 0.2498|AppMag = 40", 0.2498),
        ("|MPP=0,2498", 0.2498),
        ("|AppMag = 40", "NO_MPP"),
        ("|MPP = NaN", "NO_MPP"),
        ("|MPP = ", "NO_MPP"),
        ("|MPP = 0", "NO_MPP"),
        ("|MPP = 2.498", "MPP_IMPLAUSIBLE"),
        ("|MPP = 0.02498", "MPP_IMPLAUSIBLE"),
        ("|MPP = 1e400", "NO_MPP"),
    ],
)
def test_aperio_text(text: str, outcome: float | str, write_tiff: Writer, texture: Texture) -> None:
    """The objective's power is never turned into a resolution."""
    options = {"resolution": None, "resolutionunit": None}
    path = write_tiff(texture(64, 64), description=f"Aperio Image Library\r\n64x64{text}", **options)
    record = preflight(path)
    if isinstance(outcome, str):
        assert (record.code, record.mpp) == (outcome, None)
        twin = preflight(path, study_mpp=0.2498)
        assert (twin.mpp, twin.mpp_source) == (0.2498, "study table")
        assert twin.flags == (("MPP_OVERRIDDEN",) if outcome == "MPP_IMPLAUSIBLE" else ())
    else:
        assert record.mpp == pytest.approx(outcome)
        assert (record.mpp_source, record.flags) == ("aperio.MPP", ())


def test_vendor_before_tags_and_disagreement_is_flagged(write_tiff: Writer, texture: Texture) -> None:
    text = "Aperio Image Library\r\n64x64|MPP = 0.40"
    path = write_tiff(texture(64, 64), description=text)  # tags say 0.5
    record = preflight(path)
    assert (record.mpp, record.mpp_source, record.flags) == (0.4, "aperio.MPP", ("MPP_DISAGREES",))
    path = write_tiff(texture(64, 64), description=text, resolution=(72, 72), resolutionunit="INCH")
    assert preflight(path).flags == ()


def test_a_contradiction_is_refused_unless_the_user_confirms_one_side(
    write_tiff: Writer, texture: Texture
) -> None:
    text = "Aperio Image Library\r\n64x64|MPP = 0.25"
    path = write_tiff(texture(64, 64), description=text)  # tags say 0.5
    record = preflight(path)
    assert record.code == "MPP_CONFLICT"
    assert "0.25 um/px from aperio.MPP; 0.5 um/px from TIFF resolution tags" in record.message
    for true, source in ((0.25, "aperio.MPP"), (0.5, "TIFF resolution tags")):
        for option in ("mpp", "study_mpp"):
            record = preflight(path, **{option: true})
            assert (record.mpp, record.mpp_source, record.flags) == (true, source, ("MPP_DISAGREES",))
    assert preflight(path, study_mpp=0.35).code == "MPP_CONFLICT"


@pytest.mark.parametrize(
    ("users", "flags"),
    [(0.5, ()), (0.54, ()), (0.46, ()), (0.56, ("MPP_DISAGREES",)), (0.35, ("MPP_DISAGREES",))],
)
def test_file_wins_over_user(
    users: float, flags: tuple[str, ...], write_tiff: Writer, texture: Texture
) -> None:
    path = write_tiff(texture(64, 64))
    for option in ("mpp", "study_mpp"):
        with open_slide(path, **{option: users}) as slide:
            assert (slide.mpp, slide.mpp_source) == (0.5, "TIFF resolution tags")
            assert slide.flags == flags


def test_the_slides_own_row_must_not_contradict_the_file(write_tiff: Writer, texture: Texture) -> None:
    path = write_tiff(texture(64, 64))
    assert preflight(path, study_mpp=0.25).code == "MPP_CONFLICT"
    # --mpp is for those slides of a run that do not say
    assert preflight(path, mpp=0.25).flags == ("MPP_DISAGREES",)


_CM, _IN = 10000.0, 25400.0
_40X = "Aperio Image Library\r\n64x64|AppMag = 40"
MUTATIONS = {
    "ten times too coarse": ("", (_CM / 2.5, "CENTIMETER"), "MPP_IMPLAUSIBLE"),
    "ten times too fine": ("", (_CM / 0.025, "CENTIMETER"), "MPP_IMPLAUSIBLE"),
    "ten times too fine, still possible": (
        "Aperio Image Library\r\n64x64|AppMag = 20", (_CM / 0.051, "CENTIMETER"), "MPP_CONFLICT",
    ),
    "inch for centimetre": ("", (_CM / 0.9, "INCH"), "MPP_IMPLAUSIBLE"),
    "inch for centimetre beside the vendor's": (_40X + "|MPP = 0.25", (_CM / 0.25, "INCH"), "MPP_CONFLICT"),
    "inch for centimetre beside the objective": (_40X, (_CM / 0.25, "INCH"), "OBJECTIVE_DISAGREES"),
    "centimetre for inch": (_40X + "|MPP = 0.25", (_IN / 0.25, "CENTIMETER"), "MPP_CONFLICT"),
    "one objective for the next": (_40X + "|MPP = 0.25", (_CM / 0.5, "CENTIMETER"), "MPP_CONFLICT"),
    "millimetres": (OME.format(attributes='PhysicalSizeX="0.00025"'), None, "MPP_IMPLAUSIBLE"),
    "nanometres": (OME.format(attributes='PhysicalSizeX="250"'), None, "MPP_IMPLAUSIBLE"),
    "print density": ("", (72, "INCH"), "MPP_IMPLAUSIBLE"),
    "x for y": ("", ((_CM / 0.25, _CM / 0.5), "CENTIMETER"), "NOT_SQUARE"),
    "a fifth off": (_40X + "|MPP = 0.25", (_CM / 0.30, "CENTIMETER"), "MPP_DISAGREES"),
    "absent": (_40X, None, "NO_MPP"),
}  # fmt: skip


@pytest.mark.parametrize("name", MUTATIONS)
def test_a_wrong_resolution_is_refused_or_flagged(name: str, write_tiff: Writer, texture: Texture) -> None:
    text, density, expected = MUTATIONS[name]
    sides, unit = density or (None, None)
    path = write_tiff(
        texture(64, 64),
        description=text or None,
        resolution=None if sides is None else sides if isinstance(sides, tuple) else (sides, sides),
        resolutionunit=unit,
    )
    record = preflight(path)
    assert expected == record.code or record.flags == (expected,), record
    assert (record.mpp is None) == bool(record.code)


def test_an_adapter_explains_half_the_objectives_pixel(write_tiff: Writer, texture: Texture) -> None:
    """20x at 0.243 um/px is sold; the objective is compared, and never a resolution."""
    options = {"resolution": None, "resolutionunit": None}
    text = "Aperio Image Library\r\n64x64|AppMag = 20|MPP = {mpp}"
    for mpp, flags in (
        (0.5, ()),
        (0.46, ()),
        (0.3, ("OBJECTIVE_DISAGREES",)),
        (0.243, ("OBJECTIVE_DISAGREES",)),
    ):
        path = write_tiff(texture(64, 64), description=text.format(mpp=mpp), **options)
        assert preflight(path).flags == flags
    path = write_tiff(texture(64, 64), description=text.format(mpp=0.15), **options)
    assert preflight(path).code == "MPP_CONFLICT"


def test_ome_names_its_objective(write_tiff: Writer, texture: Texture) -> None:
    xml = OME.format(attributes='PhysicalSizeX="0.25"').replace(
        "<OME>", '<OME><Instrument><Objective NominalMagnification="10"/></Instrument>'
    )
    path = write_tiff(texture(64, 64), description=xml, resolution=None, resolutionunit=None)
    assert preflight(path).code == "MPP_CONFLICT"
    path = write_tiff(texture(64, 64), description=xml.replace('"10"', '"40"'), resolution=None)
    assert preflight(path).flags == ()


def test_user_replaces_an_absurd_value(write_tiff: Writer, texture: Texture) -> None:
    path = write_tiff(texture(64, 64), resolution=(72, 72), resolutionunit="INCH")
    with open_slide(path, mpp=0.5) as slide:
        assert (slide.mpp, slide.mpp_source, slide.flags) == (0.5, "option --mpp", ("MPP_OVERRIDDEN",))
    with open_slide(path, mpp=0.5, study_mpp=0.25) as slide:
        assert (slide.mpp, slide.mpp_source) == (0.25, "study table")
        assert slide.flags == ("MPP_OVERRIDDEN", "MPP_DISAGREES")


@pytest.mark.parametrize("value", [0.0, -0.5, 250.0, 0.01, float("nan"), float("inf")])
def test_absurd_user_value_is_refused(value: float, write_tiff: Writer, texture: Texture) -> None:
    path = write_tiff(texture(64, 64), resolution=None, resolutionunit=None)
    with pytest.raises(SlideRefusedError) as caught:
        open_slide(path, mpp=value)
    assert caught.value.code == "MPP_IMPLAUSIBLE"


def test_messages_say_what_was_found_and_the_way_out(write_tiff: Writer, texture: Texture) -> None:
    bare = preflight(write_tiff(texture(64, 64), "P03_T1_CD68.tif", resolution=None, resolutionunit=None))
    assert bare.message == (
        "P03_T1_CD68.tif: no micrometres per pixel in the file (looked in scanner properties, OME-XML and "
        "resolution tags). Pass --mpp or add a mpp column to the slide table."
    )
    odd = preflight(write_tiff(texture(64, 64), "odd.tif", resolution=(72, 72), resolutionunit="INCH"))
    assert "352.8 um/px from TIFF resolution tags" in odd.message
    assert odd.message.endswith("Pass --mpp or add a mpp column to the slide table.")


def test_imagej_microns(write_tiff: Writer, texture: Texture) -> None:
    path = write_tiff(
        texture(64, 64),
        tile=None,
        description="ImageJ=1.53t\nunit=micron\n",
        resolution=(4, 4),
        resolutionunit="NONE",
    )
    record = preflight(path)
    assert (record.mpp, record.mpp_source, record.reader) == (0.25, "ImageJ resolution", "image")


@pytest.mark.parametrize(("density", "outcome"), [(72, None), (300, None), (50800, 0.5)])
def test_print_density_of_photographs_is_no_resolution(
    density: int, outcome: float | None, tmp_path: Path, texture: Texture
) -> None:
    jpeg = bytearray(imagecodecs.jpeg8_encode(texture(64, 64)))
    jfif = jpeg.find(b"JFIF\0")
    jpeg[jfif + 7] = 1
    struct.pack_into(">HH", jpeg, jfif + 8, density, density)
    png = imagecodecs.png_encode(texture(64, 64))
    body = b"pHYs" + struct.pack(">IIB", *(2 * [round(density / 0.0254)]), 1)
    chunk = struct.pack(">I", 9) + body + struct.pack(">I", __import__("zlib").crc32(body))
    (tmp_path / "a.jpg").write_bytes(jpeg)
    (tmp_path / "a.png").write_bytes(png[:33] + chunk + png[33:])
    for name, source in (("a.jpg", "JFIF density"), ("a.png", "PNG pHYs")):
        record = preflight(tmp_path / name)
        if outcome is None:
            assert record.code == "NO_MPP"
            assert "printing" in record.message
            assert preflight(tmp_path / name, mpp=0.3).flags == ()
        else:
            assert record.mpp == pytest.approx(outcome, rel=1e-3)
            assert record.mpp_source == source


def test_anisotropy() -> None:
    def flags(x_um: float, y_um: float) -> tuple[str, ...]:
        return settle("a", Stated((Candidate("s", x_um, y_um),)), mpp=None, study_mpp=None).flags

    assert flags(0.25, 0.252) == ()
    assert flags(0.25, 0.254) == ("ANISOTROPIC",)
    assert flags(0.254, 0.25) == ("ANISOTROPIC",)
    with pytest.raises(SlideRefusedError, match=r"0\.25 x 0\.27"):
        flags(0.25, 0.27)


def test_slightly_oblong_pixels_give_a_square_plane(write_tiff: Writer, texture: Texture) -> None:
    path = write_tiff(texture(208, 200), resolution=(40000, 41000), resolutionunit="CENTIMETER")
    with open_slide(path) as slide:
        assert slide.flags == ("ANISOTROPIC",)
        assert slide.mpp_xy == pytest.approx((0.25, 10000 / 41000))
        plane = slide.plane(0.7)
        assert plane.mpp_xy == pytest.approx((0.7, 0.7), rel=1e-8)
        assert plane.size_px == (round(200 * 0.25 / 0.7), round(208 * 10000 / 41000 / 0.7))


def test_largest_ome_image_counts_and_its_directory_is_found() -> None:
    two = OME.format(attributes='PhysicalSizeX="9"').replace("</OME>", "").replace('SizeX="64"', 'SizeX="32"')
    big = OME.format(attributes='PhysicalSizeX="0.25"').split("<OME>")[1].replace('<TiffData IFD="0"/>', "")
    images = parse_ome(two + big)
    assert [image.first_ifd for image in images] == [0, 1]
    assert [image.size_px for image in images] == [(32, 64), (64, 64)]
