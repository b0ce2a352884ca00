"""Broken, hostile and unsuitable files: refused by name, fast, and before anything is decoded."""

from __future__ import annotations

import os
import struct
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
import pytest
import tifffile

from histoquant.errors import SlideError, SlideFailedError, SlideRefusedError
from histoquant.slides import open_slide, preflight
from histoquant.slides.openslide_slide import OpenSlideSlide
from histoquant.slides.slide import SlideFacts

Writer = Callable[..., Path]
Texture = Callable[..., np.ndarray]


def _code(path: Path, **options: float) -> str:
    record = preflight(path, **options)
    if record.ok:
        open_slide(path, **options).close()
        return ""
    with pytest.raises(SlideRefusedError) as caught:
        open_slide(path, **options)
    assert caught.value.code == record.code
    assert record.message == caught.value.message
    assert "\n" not in record.message
    assert record.path.name in record.message or record.code == "NOT_FOUND"
    return record.code


def _outcome(path: Path) -> str:
    """Refusal code, failure code while reading everything, or nothing."""
    try:
        with open_slide(path) as slide:
            slide.read_level0(0, 0, *slide.size_px)
    except SlideError as error:
        return error.code
    return ""


@pytest.mark.parametrize("kind", ["svs", "tiff", "ome", "bigtiff"])
def test_truncated_anywhere(kind: str, write_svs: Writer, write_tiff: Writer, texture: Texture) -> None:
    if kind == "svs":
        path = write_svs(texture(300, 421))
    else:
        metadata = {"PhysicalSizeX": 0.25, "PhysicalSizeXUnit": "µm"} if kind == "ome" else None
        name = "x.ome.tif" if kind == "ome" else "x.tif"
        path = write_tiff(
            texture(300, 421), name, compression="jpeg", metadata=metadata, bigtiff=kind == "bigtiff",
            resolution=(40000, 40000),
        )  # fmt: skip
    data = path.read_bytes()
    assert _outcome(path) == ""
    cuts = sorted({4, 9, 17, 100, len(data) - 1, len(data) - 3} | {len(data) * i // 15 for i in range(1, 15)})
    outcomes = {}
    for cut in cuts:
        path.write_bytes(data[:cut])
        outcomes[cut] = _outcome(path)
    assert set(outcomes.values()) <= {"TRUNCATED", "UNREADABLE", "NOT_AN_IMAGE"}, outcomes
    assert [outcomes[cut] for cut in cuts].count("TRUNCATED") >= len(cuts) - 3


@pytest.mark.parametrize("name", ["field.png", "field.jpg"])
def test_truncated_photograph(name: str, tmp_path: Path, texture: Texture) -> None:
    encode = imagecodecs.png_encode if name.endswith("png") else imagecodecs.jpeg8_encode
    data = encode(texture(120, 90))
    path = tmp_path / name
    for cut in (20, 60, len(data) // 2, len(data) - 1):
        path.write_bytes(data[:cut])
        assert _code(path, mpp=0.5) == "TRUNCATED"


def test_a_block_of_any_name_is_told_in_one_line(tmp_path: Path, texture: Texture) -> None:
    """Found by tests/faults/test_fuzz.py: a damaged block's name was quoted as it stood."""
    data = bytearray(imagecodecs.png_encode(texture(40, 30)))
    data[37:41] = b"A\n\0Z"
    data[33:37] = (1 << 20).to_bytes(4, "big")
    path = tmp_path / "field.png"
    path.write_bytes(data)
    record = preflight(path, mpp=0.5)
    assert record.code == "TRUNCATED"
    assert "before the end of its A??Z block" in record.message


def test_damaged_photograph_fails_when_read(tmp_path: Path, texture: Texture) -> None:
    data = bytearray(imagecodecs.png_encode(texture(120, 90)))
    data[len(data) // 2] ^= 255
    path = tmp_path / "field.png"
    path.write_bytes(data)
    with (
        open_slide(path, mpp=0.5) as slide,
        pytest.raises(SlideFailedError, match=r"field\.png: cannot be decoded"),
    ):
        slide.read(0, 0, 10, 10)


@pytest.mark.parametrize(
    ("name", "content", "code"),
    [
        ("empty.svs", b"", "EMPTY_FILE"),
        ("empty.png", b"", "EMPTY_FILE"),
        ("text.svs", b"patient,slide\nP01,P01_T1_CD68.svs\n", "NOT_AN_IMAGE"),
        ("zeros.tif", bytes(4096), "NOT_AN_IMAGE"),
        ("header.tif", b"II*\0", "TRUNCATED"),
        ("nothing.tif", b"II*\0\0\0\0\0" + bytes(100), "UNREADABLE"),
        ("far.tif", b"II*\0\xf0\xff\xff\x00" + bytes(100), "TRUNCATED"),
        ("random.tif", b"II*\0\x08\0\0\0" + bytes(range(256)) * 8, "TRUNCATED"),
        ("slide.vsi", b"II*\0\x08\0\0\0" + bytes(64), "NOT_AN_IMAGE"),
        ("lonely.mrxs", b"\xff\xd8\xff\xe0", "UNREADABLE"),
        ("slide.ndpi", b"II*\0\x08\0\0\0" + bytes(64), "NOT_AN_IMAGE"),
        ("slide.dcm", bytes(128) + b"DICM" + bytes(64), "NOT_AN_IMAGE"),
        ("archive.svs", b"PK\x03\x04" + bytes(300), "NOT_AN_IMAGE"),
    ],
)
def test_not_a_slide(name: str, content: bytes, code: str, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    got = _code(path, mpp=0.5)
    assert got == code or (name == "random.tif" and got in ("TRUNCATED", "UNREADABLE", "TOO_LARGE"))


def test_not_there_and_not_a_file(tmp_path: Path) -> None:
    assert _code(tmp_path / "gone.svs") == "NOT_FOUND"
    (tmp_path / "dangling.svs").symlink_to(tmp_path / "gone.svs")
    assert _code(tmp_path / "dangling.svs") == "NOT_FOUND"
    (tmp_path / "folder").mkdir()
    assert _code(tmp_path / "folder") == "NOT_AN_IMAGE"
    os.mkfifo(tmp_path / "pipe.svs")
    assert _code(tmp_path / "pipe.svs") == "NOT_AN_IMAGE"


@pytest.mark.skipif(os.geteuid() == 0, reason="the administrator can read every file")
def test_unreadable_by_permission(tmp_path: Path) -> None:
    path = tmp_path / "locked.svs"
    path.write_bytes(b"II*\0" + bytes(100))
    path.chmod(0)
    assert _code(path) == "UNREADABLE"


PIXEL_TYPES: dict[str, tuple[Any, dict[str, Any], str]] = {
    "16-bit": ((64, 64, 3), {"dtype": np.uint16}, "16-bit"),
    "float": ((64, 64, 3), {"dtype": np.float32}, "floating-point"),
    "grey": ((64, 64), {"photometric": "minisblack"}, "greyscale"),
    "palette": ((64, 64), {"photometric": "palette", "colormap": np.zeros((3, 256), np.uint16)}, "palette"),
    "cmyk": ((64, 64, 4), {"photometric": "separated"}, "CMYK"),
    "five": ((64, 64, 5), {"photometric": "rgb", "extrasamples": ["unspecified"] * 2}, "5 samples"),
    "lab": ((64, 64, 3), {"photometric": "cielab"}, "CIELab"),
}


@pytest.mark.parametrize("kind", PIXEL_TYPES)
def test_pixel_types(kind: str, write_tiff: Writer) -> None:
    shape, options, words = PIXEL_TYPES[kind]
    pixels = np.zeros(shape, options.get("dtype", np.uint8))
    path = write_tiff(pixels, **{k: v for k, v in options.items() if k != "dtype"})
    assert _code(path) == "PIXEL_TYPE"
    record = preflight(path)
    assert words in record.message
    assert record.size_px == (64, 64)
    assert record.reader == "tiff"


@pytest.mark.parametrize("kind", ["grey.png", "16.png", "palette.png", "grey.jpg", "cmyk.jpg"])
def test_pixel_types_of_photographs(kind: str, tmp_path: Path, texture: Texture) -> None:
    path, rgb = tmp_path / kind, texture(40, 40)
    if kind == "grey.png":
        data = imagecodecs.png_encode(np.ascontiguousarray(rgb[..., 0]))
    elif kind == "16.png":
        data = imagecodecs.png_encode(rgb.astype(np.uint16) * 257)
    elif kind == "palette.png":
        from PIL import Image

        Image.fromarray(rgb).quantize(16).save(path)
        data = path.read_bytes()
    elif kind == "grey.jpg":
        data = imagecodecs.jpeg8_encode(np.ascontiguousarray(rgb[..., 0]))
    else:
        data = imagecodecs.jpeg8_encode(
            np.concatenate([rgb, rgb[..., :1]], axis=2), colorspace="CMYK", outcolorspace="CMYK"
        )
    path.write_bytes(data)
    assert _code(path, mpp=0.5) == "PIXEL_TYPE"


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (22610, "JPEG XR"),
        (6, "old-style JPEG"),
        (34887, "LERC"),
        (2, "CCITT"),
        (50002, "JPEG XL"),
        (52479, "52479"),
    ],
)
def test_codecs(
    code: int, words: str, write_tiff: Writer, texture: Texture, entries: Callable[..., Any]
) -> None:
    path = write_tiff(texture(64, 64))
    entries(path).patch(259, code, 2)
    assert _code(path) == "CODEC"
    assert words in preflight(path).message


def test_shared_files_made_unopenable(shared: Path) -> None:
    assert _code(shared / "wsi" / "unopenable.tiff") == "CODEC"
    with (
        open_slide(shared / "wsi" / "unreadable.svs") as slide,
        pytest.raises(SlideFailedError, match="column 0, row 0") as caught,
    ):
        slide.read(0, 0, 16, 16)
    assert caught.value.code == "UNREADABLE"


def test_reasons_hold_no_paths_or_identifiers(shared: Path, tmp_path: Path) -> None:
    good = (shared / "wsi" / "boxes_0.dcm").read_bytes()
    folder = tmp_path / "PHI_CANARY_7f3 with space"
    folder.mkdir()
    (folder / "a.dcm").write_bytes(good)
    twin = bytearray(good)
    twin[604 + 19] ^= 1  # the SOP instance number: OpenSlide's complaint quotes it
    (folder / "b b.dcm").write_bytes(twin)
    reasons = {preflight(folder / name).message for name in ("a.dcm", "b b.dcm")}
    broken = folder / "c.svs"
    broken.write_bytes((shared / "wsi" / "unreadable.svs").read_bytes())
    facts = SlideFacts(broken, "c", "openslide", "Aperio SVS", (16, 16), (0.5, 0.5), "test")
    with OpenSlideSlide(facts, broken) as slide, pytest.raises(SlideFailedError) as caught:
        slide.read_level0(0, 0, 16, 16)
    for reason in (*reasons, caught.value.message):
        assert reason
        assert "PHI_CANARY" not in reason
        assert "1747645553" not in reason


def test_one_bad_tile_is_named_and_the_others_read(write_tiff: Writer, texture: Texture) -> None:
    path = write_tiff(texture(256, 256), compression="jpeg")
    with open_slide(path) as slide:
        intact, _ = slide.read_level0(0, 0, 256, 256)
    with tifffile.TiffFile(path) as tiff:
        offset, count = tiff.pages[0].dataoffsets[6], tiff.pages[0].databytecounts[6]
    original = path.read_bytes()
    for damage in (bytes(count), original[offset : offset + count // 2] + bytes(count - count // 2)):
        data = bytearray(original)
        data[offset : offset + count] = damage
        path.write_bytes(data)
        with open_slide(path) as slide:
            with pytest.raises(SlideFailedError, match=r"column 2, row 1 \(level-0 x 128, y 64\)"):
                slide.read_level0(100, 100, 100, 100)
            assert np.array_equal(slide.read_level0(0, 0, 128, 256)[0], intact[:, :128])
            assert np.array_equal(slide.read_level0(0, 128, 256, 128)[0], intact[128:])


def test_openslide_recovers_after_an_error(write_tiff: Writer, texture: Texture) -> None:
    path = write_tiff(texture(256, 256), compression="jpeg")
    with tifffile.TiffFile(path) as tiff:
        offset, count = tiff.pages[0].dataoffsets[6], tiff.pages[0].databytecounts[6]
    original = path.read_bytes()
    data = bytearray(original)
    data[offset : offset + count] = bytes(count)
    path.write_bytes(data)
    facts = SlideFacts(path, "x", "openslide", "TIFF", (256, 256), (0.5, 0.5), "test")
    with OpenSlideSlide(facts, path) as slide:
        with pytest.raises(SlideFailedError, match="window x 100, y 70"):
            slide.read_level0(100, 70, 60, 60)
        assert slide.read_level0(0, 0, 64, 64)[1].all()
        path.write_bytes(original)
        assert slide.read_level0(100, 70, 60, 60)[1].all()


def test_loops(write_tiff: Writer, texture: Texture, tmp_path: Path) -> None:
    path = write_tiff(texture(64, 64))
    data = bytearray(path.read_bytes())
    (first,) = struct.unpack_from("<I", data, 4)
    (tags,) = struct.unpack_from("<H", data, first)
    struct.pack_into("<I", data, first + 2 + 12 * tags, first)
    path.write_bytes(data)
    assert _code(path) == "UNREADABLE"
    assert "loop" in preflight(path).message

    ome = tmp_path / "loop.tif"
    with tifffile.TiffWriter(ome) as tiff:
        tiff.write(texture(64, 64), tile=(64, 64), photometric="rgb", subifds=1)
        tiff.write(texture(32, 32), tile=(64, 64), photometric="rgb", subfiletype=1)
    with tifffile.TiffFile(ome) as tiff:
        page = tiff.pages[0]
        place, offset = page.tags[330].valueoffset, page.offset
    data = bytearray(ome.read_bytes())
    struct.pack_into("<I", data, place, offset)
    ome.write_bytes(data)
    assert _code(ome) == "UNREADABLE"


def test_more_than_one_plane(tmp_path: Path, texture: Texture) -> None:
    pixels = np.stack([texture(64, 64), texture(64, 64, 1)])
    options = {"photometric": "rgb", "tile": (64, 64)}
    tifffile.imwrite(tmp_path / "stack.tif", pixels, metadata=None, **options)
    tifffile.imwrite(tmp_path / "z.ome.tif", pixels, metadata={"axes": "ZYXS"}, **options)
    tifffile.imwrite(tmp_path / "t.ome.tif", pixels, metadata={"axes": "TYXS"}, **options)
    for name in ("stack.tif", "z.ome.tif", "t.ome.tif"):
        assert _code(tmp_path / name, mpp=0.5) == "Z_STACK"


def test_fluorescence_is_not_brightfield(tmp_path: Path) -> None:
    planes = np.zeros((3, 64, 64), np.uint8)
    for name, metadata in (
        ("f.ome.tif", {"axes": "CYX", "Channel": {"Fluor": ["DAPI", "FITC", "Cy3"]}}),
        ("two.ome.tif", {"axes": "CYX"}),
    ):
        pixels = planes if name == "f.ome.tif" else planes[:2]
        tifffile.imwrite(tmp_path / name, pixels, photometric="minisblack", metadata=metadata)
        assert _code(tmp_path / name, mpp=0.5) == "PIXEL_TYPE"


def test_hostile_xml_is_not_expanded(write_tiff: Writer, texture: Texture) -> None:
    laughs = "".join(f'<!ENTITY l{i + 1} "{f"&l{i};" * 10}">' for i in range(9))
    text = f'<?xml version="1.0"?><!DOCTYPE OME [<!ENTITY l0 "ha">{laughs}]><OME>&l9;</OME>'
    path = write_tiff(texture(64, 64), description=text)
    start = time.perf_counter()
    record = preflight(path)
    assert time.perf_counter() - start < 1
    assert record.ok
    assert record.flags == ("OME_UNREADABLE",)
    assert record.mpp_source == "TIFF resolution tags"


BOMBS = {
    "sides": [(256, 2**31 - 1, 4), (257, 2**31 - 1, 4)],
    "area": [(256, 2**19, 4), (257, 2**19, 4)],
    "one side": [(256, 2**20 + 1, 4)],
    "grid": [(256, 2**18, 4), (257, 2**17, 4)],
    "tile": [(322, 2**15, 2), (323, 2**15, 2)],
    "tile zero": [(322, 0, 2)],
    "zero": [(256, 0, 4)],
    "narrow tile": [(322, 1, 2), (323, 1, 2)],
}


@pytest.mark.parametrize("bomb", BOMBS)
def test_bombs_are_refused_at_once(
    bomb: str, write_tiff: Writer, texture: Texture, entries: Callable[..., Any]
) -> None:
    path = write_tiff(texture(128, 128), compression="deflate")
    for code, value, size in BOMBS[bomb]:
        book = entries(path)
        place = book.tags[0][code][1]
        book.patch(code, 4 if size == 4 else 3, 2, what="type")
        data = bytearray(path.read_bytes())
        data[place : place + size] = value.to_bytes(size, "little")
        path.write_bytes(data)
    start = time.perf_counter()
    assert _code(path) in ("TOO_LARGE", "UNREADABLE")
    assert time.perf_counter() - start < 2


def test_tag_count_bombs(write_tiff: Writer, texture: Texture, entries: Callable[..., Any]) -> None:
    for tag in (324, 325, 258, 282, 270):
        path = write_tiff(texture(200, 200), compression="deflate", description="x" * 100)
        entries(path).patch(tag, 2**32 - 2, 4, what="count")
        start = time.perf_counter()
        record = preflight(path)
        assert time.perf_counter() - start < 2
        assert record.code in ("TOO_LARGE", "UNREADABLE", "TRUNCATED") or tag == 270


def test_a_tile_may_not_hold_another_image(write_tiff: Writer, texture: Texture) -> None:
    """A 64-px tile whose stream claims 60000 x 60000 px is refused by its header, not by the memory."""
    for compression, marker, offset, size in (
        ("jpeg", b"\xff\xc0", 5, ">HH"),
        ("jpeg2000", b"\xff\x51", 6, ">II"),
    ):
        path = write_tiff(texture(64, 64), compression=compression)
        data = bytearray(path.read_bytes())
        at = data.find(marker)
        struct.pack_into(size, data, at + offset, 60000, 60000)
        path.write_bytes(data)
        with open_slide(path) as slide, pytest.raises(SlideFailedError, match=r"60000"):
            slide.read_level0(0, 0, 64, 64)


def test_bombs_take_no_memory(tmp_path: Path) -> None:
    """Whole-image and shared-table bombs, in a process of their own to see its peak."""
    png = b"\x89PNG\r\n\x1a\n"
    for kind, body in ((b"IHDR", struct.pack(">IIBBBBB", 2**20, 2**15, 8, 2, 0, 0, 0)), (b"IEND", b"")):
        png += struct.pack(">I", len(body)) + kind + body + bytes(4)
    (tmp_path / "big.png").write_bytes(png)
    jpeg = bytearray(imagecodecs.jpeg8_encode(np.zeros((64, 64, 3), np.uint8)))
    struct.pack_into(">HH", jpeg, jpeg.find(b"\xff\xc0") + 5, 65500, 65500)
    (tmp_path / "big.jpg").write_bytes(jpeg)
    _write_shared_table(tmp_path / "tables.tif")
    program = (
        "import re, sys, time\n"
        "from histoquant.slides import preflight\n"
        "for path in sys.argv[1:]:\n"
        "    start = time.process_time()  # of this process: the machine may be busy\n"
        "    print(preflight(path, mpp=0.5).code, time.process_time() - start < 2)\n"
        "print(int(re.search(r'VmHWM:\\s+(\\d+)', open('/proc/self/status').read())[1]) // 1024)\n"
    )
    names = ["big.png", "big.jpg", "tables.tif"]
    result = subprocess.run(
        [sys.executable, "-c", program, *(str(tmp_path / name) for name in names)],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    *rows, peak = result.stdout.split("\n")[:-1]
    assert rows == ["TOO_LARGE True"] * 3
    assert int(peak) < 500


def _write_shared_table(path: Path) -> None:
    """A good image, then 999 directories whose offset tables are one 30 MB stretch of a sparse file."""
    count = 7_500_000
    good = [
        (256, 4, 1, 2000), (257, 4, 1, 2000), (258, 1, 3, 0x080808), (259, 3, 1, 1), (262, 3, 1, 2),
        (277, 3, 1, 3), (322, 4, 1, 2000), (323, 4, 1, 2000), (324, 4, 1, 1 << 20), (325, 4, 1, 12_000_000),
    ]  # fmt: skip
    with path.open("wb") as file:
        file.write(struct.pack("<2sHI", b"II", 42, 8))
        for i in range(999):
            tags = [(256, 4, 1, 100), (257, 4, 1, 100), (324, 4, count, 1 << 20), (325, 4, count, 1 << 20)]
            tags = tags if i else good
            here = file.tell()
            file.write(struct.pack("<H", len(tags)))
            file.write(b"".join(struct.pack("<HHII", *tag) for tag in tags))
            file.write(struct.pack("<I", 0 if i == 998 else here + 2 + 12 * len(tags) + 4))
        file.truncate((1 << 20) + 4 * count)


def test_a_thousand_mutations_never_crash(write_svs: Writer, texture: Texture) -> None:
    """Random header damage ends in a record, quickly, whatever it hits."""
    path = write_svs(texture(128, 192))
    original = path.read_bytes()
    with tifffile.TiffFile(path) as tiff:
        spots = [(page.offset, page.offset + 2 + 12 * len(page.tags) + 4) for page in tiff.pages]
    rng = np.random.default_rng(7)
    slowest = 0.0
    for _ in range(1000):
        data = bytearray(original)
        for _ in range(int(rng.integers(1, 4))):
            low, high = spots[int(rng.integers(len(spots)))] if rng.random() < 0.9 else (0, 16)
            data[int(rng.integers(low, high))] = int(rng.integers(256))
        path.write_bytes(data)
        start = time.perf_counter()
        record = preflight(path)
        slowest = max(slowest, time.perf_counter() - start)
        assert record.ok or record.message
        if record.ok and record.size_px is not None and record.size_px[0] * record.size_px[1] < 1 << 22:
            _outcome(path)
    assert slowest < 2
