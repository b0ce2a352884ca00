"""The review in a real window: clicks and drags through Qt events become exactly the lines of the log."""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess

import pandas as pd
import pytest

import histoquant as hq
from histoquant.review.session import QueueRules, open_session, write_reviewed

pytest.importorskip("napari", reason="napari is not installed: pip install 'histoquant[napari]'")
Scripted = Callable[..., CompletedProcess[str]]
# patient, tract, timepoint, arms, outcomes: the folder, files beside it and slides are named for them
CANARIES = ("P01", "T1", "V1", ".tif", "exosome", "placebo", "resistant", "improved", "healed", "month4")


@pytest.mark.parametrize(
    ("fields", "killed_after"),
    [
        (3, 8),
        pytest.param(20, 0, marks=pytest.mark.full),
        *[pytest.param(20, n, marks=pytest.mark.full) for n in (1, 2, 3, 4, 5, 37)],
    ],
)
def test_a_scripted_review_gives_exactly_its_corrections_and_survives_sigkill(
    scripted: Scripted,
    finished_slides: Path,
    finished_results: Path,
    tmp_path: Path,
    fields: int,
    killed_after: int,
) -> None:
    root = Path(shutil.copytree(finished_results, tmp_path / "exosome_placebo_month4_P01"))
    told = "patient,arm,response\nP01,exosome,resistant\nP02,placebo,improved\n"
    (tmp_path / "outcomes_healed.csv").write_text(told)
    (root / "outcomes.csv").write_text(told)
    rules = QueueRules(fields=fields, field_um=80.0, seed=5)
    open_session(root, "anna", rules).close()
    done = scripted("scripted_review", root, finished_slides, str(killed_after))
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
    if not killed_after or killed_after > 7:
        assert [event[1] for event in events].count("threshold") == 1
    if killed_after in range(1, 6):
        return
    words = [line.removeprefix("SEEN ") for line in done.stdout.splitlines() if line.startswith("SEEN ")]
    assert len(words) > 200
    assert not [(word, canary) for word in words for canary in CANARIES if canary in word]
    # nor what the process wrote, nor the lines of the reader's log
    written = [line for line in (done.stdout + done.stderr).splitlines() if not line.startswith("SEEN")]
    with open_session(root, "anna") as log:
        # a time of day such as T11 is no tract's name
        written += [str(event).replace(event.time, "") for event in log.events()]
    assert len(written) > len(expected)
    assert not [(line, canary) for line in written for canary in CANARIES if canary in line]
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
