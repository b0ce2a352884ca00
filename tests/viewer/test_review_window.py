"""The review in a real window: clicks and drags through Qt events become exactly the lines of the log."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest

import histoquant as hq
from histoquant.review.session import QueueRules, open_session, write_reviewed

pytest.importorskip("napari", reason="napari is not installed: pip install 'histoquant[napari]'")
CANARIES = ("P01", "T1", "V1", "tif", "results")


@pytest.fixture(scope="module")
def display() -> Iterator[str]:
    """A screen: the one that is there, or Xvfb."""
    if os.environ.get("DISPLAY"):
        yield os.environ["DISPLAY"]
        return
    program = shutil.which("Xvfb")
    if program is None:
        pytest.skip("no display and no Xvfb: apt-get install xvfb libxcb-icccm4 libxcb-keysyms1 libegl1")
    read, write = os.pipe()
    server = subprocess.Popen(
        [program, "-displayfd", str(write), "-screen", "0", "1600x1100x24", "-nolisten", "tcp"],
        pass_fds=(write,),
        stderr=subprocess.DEVNULL,
    )
    os.close(write)
    with os.fdopen(read) as told:
        number = told.readline().strip()
    if not number:
        pytest.skip("Xvfb does not start here")
    yield f":{number}"
    server.terminate()
    server.wait()


SCRIPT = Path(__file__).parent / "scripted_review.py"


def scripted(display: str, root: Path, slides: Path, *told: str) -> subprocess.CompletedProcess[str]:
    """Qt reads DISPLAY once per process, and a window system that fails takes the process with it."""
    environment = {**os.environ, "DISPLAY": display, "QT_API": "pyside6", "QT_QPA_PLATFORM": "xcb"}
    command = [sys.executable, str(SCRIPT), str(root), str(slides), *told]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=540)
    if "could not load the Qt platform plugin" in done.stderr.lower() or "libEGL" in done.stderr:
        pytest.skip(f"Qt lacks a system library: {done.stderr[-300:]}")
    return done


@pytest.mark.parametrize(
    ("fields", "killed_after"),
    [
        (3, 8),
        pytest.param(20, 0, marks=pytest.mark.full),
        *[pytest.param(20, n, marks=pytest.mark.full) for n in (1, 2, 3, 4, 5, 37)],
    ],
)
def test_a_scripted_review_gives_exactly_its_corrections_and_survives_sigkill(
    display: str,
    finished_slides: Path,
    finished_results: Path,
    tmp_path: Path,
    fields: int,
    killed_after: int,
) -> None:
    root = Path(shutil.copytree(finished_results, tmp_path / "results"))
    rules = QueueRules(fields=fields, field_um=80.0, seed=5)
    open_session(root, "anna", rules).close()
    done = scripted(display, root, finished_slides, str(killed_after))
    assert done.returncode == (-9 if killed_after else 0), done.stderr[-2000:]
    expected = [line.split("\t") for line in done.stdout.splitlines() if "\t" in line]
    assert len(expected) == killed_after or (not killed_after and len(expected) >= 3 * fields)
    with open_session(root, "anna") as log:
        events = [[event.item, event.action, event.target] for event in log.events()]
        assert log.first_broken_event() is None
    assert [line[:2] for line in expected] == [line[:2] for line in events]
    for told, kept in zip(expected, events, strict=True):
        if told[1] in ("class", "delete", "score"):
            assert told[2] == kept[2]
    if killed_after in range(1, 6):
        return
    words = [line.removeprefix("SEEN ") for line in done.stdout.splitlines() if line.startswith("SEEN ")]
    assert len(words) > 30
    found = [(word, canary) for word in words for canary in CANARIES if canary in word]
    assert found == []
    assert len({line[0] for line in events}) == (
        fields if not killed_after else len({line[0] for line in expected})
    )
    assert write_reviewed(root) is not None
    table = pd.read_csv(root / "review" / "slides_reviewed.csv").set_index("slide_id")
    changes = Counter(line[1] for line in events)
    assert table["reviewed_corrections"].sum() == changes["class"] + changes["delete"] + changes["region"]
    assert (table["reviewed_tissue_mm2"] < table_of(root)["tissue_mm2"].loc[table.index]).any()


def table_of(root: Path) -> pd.DataFrame:
    """The machine's own table."""
    return hq.load_results(root).slides.set_index("slide_id")
