"""Blinding on disk: nothing but the marker gets through, and nothing is joined that was not frozen."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import tifffile

import histoquant as hq
from histoquant.errors import StoreError, UsageError
from histoquant.run.blind import BlindOptions, blind_slides
from histoquant.run.blind_copy import masked_name, masked_parts
from histoquant.run.inspect import inspect_slides
from histoquant.run.options import RunOptions
from histoquant.run.runner import run_slides
from histoquant.run.trial import write_study
from histoquant.run.unblind import UnblindOptions, unblind_results
from histoquant.slides import find_slides
from histoquant.store.layout import OutputFolder
from histoquant.store.verify import verify, write_seals
from histoquant.study.blind_key import BlindKey, read_key
from histoquant.study.study_file import load_study

CANARY = "CANARY7f3"
MARKERS = ("CD68", "CD20", "CD31")
STUDY = f"""
[study]
name = "{CANARY} trial"
[slides]
table = "list.csv"
[[timepoints]]
label = "{CANARY}M0"
month = 0
doses_before = 0
"""


def _study(folder: Path, slides: dict[str, Path]) -> Path:
    """A study whose every name is a canary: folder, patient, tract, timepoint, block, batch, clone, files."""
    place = folder / f"{CANARY}-site"
    place.mkdir(parents=True)
    rows = ["slide,patient,tract,timepoint,marker,section,block,batch,clone,mpp"]
    for number, (marker, path) in enumerate(slides.items()):
        name = f"{CANARY}-{number}.TIF"
        shutil.copyfile(path, place / name)
        os.utime(place / name, (1e9 + number, 1e9 + number))
        who = f"{CANARY}P1,{CANARY}T1,{CANARY}M0"
        rows.append(f"{name},{who},{marker},{CANARY}s,{CANARY}b,{CANARY}lot,{CANARY}clone,0.5")
    (place / "list.csv").write_text("\n".join(rows) + "\n")
    (place / "study.toml").write_text(STUDY)
    drawn = {
        "type": "Feature",
        "geometry": {"type": "Polygon", "coordinates": [[[8, 8], [200, 8], [200, 200], [8, 200], [8, 8]]]},
        "properties": {"classification": {"name": "Tract"}, "name": CANARY},
    }
    (place / f"{CANARY}-0.TIF.geojson").write_text(json.dumps([drawn]))
    return place


def _tiny(folder: Path, count: int = 12) -> dict[str, Path]:
    paths = {}
    for number in range(count):
        path = folder / f"{number}.tif"
        pixels = np.full((32, 32, 3), 100 + number, np.uint8)
        tifffile.imwrite(path, pixels, metadata=None)
        paths[f"{MARKERS[number % 3]}{' ' * (number // 3)}"] = path
    return paths


@pytest.fixture
def study(tmp_path: Path) -> Path:
    folder = tmp_path / "made"
    folder.mkdir()
    slides = _tiny(folder, 3)
    return _study(tmp_path / "slides", slides)


def _options(study: Path, out: Path, key: Path, **more: object) -> BlindOptions:
    return BlindOptions(RunOptions((study,), out), key, **more)  # type: ignore[arg-type]


def _all_bytes(folder: Path) -> Iterator[tuple[str, bytes]]:
    for path in sorted(folder.rglob("*")):
        yield str(path.relative_to(folder)), path.read_bytes() if path.is_file() else b""


@pytest.fixture(scope="module")
def blinded(slides: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, Path, Path]:
    """Source, blind folder, finished blind run, key; drawn and run once."""
    root = tmp_path_factory.mktemp("blinding")
    source = _study(root / "slides", {m: slides / f"P01_T1_V1_{m}.tif" for m in MARKERS})
    folder, out, key = root / "blind", root / "out", root / "key.json"
    assert blind_slides(_options(source, folder, key, seed="statistician")) == 0
    assert run_slides(RunOptions((folder,), out, workers=0)) == 0
    return source, folder, out, key


def test_no_word_of_the_trial_reaches_readers(
    blinded: tuple[Path, Path, Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    _, folder, out, key = blinded
    for place in (folder, out):
        for name, content in _all_bytes(place):
            assert CANARY.casefold() not in name.casefold()
            assert CANARY.encode().lower() not in content.lower(), name
            assert b"statistician" not in content, "the seed is in the key only"
    assert key.stat().st_mode & 0o777 == 0o600
    run_slides(RunOptions((folder,), out, workers=0))
    said = capsys.readouterr()
    assert CANARY not in said.out + said.err


def test_blind_folder_holds_masks_and_markers_only(
    blinded: tuple[Path, Path, Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    source, folder, _, key = blinded
    table = pd.read_csv(folder / "slides.csv", dtype=str, keep_default_na=False)
    assert list(table.columns) == ["slide", "marker", "batch", "mpp", "control"]
    assert set(table["batch"]) == {""}
    assert list(table["slide"]) == sorted(table["slide"])
    assert sorted(path.name for path in find_slides([folder])) == list(table["slide"])
    assert {path.stat().st_mtime for path in (folder, *folder.rglob("*"))} == {946684800.0}
    results = (blinded[2] / "slides.csv").read_text()
    assert "DUPLICATE" not in results, "a flag would name the slides that are shown twice"
    inspect_slides((folder,), None, None, None, as_json=True)
    assert "DUPLICATE" not in capsys.readouterr().out
    kept = read_key(key)[0]
    assert kept.duplicates == 1
    assert len(table) == 4
    for entry in kept.entries:
        assert (folder / entry.file).read_bytes() == (source / entry.source).read_bytes()
        assert entry.sha256 == (hashlib.sha256((folder / entry.file).read_bytes()).hexdigest(),)
    lumina = [path for path in folder.iterdir() if path.suffix == ".geojson"]
    assert len(lumina) in (1, 2)
    study = load_study(folder)
    assert study is not None
    assert study.design.blinding is not None
    assert study.design.blinding.key_sha256 == hashlib.sha256(key.read_bytes()).hexdigest()


def test_unblinding_gives_what_an_open_run_gives(
    blinded: tuple[Path, Path, Path, Path], tmp_path: Path
) -> None:
    source, _, out, key = blinded
    before = dict(_all_bytes(out))
    reader = tmp_path / "anna.csv"
    entries = read_key(key)[0].entries
    reader.write_text("slide_id,score\n" + "".join(f"{e.masked_id},{e.reading}\n" for e in entries))
    target = tmp_path / "unblinded"
    options = UnblindOptions(out, key, target, readers=(reader,), actor="statistician")
    assert unblind_results(options) == 0
    after = dict(_all_bytes(out))
    changed = [name for name in after if after[name] != before.get(name)]
    assert changed == ["log.jsonl"], "the blind results stay; the log says that they were unblinded"
    last = json.loads(after["log.jsonl"].splitlines()[-1])
    assert last["event"] == "unblinded"
    assert last["actor"] == "statistician"
    assert last["slides"] == 3
    assert verify(out) == []
    assert verify(target) == []
    opened = tmp_path / "open"
    assert run_slides(RunOptions((source,), opened, workers=0)) == 0
    plain, joined = hq.load_results(opened), hq.load_results(target)
    pd.testing.assert_frame_equal(joined.biopsies, plain.biopsies)
    own = joined.slides.drop(columns=["slide_id"]).rename(columns={"original_id": "slide_id"})
    pd.testing.assert_frame_equal(own[plain.slides.columns], plain.slides)
    assert len(joined.cells(joined.slides["slide_id"][0]))
    again = pd.read_csv(target / "duplicates.csv")
    first = joined.slides.set_index("original_id").loc[again["original_id"][0]]
    assert again["positive"].iloc[0] == first["positive"] or pd.isna(first["positive"])
    scores = pd.read_csv(target / "reader-anna.csv")
    assert list(scores["score"]) == list(scores["reading"])
    assert set(scores["slide_id"]) == set(joined.slides["slide_id"])
    assert "unblinding" in json.loads((target / "run.json").read_text())
    write_study(target, source, None)
    assert "No change from baseline can be told" in (target / "report.html").read_text("utf-8")
    assert verify(target) == []
    with pytest.raises(UsageError, match="not empty"):
        unblind_results(options)


def test_both_ways_are_told_as_json(
    blinded: tuple[Path, Path, Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source, _, out, key = blinded
    options = _options(source, tmp_path / "blind", tmp_path / "key.json", as_json=True)
    assert blind_slides(options) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["slides"] + told["shown_twice"] == len(list((tmp_path / "blind").glob("*.tif")))
    assert "seed" not in told
    results = tmp_path / "results"
    shutil.copytree(out, results)
    assert unblind_results(UnblindOptions(results, key, tmp_path / "open", as_json=True)) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["slides"] == len(pd.read_csv(tmp_path / "open" / "slides.csv"))
    assert told["key_sha256"] == hashlib.sha256(key.read_bytes()).hexdigest()


def _resealed(out: Path, target: Path, change: Callable[[dict[str, Any]], None]) -> Path:
    """A finished run whose ``run.json`` says something else, sealed again."""
    shutil.copytree(out, target)
    run = json.loads((target / "run.json").read_text())
    change(run)
    (target / "run.json").write_text(json.dumps(run))
    write_seals(OutputFolder(target))
    return target


def test_other_parameters_are_not_unblinded(blinded: tuple[Path, Path, Path, Path], tmp_path: Path) -> None:
    def change(run: dict[str, Any]) -> None:
        run["parameters"]["markers"]["CD20"]["threshold_od"] = 0.9

    out = _resealed(blinded[2], tmp_path / "out", change)
    with pytest.raises(UsageError, match=r"markers\.CD20\.threshold_od: frozen .*, run 0\.9"):
        unblind_results(UnblindOptions(out, blinded[3], tmp_path / "open"))
    assert not (tmp_path / "open").exists()
    assert (out / "log.jsonl").read_bytes() == (blinded[2] / "log.jsonl").read_bytes()


def test_other_parameters_are_warned_of_before_the_run(
    blinded: tuple[Path, Path, Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    empty = tmp_path / "blind"
    empty.mkdir()
    shutil.copy(blinded[1] / "study.toml", empty)
    (empty / "slides.csv").write_text("slide,marker\ngone.tif,CD68\n")
    assert run_slides(RunOptions((empty,), tmp_path / "out", workers=0)) == 4
    assert "not the parameters frozen at blinding" in capsys.readouterr().err


def test_changed_results_are_not_unblinded(blinded: tuple[Path, Path, Path, Path], tmp_path: Path) -> None:
    out = tmp_path / "out"
    shutil.copytree(blinded[2], out)
    (out / "slides.csv").write_bytes((out / "slides.csv").read_bytes().replace(b"1", b"2", 1))
    with pytest.raises(StoreError, match=r"slides\.csv differs"):
        unblind_results(UnblindOptions(out, blinded[3], tmp_path / "open"))


def test_another_key_or_a_changed_one_opens_nothing(
    blinded: tuple[Path, Path, Path, Path], tmp_path: Path
) -> None:
    source, _, out, key = blinded
    other = tmp_path / "other.json"
    blind_slides(_options(source, tmp_path / "again", other, seed="statistician"))
    loaded = read_key(key)[0]
    swapped = tmp_path / "swapped.json"
    first, second, *rest = loaded.entries
    wrong = first.model_copy(update={"slide_id": second.slide_id})
    swapped.write_bytes(
        BlindKey.model_validate({**loaded.model_dump(), "entries": [wrong, second, *rest]}).encoded()
    )
    for file in (other, swapped):
        with pytest.raises(UsageError, match="is not the key of"):
            unblind_results(UnblindOptions(out, file, tmp_path / "open"))
    assert [e.slide_id for e in read_key(other)[0].entries] == [e.slide_id for e in loaded.entries]


def test_an_open_run_has_nothing_to_unblind(blinded: tuple[Path, Path, Path, Path], tmp_path: Path) -> None:
    out = _resealed(blinded[2], tmp_path / "out", lambda run: run.pop("blinding"))
    with pytest.raises(UsageError, match="not made from a blind folder"):
        unblind_results(UnblindOptions(out, blinded[3], tmp_path / "open"))


def test_places_that_would_unblind_are_refused(study: Path, tmp_path: Path) -> None:
    out, key = tmp_path / "blind", tmp_path / "key.json"
    cases = [
        (_options(study, out, out / "key.json"), "lies in the blind folder"),
        (_options(study, out, out / "deep" / "key.json"), "lies in the blind folder"),
        (_options(study, out, tmp_path / "nowhere" / "key.json"), "its folder is not there"),
        (_options(study, study / "blind", key), "lies in the slide folder"),
        (_options(study, study.parent, key), "not empty"),
        (_options(study, out, study / "list.csv"), "is there already"),
    ]
    for options, said in cases:
        with pytest.raises(UsageError, match=said):
            blind_slides(options)
        assert not out.exists()
        assert not key.exists()


def test_slides_without_a_marker_or_a_file_stop_the_blinding(study: Path, tmp_path: Path) -> None:
    table = study / "list.csv"
    table.write_text(table.read_text() + f"gone.tif,{CANARY}P9,,,CD68,,,,,\n")
    with pytest.raises(UsageError, match=r"Nothing was blinded.*NOT_FOUND"):
        blind_slides(_options(study, tmp_path / "blind", tmp_path / "key.json"))
    shutil.copyfile(study / f"{CANARY}-0.TIF", study / "strange.tif")
    table.write_text("\n".join(table.read_text().splitlines()[:-1]) + "\n")
    with pytest.raises(UsageError, match="NO_MARKER"):
        blind_slides(_options(study, tmp_path / "blind", tmp_path / "key.json"))
    assert list(tmp_path.glob("key*")) == []


def test_files_that_tell_are_warned_of_or_refused(
    study: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    told = study / f"{CANARY}-1.TIF"
    pixels = np.full((32, 32, 3), 90, np.uint8)
    tifffile.imwrite(told, pixels, metadata=None, description=f"patient {CANARY}P1")
    options = _options(study, tmp_path / "blind", tmp_path / "key.json", strict=True)
    with pytest.raises(UsageError, match="identifier in 1"):
        blind_slides(options)
    assert not options.folder.exists()
    assert blind_slides(replace(options, strict=False)) == 0
    said = capsys.readouterr()
    assert "identifier in 1" in said.err
    assert "masked in" in said.out


def test_links_need_equal_times_and_leave_the_originals_alone(study: Path, tmp_path: Path) -> None:
    options = _options(study, tmp_path / "blind", tmp_path / "key.json", link=True)
    with pytest.raises(UsageError, match="times differ"):
        blind_slides(options)
    slides = find_slides([study])
    for path in slides:
        os.utime(path, (1e9, 1e9))
    before = {path: path.stat().st_ctime_ns for path in study.iterdir() if path not in slides}
    assert blind_slides(options) == 0
    for entry in read_key(options.key)[0].entries:
        assert (options.folder / entry.file).samefile(study / entry.source)
        assert (study / entry.source).stat().st_mtime == 1e9
    assert {path.stat().st_mtime for path in options.folder.rglob("*")} == {1e9}
    assert all(path.stat().st_ctime_ns == then for path, then in before.items())


def test_batch_is_told_only_on_demand(study: Path, tmp_path: Path) -> None:
    options = _options(study, tmp_path / "blind", tmp_path / "key.json", keep_batch=True)
    blind_slides(options)
    table = pd.read_csv(options.folder / "slides.csv", dtype=str)
    assert set(table["batch"]) == {f"{CANARY}lot"}


def test_arms_cannot_reach_the_blinding(study: Path, tmp_path: Path) -> None:
    """A table that tells the arm is refused, so permuting arms has nothing to change before unblinding."""
    table = study / "list.csv"
    lines = table.read_text().splitlines()
    table.write_text("\n".join(f"{line},{'arm' if not i else 'A'}" for i, line in enumerate(lines)) + "\n")
    with pytest.raises(UsageError, match="'arm' tells arm or outcome"):
        blind_slides(_options(study, tmp_path / "blind", tmp_path / "key.json"))


def test_slides_of_many_files_keep_together(tmp_path: Path) -> None:
    for name in ("P01.mrxs", "P01/Slidedat.ini", "P01/Data0000.dat", "P02.OME.TIF"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"x")
    parts = masked_parts(tmp_path / "P01.mrxs", "BCD234")
    assert list(parts.values()) == ["BCD234.mrxs", "BCD234/Data0000.dat", "BCD234/Slidedat.ini"]
    assert masked_name(parts) == "BCD234.mrxs"
    assert list(masked_parts(tmp_path / "P02.OME.TIF", "BCD234").values()) == ["BCD234.ome.tif"]
    index = tmp_path / "P03.vms"
    index.write_text("[Virtual Microscope Specimen]\nImageFile=P03(0,0).jpg\n")
    with pytest.raises(UsageError, match="names the other files after the slide"):
        masked_parts(index, "BCD234")


def _dicom(path: Path, kind: bytes, series: bytes) -> None:
    image_type = b"\x08\x00\x08\x00CS" + (len(kind)).to_bytes(2, "little") + kind
    uid = b"\x20\x00\x0e\x00UI" + len(series).to_bytes(2, "little") + series
    path.write_bytes(b"\0" * 128 + b"DICM" + image_type + uid + b"\0\0\0\0")


def test_labels_of_dicom_slides_stay_behind(tmp_path: Path) -> None:
    folder = tmp_path / "P01"
    folder.mkdir()
    for number, kind in enumerate((b"VOLUME", b"LABEL ", b"OVERVIEW", b"VOLUME")):
        _dicom(folder / f"P01-{number}.dcm", b"ORIGINAL\\PRIMARY\\" + kind, b"1.2.840.1 ")
    parts = masked_parts(folder, "BCD234")
    assert {file.name: name for file, name in parts.items()} == {
        "P01-0.dcm": "BCD234/00001.dcm",
        "P01-3.dcm": "BCD234/00002.dcm",
    }
    assert masked_name(parts) == "BCD234"


def _histoquant(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", "from histoquant.cli import main; main()", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_commands_end_in_one_line(study: Path, tmp_path: Path) -> None:
    blind, key = tmp_path / "blind", tmp_path / "key.json"
    done = _histoquant("blind", study, "-o", blind, "--key", key, "--duplicates", "0")
    assert done.returncode == 0, done.stderr
    assert f"3 slides, masked in {blind}" in done.stdout
    assert CANARY not in done.stdout + done.stderr
    again = _histoquant("blind", study, "-o", blind, "--key", key)
    absent = _histoquant("unblind", tmp_path, "--key", tmp_path / "no.json", "-o", tmp_path / "open")
    for ended, said in ((again, "never overwritten"), (absent, "not there. Check its name")):
        assert ended.returncode == 2
        assert said in ended.stderr
        assert len(ended.stderr.splitlines()) == 1
