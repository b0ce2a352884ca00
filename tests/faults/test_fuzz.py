"""Parsers under strange input: each answers, or refuses in its own words; none crashes, hangs or takes much.

Every check runs twice: a few derandomised examples here, thousands in the form marked ``full``.
"""

from __future__ import annotations

import contextlib
import io
import json
import random
import struct
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
import pytest
import tifffile
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from histoquant.calibration import read_calibration
from histoquant.errors import CalibrationError, SlideError, StudyError, UsageError
from histoquant.markers import MARKERS
from histoquant.run.options import parse_settings
from histoquant.run.shard import Shard
from histoquant.slides import find_slides, open_slide, preflight
from histoquant.slides.dicom import read_header
from histoquant.slides.ome import parse_ome
from histoquant.store.batch_file import read_batch
from histoquant.store.log import first_broken_line
from histoquant.study.annotations import read_regions, region_mask
from histoquant.study.identity import identify
from histoquant.study.patterns import check_pattern
from histoquant.study.reference import Reference
from histoquant.study.rules import is_id, path_below
from histoquant.study.slide_ids import safe_id
from histoquant.study.slide_table import read_slide_table
from histoquant.study.study_file import load_study
from histoquant.tiling.addresses import check_scheduler_address

MOST_CPU_S = 2.0
Check = Callable[[Path, Any], None]

_WORDS = st.integers(0, 2**32 - 1) | st.sampled_from(
    [0, 1, 8, 2**15, 2**16, 2**20, 2**31, 2**31 - 1, 2**32 - 1]
)
_EDITS = st.lists(
    st.tuples(st.integers(0, 1 << 14), _WORDS, st.sampled_from([1, 2, 4, 8])), min_size=1, max_size=8
)
_CUT = st.none() | st.integers(0, 1 << 14)


def _tiff(**options: Any) -> bytes:
    pixels = np.random.default_rng(1).integers(0, 255, (96, 80, 3), dtype=np.uint8)
    sink = io.BytesIO()
    settings_: dict[str, Any] = {
        "tile": (32, 32), "photometric": "rgb", "resolution": (20000, 20000), "resolutionunit": "CENTIMETER",
        "metadata": None, "compression": "jpeg",
    } | options  # fmt: skip
    with tifffile.TiffWriter(sink, bigtiff=settings_.pop("bigtiff", False)) as tiff:
        tiff.write(pixels, subifds=1, **settings_)
        tiff.write(pixels[::2, ::2], subfiletype=1, **settings_)
        tiff.write(pixels[::4, ::4], subfiletype=1, **settings_)
    return sink.getvalue()


_OME = (
    '<?xml version="1.0"?><OME><Instrument><Objective NominalMagnification="20"/></Instrument><Image>'
    '<Pixels SizeX="80" SizeY="96" SizeZ="1" SizeC="3" SizeT="1" Type="uint8" PhysicalSizeX="0.5" '
    'PhysicalSizeXUnit="um"><Channel SamplesPerPixel="3"/><TiffData IFD="0"/></Pixels></Image></OME>'
)
_JPEG = imagecodecs.jpeg8_encode(np.zeros((40, 30, 3), np.uint8))
_FILES = {
    "plain.tif": _tiff(),
    "big.tif": _tiff(bigtiff=True, compression="lzw"),
    "deflate.tif": _tiff(compression="deflate", predictor=True),
    "jp2k.svs": _tiff(
        compression="jpeg2000", description="Aperio Image Library\r\n80x96|AppMag = 20|MPP = 0.5"
    ),
    "ome.ome.tif": _tiff(description=_OME, resolution=None),
    "field.png": imagecodecs.png_encode(np.zeros((40, 30, 3), np.uint8)),
    "field.jpg": _JPEG,
}


def _edited(name: str, edits: list[tuple[int, int, int]], cut: int | None) -> bytes:
    data = bytearray(_FILES[name])
    for at, value, size in edits:
        at %= len(data)
        data[at : at + size] = value.to_bytes(8, "little")[:size]
    return bytes(data if cut is None else data[: cut % len(data)])


def _in_time(call: Callable[[], Any]) -> Any:
    start = time.process_time()
    result = call()
    assert time.process_time() - start < MOST_CPU_S
    return result


def check_slide(folder: Path, drawn: tuple[str, list[tuple[int, int, int]], int | None]) -> None:
    """Whatever its bytes, a slide is refused, fails in words, or gives pixels of the size asked for."""
    path = folder / drawn[0]
    path.write_bytes(_edited(*drawn))
    found = _in_time(lambda: preflight(path, mpp=0.5))
    assert found.ok == (not found.message)
    assert "\n" not in found.message
    if found.ok:
        check_opened(path)


