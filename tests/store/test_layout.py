"""A committed slide proves every file it lists."""

from __future__ import annotations

from pathlib import Path

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
