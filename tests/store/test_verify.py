"""No byte of a finished folder changes unseen."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from histoquant.errors import StoreError
from histoquant.store.atomic import write_bytes
from histoquant.store.layout import OutputFolder
from histoquant.store.log import RunLog, first_broken_line
from histoquant.store.verify import SEALS, renew_seals, seal_study, verify, write_seals


@pytest.fixture
def finished(tmp_path: Path) -> Path:
    out = OutputFolder(tmp_path)
    for slide_id in ("a", "b"):
        folder = out.clear_slide(slide_id)
        write_bytes(folder / "cells.parquet", slide_id.encode() * 9)
        out.write_manifest(slide_id, {"key": slide_id, "row": {"slide_id": slide_id}})
    write_bytes(tmp_path / "slides.csv", b"slide_id\na\nb\n")
    log = RunLog(tmp_path / "log.jsonl")
    for number in range(3):
        log.write("event", number=number)
    log.close()
    write_seals(out)
    return tmp_path


def test_an_untouched_folder_has_no_fault(finished: Path):
    assert verify(finished) == []


def test_every_single_changed_byte_is_found(finished: Path):
    for path in sorted(part for part in finished.rglob("*") if part.is_file()):
        whole = path.read_bytes()
        for at in range(len(whole)):
            path.write_bytes(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])
            assert verify(finished), f"{path.name}, byte {at}"
        path.write_bytes(whole)
    assert verify(finished) == []


def test_every_missing_or_shortened_file_is_found(finished: Path):
    for path in sorted(part for part in finished.rglob("*") if part.is_file()):
        whole = path.read_bytes()
        for shorter in (whole[:-1], b""):
            path.write_bytes(shorter)
            assert verify(finished), f"{path.name} cut to {len(shorter)} bytes"
        path.unlink()
        if path.name == SEALS:
            with pytest.raises(StoreError, match="no run was finished"):
                verify(finished)
        else:
            assert verify(finished), f"{path.name} removed"
        path.write_bytes(whole)
    assert verify(finished) == []


def test_a_slide_or_file_put_in_by_hand_is_found(finished: Path):
    (finished / "slides" / "a" / "extra.parquet").write_bytes(b"x")
    assert [fault.file for fault in verify(finished)] == ["slides/a/extra.parquet"]
    (finished / "slides" / "a" / "extra.parquet").unlink()
    out = OutputFolder(finished)
    out.clear_slide("c")
    out.write_manifest("c", {"key": "c", "row": {}})
    assert [fault.file for fault in verify(finished)] == ["slides/c/manifest.json"]


def test_a_later_run_may_add_to_the_log_but_not_change_it(finished: Path):
    log = RunLog(finished / "log.jsonl")
    log.write("run_started")
    log.close()
    assert verify(finished) == []
    lines = (finished / "log.jsonl").read_bytes().splitlines(keepends=True)
    swapped = b"".join([lines[1], lines[0], *lines[2:]])
    (finished / "log.jsonl").write_bytes(swapped)
    assert verify(finished)[0].file == "log.jsonl"
    assert first_broken_line(swapped) == 1
    assert first_broken_line(b"".join(lines)) is None


def test_a_log_cut_off_in_a_line_goes_on_sealed(tmp_path: Path):
    path = tmp_path / "log.jsonl"
    log = RunLog(path)
    log.write("one")
    log.write("two")
    log.close()
    path.write_bytes(path.read_bytes()[:-20])
    log = RunLog(path)
    log.write("three")
    log.close()
    content = path.read_bytes()
    assert [json.loads(line)["event"] for line in content.splitlines()[::2]] == ["one", "three"]
    assert first_broken_line(content) is None
    assert first_broken_line(content.replace(b'"two"', b'"TWO"')) == 3


def test_what_is_rewritten_after_the_run_is_sealed_again_and_nothing_else(finished: Path):
    write_bytes(finished / "report.html", b"new")
    write_bytes(finished / "slides.csv", b"slide_id\n")
    renew_seals(finished, ["report.html"])
    assert [fault.file for fault in verify(finished)] == ["slides.csv"]
    renew_seals(finished, ["slides.csv"])
    assert verify(finished) == []


def test_without_a_finished_run_nothing_is_sealed(tmp_path: Path):
    renew_seals(tmp_path, ["report.html"])
    assert list(tmp_path.iterdir()) == []


def test_a_study_is_sealed_with_its_report_and_no_more(finished: Path):
    (finished / "study" / "figures").mkdir(parents=True)
    for name in ("report.html", "study/levels.csv", "study/figures/levels.svg"):
        (finished / name).write_text(name)
    assert {fault.what for fault in verify(finished)} == {"is not listed"}
    seal_study(finished)
    assert verify(finished) == []
    (finished / "slides.csv").write_text("another")
    whole = (finished / "log.jsonl").read_bytes()
    (finished / "log.jsonl").write_bytes(whole[:-9])
    (finished / "study" / "figures" / "levels.svg").write_text("redrawn")
    seal_study(finished)
    assert sorted(fault.file for fault in verify(finished)) == ["log.jsonl", "slides.csv"]
