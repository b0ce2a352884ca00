"""A committed slide proves every file it lists."""

from __future__ import annotations

from pathlib import Path

from histoquant.store.atomic import write_bytes
from histoquant.store.layout import OutputFolder


def test_commit_is_believed_only_while_every_byte_holds(tmp_path: Path):
    out = OutputFolder(tmp_path)
    folder = out.slide("P01")
    folder.mkdir(parents=True)
    (folder / "cells.parquet").write_bytes(b"rows")
    assert not out.is_committed("P01", "k1")
    out.write_manifest("P01", {"key": "k1", "row": {}})
    assert out.is_committed("P01", "k1")
    assert not out.is_committed("P01", "k2")
    (folder / "cells.parquet").write_bytes(b"rowz")
    assert out.changed_files("P01") == ["cells.parquet"]
    assert not out.is_committed("P01", "k1")
    (folder / "manifest.json").write_text("{cut")
    assert out.changed_files("P01") == ["manifest.json"]


def test_a_digest_at_hand_is_that_of_what_was_to_be_written(tmp_path: Path):
    out = OutputFolder(tmp_path)
    folder = out.clear_slide("P01")
    digests = {"cells.parquet": write_bytes(folder / "cells.parquet", b"rows")}
    (folder / "regions.parquet").write_bytes(b"areas")
    out.write_manifest("P01", {"key": "k1", "row": {}}, digests)
    assert out.is_committed("P01", "k1")
    (folder / "cells.parquet").write_bytes(b"rowz")
    out.write_manifest("P01", {"key": "k1", "row": {}}, digests)
    assert out.changed_files("P01") == ["cells.parquet"]


def test_sweeping_removes_what_no_run_finished_and_nothing_else(tmp_path: Path):
    out = OutputFolder(tmp_path)
    folder = out.clear_slide("P01")
    for path in (tmp_path / "tmp.host.1.ab", folder / "tmp.host.1.cd", folder / "cells.parquet"):
        path.write_bytes(b"x")
    out.sweep()
    assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == ["cells.parquet"]
    assert list(out.clear_slide("P01").iterdir()) == []


def test_work_of_each_plan_lies_apart_and_goes_together(tmp_path: Path):
    out = OutputFolder(tmp_path)
    batches = [out.batch("P01", key * 64, 3) for key in "ab"]
    assert {path.name for path in batches} == {"batch-000003.hqb"}
    for path in batches:
        path.parent.mkdir(parents=True)
        write_bytes(path, b"x")
    assert out.work("P01", "a" * 64).is_dir()
    out.drop_work("P01")
    assert list((tmp_path / ".work").iterdir()) == []
    out.drop_work("P01")  # nothing there is nothing to do


def test_a_failed_slide_leaves_its_batches_and_no_pixels(tmp_path: Path) -> None:
    out = OutputFolder(tmp_path)
    work = out.work("A", "0" * 64)
    work.mkdir(parents=True)
    for name in ("pixels.host.rgb", "pixels.host.index", "batch-000000.hqb"):
        (work / name).write_bytes(b"x")
    out.drop_pixels("A")
    out.drop_pixels("B")
    assert [path.name for path in work.iterdir()] == ["batch-000000.hqb"]
