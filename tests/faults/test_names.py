"""F17: a slide of any name a file system takes goes through a whole run, good or bad."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pandas as pd

from histoquant.run.options import RunOptions
from histoquant.run.runner import run_slides
from histoquant.store.verify import verify
from histoquant.study.rules import is_id

NAMES = (
    *(b"a\xff\xfeb.tif", "\N{GREEK CAPITAL LETTER OMEGA}\N{GRINNING FACE}.tif".encode(), b"new\nline.tif"),
    *(b"x" * 250 + b".tif", b"=cmd().tif", b"quo\"te's,.tif"),
)


def test_any_name_comes_through_a_run(slides: Path, tmp_path: Path):
    good = slides / "P01_T1_V1_CD68.tif"
    folder = tmp_path / "in"
    folder.mkdir()
    for number, name in enumerate(NAMES):
        path = folder / os.fsdecode(name)
        # every other one is refused, so that its name stands in a reason too
        shutil.copy(good, path) if number % 2 == 0 else path.write_bytes(b"II*\0")
    (folder / "dangling.tif").symlink_to(folder / "gone.tif")
    options = RunOptions((folder,), tmp_path / "out", workers=0, marker="CD68", json_progress=True)
    assert run_slides(options) == 3
    rows = pd.read_csv(tmp_path / "out" / "slides.csv")
    assert len(rows) == len(NAMES) + 1
    dangling = rows.set_index("file").loc["dangling.tif"]
    assert dangling["reason"].startswith("UNREADABLE: dangling.tif: cannot be looked up (No such file")
    assert rows["slide_id"].map(is_id).all()
    assert rows["slide_id"].is_unique
    assert {"a??b.tif", "new\nline.tif", "'=cmd().tif"} <= set(rows["file"])
    run = json.loads((tmp_path / "out" / "run.json").read_bytes())
    assert sorted(slide["slide_id"] for slide in run["slides"]) == sorted(rows["slide_id"])
    assert verify(tmp_path / "out") == []