def check_tags(folder: Path, drawn: dict[int, tuple[int, int, int]]) -> None:
    """A TIFF directory made of any tags."""
    entries = b"".join(struct.pack("<HHII", tag, *drawn[tag]) for tag in sorted(drawn))
    path = folder / "tags.tif"
    path.write_bytes(struct.pack("<2sHIH", b"II", 42, 8, len(drawn)) + entries + bytes(4) + bytes(4096))
    if _in_time(lambda: preflight(path, mpp=0.5)).ok:
        check_opened(path)


def check_opened(path: Path) -> None:
    """Fails in words, or gives pixels of the size asked for."""
    with contextlib.suppress(SlideError), open_slide(path, mpp=0.5) as slide:
        rgb, valid = _in_time(lambda: slide.read_level0(0, 0, 64, 64))
        assert (rgb.shape, valid.shape) == ((64, 64, 3), (64, 64))


def check_dicom(folder: Path, data: bytes) -> None:
    """Any header after the signature, alone and among others of a folder."""
    path = folder / "a.dcm"
    path.write_bytes(bytes(128) + b"DICM" + data)
    _in_time(lambda: read_header(path))
    find_slides([folder])


def check_index(folder: Path, data: bytes) -> None:
    """Any VMS index: no companion outside its folder."""
    index = folder / "slide.vms"
    index.write_bytes(data)
    assert all(path.parent == folder for path in find_slides([folder]))
    assert not preflight(index, mpp=0.5).ok
    index.unlink()


def check_xml(folder: Path, text: str) -> None:
    """Any OME-XML."""
    _refused(lambda: parse_ome(text), ValueError)


def _refused(call: Callable[[], Any], kind: type[Exception]) -> None:
    """Whatever is raised is of this kind and says something."""
    said = "nothing was raised"
    try:
        _in_time(call)
    except kind as error:
        said = str(error)
    assert said


def check_study(folder: Path, text: str) -> None:
    """Any study file."""
    (folder / "study.toml").write_bytes(text.encode("utf-8", "surrogatepass"))
    _refused(lambda: load_study(folder), StudyError)
    (folder / "study.toml").unlink()


def check_table(folder: Path, data: bytes) -> None:
    """Any slide table."""
    (folder / "slides.csv").write_bytes(data)
    _refused(lambda: read_slide_table(folder / "slides.csv", folder, ["V1"]), StudyError)


def check_name(folder: Path, name: str) -> None:
    """Any file name gives an identity and an id that can name a folder."""
    identity = identify(Path(f"{name}.svs"), known_markers=tuple(MARKERS))
    assert is_id(identity.slide_id)
    assert is_id(safe_id(name))


def check_pattern_text(folder: Path, pattern: str) -> None:
    """Any pattern of names, and any name under it."""
    _refused(lambda: check_pattern(pattern), ValueError)


def check_path(folder: Path, text: str) -> None:
    """Whatever a study file names lies below the study folder."""
    try:
        path = path_below(folder, text)
    except ValueError:
        return
    assert path.is_relative_to(folder.resolve())
    assert path != folder.resolve()


def check_regions(folder: Path, value: Any) -> None:
    """Any JSON as drawn regions."""
    path = folder / "a.geojson"
    path.write_text(json.dumps(value))

    def read() -> None:
        region_mask(read_regions(path), "lumen", (8, 8), (16.0, 16.0))

    _refused(read, StudyError)


def check_calibration(folder: Path, text: str) -> None:
    """Any calibration file."""
    path = folder / "calibration.toml"
    path.write_bytes(text.encode("utf-8", "surrogatepass"))
    _refused(lambda: read_calibration(path), CalibrationError)


def check_reference(folder: Path, value: Any) -> None:
    """Any JSON as a frozen reference."""
    path = folder / "reference.json"
    path.write_text(json.dumps(value))
    _refused(lambda: Reference.load(path), StudyError)


def check_store(folder: Path, data: bytes) -> None:
    """Any bytes as a batch file and as a log."""
    path = folder / "batch.hqb"
    path.write_bytes(data)
    assert read_batch(path) is None
    first_broken_line(data)


def check_options(folder: Path, text: str) -> None:
    """Any text after an option."""
    for parse in (Shard.parse, check_scheduler_address, lambda said: parse_settings((said,))):
        _refused(lambda parse=parse: parse(text), UsageError)


