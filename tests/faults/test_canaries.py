"""P6, S1: words planted wherever a slide can name a patient are in no output, log or message."""

from __future__ import annotations

import io
import itertools
import json
import re
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
import pyarrow.parquet as pq
import pytest
import tifffile
from PIL import Image, ImageCms

import histoquant.run.schedule as schedule
from histoquant.phantoms.writer import write_slide
from histoquant.run.inspect import inspect_slides
from histoquant.run.options import RunOptions
from histoquant.run.runner import prepare_slides, run_slides

CANARY = re.compile(rb"PHI_?CANARY_?\d\d")
PLACES = 25  # at least; the test counts them in the input


class _Canaries:
    """A new word for each place."""

    def __init__(self) -> None:
        self._numbers = itertools.count(10)

    def __call__(self) -> str:
        return f"PHI_CANARY_{next(self._numbers)}"

    def bytes(self) -> bytes:
        return self().encode()


def _svs(
    path: Path, pixels: np.ndarray, word: _Canaries, *, cut: bool = False, bad_tile: bool = False
) -> None:
    """An Aperio-like slide with a word in its text, its tags, its label and its macro image."""
    keys = ("Filename", "User", "ScanScope ID", "Date", "Time", "ImageID", "Barcode", "Title")
    text = "Aperio Image Library v12\r\n320x320 JPEG/RGB Q=90|AppMag = 20|MPP = 0.5000"
    text += "".join(f"|{key} = {word()}" for key in keys)
    tags = [(code, 2, 0, word(), True) for code in (315, 316, 269, 33432, 271, 272, 65000, 37510)]
    tags.append((700, 1, 60, f"<x:xmpmeta>{word()}</x:xmpmeta>".encode().ljust(60), True))
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes() + word.bytes()
    with tifffile.TiffWriter(path) as tiff:
        tiff.write(
            pixels, tile=(256, 256), photometric="rgb", compression="jpeg", description=text, software=word(),
            extratags=tags, iccprofile=profile, metadata=None, resolution=(20000, 20000), resolutionunit=3,
        )  # fmt: skip
        for kind, subtype in (("label", 1), ("macro", 9)):
            picture = np.frombuffer((word.bytes() * 800)[: 60 * 80 * 3 // 3 * 3], np.uint8)
            shown = np.resize(picture, (60, 80, 3))
            tiff.write(
                shown, photometric="rgb", subfiletype=subtype, description=f"{kind} {word()}", metadata=None
            )
    if bad_tile:
        with tifffile.TiffFile(path) as slide:
            offset, count = slide.pages[0].dataoffsets[3], slide.pages[0].databytecounts[3]
        with path.open("r+b") as file:
            file.seek(offset)
            file.write(bytes(count))
    if cut:
        path.write_bytes(path.read_bytes()[:-700])


def _ome(path: Path, pixels: np.ndarray, word: _Canaries) -> None:
    height, width = pixels.shape[:2]
    text = (
        f'<?xml version="1.0"?><OME><Experimenter UserName="{word()}"/><Image ID="Image:0" Name="{word()}">'
        f'<Pixels ID="Pixels:0" SizeX="{width}" SizeY="{height}" SizeZ="1" SizeC="3" SizeT="1" Type="uint8" '
        'PhysicalSizeX="0.5" PhysicalSizeY="0.5"><Channel ID="Channel:0:0" SamplesPerPixel="3"/><TiffData/>'
        f"</Pixels></Image><StructuredAnnotations>{word()}</StructuredAnnotations></OME>"
    )
    tifffile.imwrite(path, pixels, tile=(256, 256), photometric="rgb", description=text, metadata=None)


def _png(path: Path, pixels: np.ndarray, word: _Canaries) -> None:
    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    data = imagecodecs.png_encode(pixels)
    extra = chunk(b"tEXt", b"Comment\0" + word.bytes()) + chunk(b"eXIf", b"II*\0" + word.bytes())
    path.write_bytes(data[:33] + extra + data[33:])


def _jpeg(path: Path, pixels: np.ndarray, word: _Canaries) -> None:
    exif = Image.Exif()
    exif[0x010E], exif[0x013B], exif[0x9286] = word(), word(), word()
    sink = io.BytesIO()
    Image.fromarray(pixels).save(sink, "jpeg", quality=95, exif=exif.tobytes(), comment=word.bytes())
    path.write_bytes(sink.getvalue())


def _dicom(path: Path, word: _Canaries) -> None:
    """A DICOM header with a patient in it, and no pixels: refused, and the refusal must not say whose."""

    def element(group: int, number: int, vr: bytes, text: bytes) -> bytes:
        value = text + b" " * (len(text) % 2)
        return struct.pack("<HH2sH", group, number, vr, len(value)) + value

    body = element(0x0002, 0x0010, b"UI", b"1.2.840.10008.1.2.1\0")
    body += element(0x0008, 0x0050, b"SH", word.bytes()) + element(0x0008, 0x0080, b"LO", word.bytes())
    body += element(0x0010, 0x0010, b"PN", word.bytes()) + element(0x0010, 0x0020, b"LO", word.bytes())
    body += element(0x0020, 0x000E, b"UI", b"1.2.3.4")
    path.write_bytes(bytes(128) + b"DICM" + body)


@pytest.fixture
def planted(field: np.ndarray, tmp_path: Path) -> Path:
    """A folder of slides, each place of theirs with a word of its own."""
    word = _Canaries()
    # a study is not named after a patient, and the log says where its file lies; the folders of slides may be
    top = tmp_path / "trial"
    folder = top / f"{word()} Jane 1950-02-03" / word()
    folder.mkdir(parents=True)
    _svs(folder / "P01_T1_V1_CD68.svs", field, word)
    _svs(folder / "P02_T1_V1_CD68.svs", field, word, cut=True)
    _svs(folder / "P03_T1_V1_CD68.svs", field, word, bad_tile=True)
    _ome(folder / "P04_T1_V1_CD68.ome.tif", field, word)
    _png(folder / "P05_T1_V1_CD68.png", field, word)
    _jpeg(folder / "P06_T1_V1_CD68.jpg", field, word)
    _dicom(folder / "P07_T1_V1_CD68.dcm", word)
    write_slide(folder / "P08_T1_V1_CD68.tif", field, 0.5)  # vanishes in the middle of the run
    write_slide(folder / "P09_T1_V1_CD68.tif", field, 0.5)  # breaks in the middle of the run
    (folder / "notes.txt").write_text(word())
    (folder / ".P01.xml").write_text(word())
    (top / "study.toml").write_text(f"# {word()}\n[study]\nname = 'canaries'\n")
    drawn = {"type": "Feature", "geometry": None, "properties": {"name": word(), "description": word()}}
    (folder / "P01_T1_V1_CD68.geojson").write_text(
        json.dumps({"type": "FeatureCollection", "features": [drawn]})
    )
    return top


def _searchable(path: Path) -> Iterator[bytes]:
    """A file's bytes, and its content where that is compressed."""
    yield path.read_bytes()
    if path.suffix == ".parquet":
        table = pq.read_table(path)
        yield str(table.schema.metadata).encode()
        yield table.to_pandas().to_csv().encode()
    elif path.suffix == ".png":
        with Image.open(path) as picture:
            yield repr(picture.info).encode()
    elif path.suffix == ".npz":
        with np.load(path, allow_pickle=False) as arrays:
            yield from (arrays[name].tobytes() for name in arrays.files)


def _hits(folder: Path) -> set[bytes]:
    """Words found in files or their names below a folder, in one- or two-byte letters."""
    found: set[bytes] = set()
    for path in folder.rglob("*"):
        found.update(CANARY.findall(str(path.relative_to(folder.parent)).encode()))
        for content in _searchable(path) if path.is_file() else ():
            found.update(CANARY.findall(content))
            found.update(CANARY.findall(content.replace(b"\0", b"")))
    return found


def test_no_word_of_a_patient_leaves_a_slide(
    planted: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
):
    assert len(_hits(planted)) >= PLACES  # what is searched for can be found
    out, under_way = tmp_path / "out", []
    whole = schedule.run_batch

    def run_batch(job: Any, number: int) -> Any:
        receipt = whole(job, number)
        under_way.append(_hits(out))
        if job.slide_id.startswith("P08"):
            job.path.unlink()
        if job.slide_id.startswith("P09"):
            raise OSError(5, "Input/output error", str(job.path))
        return receipt

    monkeypatch.setattr(schedule, "run_batch", run_batch)
    monkeypatch.chdir(planted)
    options = RunOptions((Path(),), out, workers=0, mpp=0.5, json_progress=True, cross_check_tiles=2)
    assert run_slides(options) == 3
    assert under_way
    assert set().union(*under_way) == set()
    assert _hits(out) == set()
    rows = (out / "slides.csv").read_text()
    assert rows.count("REFUSED") >= 2  # cut short, and the DICOM header
    assert "UNREADABLE: P03_T1_V1_CD68.svs" in rows
    assert "NOT_FOUND: P08_T1_V1_CD68.tif" in rows
    assert "INTERNAL: OSError: [Errno 5] Input/output error: 'P09_T1_V1_CD68.tif'" in rows
    inspect_slides((Path(),), None, None, 0.5, as_json=True)
    said = capfd.readouterr()
    assert "P01_T1_V1_CD68" in said.out
    assert CANARY.findall((said.out + said.err).encode()) == []


def test_the_order_of_a_job_array_goes_with_its_end(planted: Path, tmp_path: Path, field: np.ndarray):
    """Workers elsewhere need whole paths; once the run is finished nothing does."""
    one = next(planted.rglob("P08_T1_V1_CD68.tif"))
    options = RunOptions((one,), tmp_path / "out", workers=0)
    assert prepare_slides(options) == 0
    assert len(_hits(tmp_path / "out")) == 2
    assert run_slides(options) == 0
    assert _hits(tmp_path / "out") == set()