_TEXT = st.text(max_size=200)
_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
_GEOJSON = st.fixed_dictionaries(
    {
        "type": st.sampled_from(["Feature", "FeatureCollection"]),
        "geometry": st.fixed_dictionaries(
            {
                "type": st.sampled_from(["Polygon", "MultiPolygon", "Point", "x"]),
                "coordinates": _JSON
                | st.lists(
                    st.lists(st.lists(st.floats() | st.integers(), min_size=2, max_size=3), max_size=6)
                ),
            }
        )
        | _JSON,
        "properties": st.just({"classification": {"name": "Lumen"}}) | _JSON,
        "features": _JSON,
    }
)
_KEYS = [
    "name",
    "table",
    "pattern",
    "label",
    "month",
    "marker",
    "mpp",
    "set",
    "weights",
    "reference",
    "workers",
]
_TOML_VALUE = st.sampled_from(
    [
        "1",
        "-1",
        "1e400",
        "nan",
        "true",
        '"x"',
        '"{patient}_{marker}"',
        "[]",
        "{}",
        "1979-01-01",
        "[[[[]]]]",
        '"../x"',
    ]
)
_TOML = st.lists(
    st.sampled_from(
        ["[study]", "[slides]", "[run]", "[inflammation]", "[[timepoints]]", "[run.set]", "[markers.x]"]
    )
    | st.builds("{} = {}".format, st.sampled_from(_KEYS), _TOML_VALUE),
    max_size=12,
).map("\n".join)
_CELL = st.text(max_size=12) | st.sampled_from(
    ["P01.svs", "CD68", "V1", "0.25", "nan", "1_0", "../x", "=1", '"']
)
_CSV = st.tuples(
    st.lists(st.sampled_from(["slide", "patient", "marker", "mpp", "control", "sha256", "timepoint", "arm"])),
    st.lists(st.lists(_CELL, max_size=8), max_size=6),
).map(lambda parts: "\n".join(",".join(row) for row in [parts[0], *parts[1]]).encode("utf-8", "replace"))
_XML = st.lists(
    st.sampled_from(
        ["<OME>", "</OME>", "<Pixels ", "SizeX='", "PhysicalSizeX='", "'", ">", "/>", "<TiffData IFD='"]
    )
    | st.sampled_from(
        ["<!ENTITY a 'b'>", "&a;", "<Objective NominalMagnification='", "<Channel SamplesPerPixel='"]
    )
    | st.sampled_from(["0", "-1", "9" * 30, "1e9", "nan", "\0", "\ud800"])
    | st.text(max_size=4),
    max_size=20,
).map("".join)
_TAGS = st.dictionaries(
    st.sampled_from([254, 256, 257, 258, 259, 262, 270, 273, 277, 278, 279, 282, 283, 284, 296, 322, 323, 324,
                     325, 330, 338, 339, 347, 700, 34675, 65420]),
    st.tuples(st.integers(0, 19), _WORDS, _WORDS),
    min_size=1, max_size=16,
)  # fmt: skip
_DICOM = st.lists(
    st.binary(max_size=12)
    | st.sampled_from(
        [b"\x08\0\x08\0CS", b"\x20\0\x0e\0UI", b"\x48\0\x03\x03UL", b"\x01\0SQ\0\0\xff\xff\xff\xff"]
    )
    | st.sampled_from(
        [b"\xfe\xff\x00\xe0\xff\xff\xff\xff", b"\xfe\xff\xdd\xe0\0\0\0\0", b"\4\0", b"\xff\xff\xff\x7f"]
    ),
    max_size=30,
).map(b"".join)

TARGETS: dict[str, tuple[Check, st.SearchStrategy[Any], int]] = {
    "slide": (check_slide, st.tuples(st.sampled_from(sorted(_FILES)), _EDITS, _CUT), 10_000),
    "tags": (check_tags, _TAGS, 10_000),
    "dicom": (check_dicom, _DICOM | st.binary(max_size=400), 3000),
    "index": (check_index, st.binary(max_size=200), 500),
    "xml": (check_xml, _XML, 5000),
    "study": (check_study, _TOML | _TEXT, 5000),
    "table": (check_table, _CSV | st.binary(max_size=200), 5000),
    "name": (check_name, _TEXT.filter(lambda text: "/" not in text and "\0" not in text), 3000),
    "pattern": (check_pattern_text, _TEXT | st.text("{}_patientmarker*[]()\\", max_size=60), 3000),
    "path": (check_path, _TEXT | st.text("./\\~:aCON\0 ", max_size=20), 3000),
    "regions": (check_regions, _GEOJSON | _JSON, 3000),
    "calibration": (check_calibration, _TEXT | _TOML, 2000),
    "reference": (check_reference, _JSON, 2000),
    "store": (check_store, st.binary(max_size=300), 2000),
    "options": (check_options, _TEXT | st.text("0123456789/.:tlscp=_", max_size=30), 3000),
}


def _fuzz(target: str, folder: Path, examples: int, derandomize: bool) -> None:
    check, drawn, _ = TARGETS[target]

    @settings(
        max_examples=examples,
        deadline=None,
        database=None,
        derandomize=derandomize,
        suppress_health_check=list(HealthCheck),
    )
    @given(drawn)
    def run(value: Any) -> None:
        check(folder, value)

    run()


@pytest.mark.parametrize("target", TARGETS)
def test_a_few_strange_inputs(target: str, tmp_path: Path):
    _fuzz(target, tmp_path, 40 if target in {"slide", "tags"} else 25, derandomize=True)


@pytest.mark.full
@pytest.mark.parametrize("target", TARGETS)
def test_thousands_of_strange_inputs(target: str, tmp_path: Path):
    random.seed()
    _fuzz(target, tmp_path, TARGETS[target][2], derandomize=False)
