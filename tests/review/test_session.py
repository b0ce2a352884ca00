"""From a finished run to a reader's log and back to numbers: every correction counts exactly once."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import histoquant as hq
from histoquant.errors import StoreError, UsageError
from histoquant.report.reasons import explain
from histoquant.review.corrections import AGGREGATE_COLUMNS
from histoquant.review.desk import Desk
from histoquant.review.events import Event
from histoquant.review.session import (
    QueueRules,
    _replaced,
    open_session,
    slide_tables,
    slide_tissue,
    write_reviewed,
)
from histoquant.run.trial import write_study
from histoquant.store.verify import verify

CD68, CD31 = "P01_T1_V1_CD68", "P01_T1_V1_CD31"


@pytest.fixture
def results(finished_results: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(finished_results, tmp_path / "results"))


def reviewed(root: Path, slide_id: str = CD68) -> pd.Series:
    assert write_reviewed(root) is not None
    table = pd.read_csv(root / "review" / "slides_reviewed.csv").set_index("slide_id")
    return table.loc[slide_id]


def item_of(log, slide_id: str):  # type: ignore[no-untyped-def]
    return next(item for item in log.items if item.slide_id == slide_id)


def test_tissue_of_the_grid_is_that_of_the_slide_table(results: Path) -> None:
    loaded = hq.load_results(results)
    for _, row in loaded.slides.iterrows():
        grid = slide_tissue(loaded, row["slide_id"])
        assert grid.mask.sum() * grid.cell_um**2 * 1e-6 == pytest.approx(row["tissue_mm2"], rel=1e-6)
        cells = loaded.cells(row["slide_id"])
        assert grid.inside(cells["x_um"].to_numpy(), cells["y_um"].to_numpy(), grid.mask).mean() > 0.97


def test_accepting_everything_changes_no_number(results: Path) -> None:
    with open_session(results, "anna", QueueRules(fields=0)) as log:
        log.append(Event(item_of(log, CD68).item, "verdict", new={"verdict": "accepted"}))
        log.append(Event(item_of(log, CD31).item, "verdict", new={"verdict": "accepted"}))
    row = reviewed(results)
    assert row["reviewed_positive"] == row["positive"]
    assert row["reviewed_per_mm2"] == pytest.approx(row["positive_per_mm2"])
    vessels = reviewed(results, CD31)
    assert vessels["reviewed_per_mm2"] == pytest.approx(vessels["vessels_per_mm2"])
    assert vessels["vessels_per_mm2"] > 0
    assert verify(results) == []


def test_each_correction_moves_the_count_by_one(results: Path) -> None:
    cells = hq.load_results(results).cells(CD68)
    yes, no = (
        cells.loc[cells["positive"] == value, "cell_id"].astype(str).tolist() for value in (True, False)
    )
    new = {
        "x_um": float(cells["x_um"].iloc[0]) + 5,
        "y_um": float(cells["y_um"].iloc[0]),
        "class": "positive",
    }
    steps = [
        (Event("", "class", no[0], {"class": "negative"}, {"class": "positive"}), +1, 0),
        (Event("", "class", yes[0], {"class": "positive"}, {"class": "negative"}), -1, 0),
        (Event("", "delete", yes[1]), -1, -1),
        (Event("", "delete", no[1]), 0, -1),
        (Event("", "add", "n1", new=new), +1, +1),
    ]
    with open_session(results, "anna", QueueRules(fields=0)) as log:
        item = item_of(log, CD68).item
        positive = nuclei = 0
        log.append(Event(item, "verdict", new={"verdict": "accepted"}))
        before = reviewed(results)
        for event, more_positive, more_nuclei in steps:
            log.append(Event(item, event.action, event.target, event.old, event.new))
            positive, nuclei = positive + more_positive, nuclei + more_nuclei
            row = reviewed(results)
            assert row["reviewed_positive"] - before["positive"] == positive
            assert row["reviewed_nuclei"] - before["reviewed_nuclei"] == nuclei
        log.append(Event("", "undo", "6"))
        assert reviewed(results)["reviewed_positive"] - before["positive"] == positive - 1


def test_excluded_and_included_regions_take_their_cells_and_tissue(results: Path) -> None:
    tables = slide_tables(hq.load_results(results), CD68)
    width, height = tables.tissue.mask.shape[1] * 8.0, tables.tissue.mask.shape[0] * 8.0
    left = [0.0, 0.0, width / 2, 0.0, width / 2, height, 0.0, height]
    rows = []
    for n, kind in enumerate(("exclude", "include")):
        with open_session(results, f"reader{n}", QueueRules(fields=0)) as log:
            item = item_of(log, CD68).item
            log.append(Event(item, "region", "r", new={"kind": kind, "xy_um": left}))
    write_reviewed(results)
    table = pd.read_csv(results / "review" / "slides_reviewed.csv").set_index("reader")
    rows = [table.loc["reader0"], table.loc["reader1"]]
    assert rows[0]["reviewed_positive"] + rows[1]["reviewed_positive"] == rows[0]["positive"]
    whole = hq.load_results(results).slides.set_index("slide_id").loc[CD68, "tissue_mm2"]
    assert rows[0]["reviewed_tissue_mm2"] + rows[1]["reviewed_tissue_mm2"] == pytest.approx(whole)
    assert 0 < rows[0]["reviewed_positive"] < rows[0]["positive"]


def test_a_proposed_threshold_recounts_from_the_table(results: Path) -> None:
    cells = hq.load_results(results).cells(CD68)
    stricter = float(cells.loc[cells["positive"], "dab_od"].median())
    with open_session(results, "anna", QueueRules(fields=0)) as log:
        item = item_of(log, CD68).item
        log.append(Event(item, "threshold", new={"threshold_od": stricter}, why="background"))
    row = reviewed(results)
    assert row["reviewed_positive"] == np.count_nonzero(cells["dab_od"] >= stricter) < row["positive"]
    assert row["reviewed_threshold_od"] == pytest.approx(stricter)


def test_readings_wait_for_the_lock_and_a_queue_stays(results: Path) -> None:
    with open_session(results, "anna", QueueRules(fields=0, seed=3)) as log:
        items = log.items
        log.append(Event(item_of(log, CD68).item, "score", "fibrosis", {}, {"value": 2}))
        reviewed(results)
        assert pd.read_csv(results / "review" / "readings.csv").empty
    with open_session(results, "anna", QueueRules(fields=7, seed=9)) as log:
        assert log.items == items
        log.append(Event("", "lock"))
    reviewed(results)
    readings = pd.read_csv(results / "review" / "readings.csv")
    assert readings[readings["measure"] == "fibrosis"][["reader", "slide", "value"]].to_numpy().tolist() == [
        ["anna", CD68, 2]
    ]
    assert "positive_per_mm2" in set(readings["measure"])


def test_a_broken_log_or_other_results_are_refused(results: Path) -> None:
    with pytest.raises(UsageError, match="is no name"):
        open_session(results, "../anna")
    open_session(results, "anna", QueueRules(field_um=100.0)).close()
    (results / "slides.csv").write_text((results / "slides.csv").read_text() + "\n")
    with pytest.raises(StoreError, match=r"slides\.csv has changed"):
        open_session(results, "anna")


def test_a_study_compares_by_signed_corrections_and_keeps_the_machines(results: Path) -> None:
    cells = hq.load_results(results).cells(CD68)
    gone = int(cells["cell_id"][cells["positive"]].iloc[0])
    with open_session(results, "anna", QueueRules(fields=0)) as log:
        log.append(Event(item_of(log, CD68).item, "delete", str(gone)))
        log.append(Event(item_of(log, CD68).item, "verdict", new={"verdict": "accepted"}))
    with pytest.raises(UsageError, match="not signed yet"):
        write_study(results, None, None, "anna")
    with pytest.raises(UsageError, match="Known: anna"):
        write_study(results, None, None, "berta")
    with open_session(results, "anna") as log:
        Desk(log).lock()
    write_study(results, None, None, "anna")
    table = pd.read_csv(results / "study" / "slides_analysed.csv").set_index("slide_id")
    machine = hq.load_results(results).slides.set_index("slide_id")
    assert table.loc[CD68, "positive"] == machine.loc[CD68, "positive"] - 1
    assert table.loc[CD68, "machine_positive"] == machine.loc[CD68, "positive"]
    assert table.loc[CD68, "flags"].split(";")[-1] == "REVIEWED"
    for flag in ("REVIEWED", "DIFFUSE_NOT_REVIEWED", "SEGMENTER_NOT_EXACT"):
        # what is not known is spelt out and points to the log
        assert "log.jsonl" not in str(explain(flag))
    assert table.loc[CD31, "vessels"] == machine.loc[CD31, "vessels"]
    measured = pd.read_csv(results / "study" / "measures.csv")
    density = measured[measured["measure"] == "cd68_per_mm2"]["value"]
    assert density.tolist() == pytest.approx([table.loc[CD68, "positive_per_mm2"]], rel=1e-6)
    assert verify(results) == []
    write_study(results, None, None)
    assert not (results / "study" / "slides_analysed.csv").exists()


def test_a_drawn_lumen_and_wall_give_bands_beside_the_machines(results: Path) -> None:
    tables = slide_tables(hq.load_results(results), CD68)
    rows, columns = np.nonzero(tables.tissue.mask)
    x, y = (float(np.median(v)) * 8.0 for v in (columns, rows))
    lumen = [x - 40, y - 40, x + 40, y - 40, x + 40, y + 40, x - 40, y + 40]
    with open_session(results, "anna", QueueRules(fields=0)) as log:
        desk = Desk(log)
        desk.place = desk.items.index(item_of(log, CD68))
        desk.region("lumen", lumen)
        desk.verdict("accepted")
        desk.lock()
    write_study(results, None, None, "anna")
    table = pd.read_csv(results / "study" / "bands_analysed.csv")
    own = table[(table["slide_id"] == CD68) & (table["source"] == "reader")]
    assert own["reference"].unique().tolist() == ["lumen"]
    for slide_id, rows in table[table["source"] == "machine"].groupby("slide_id"):
        machine = pd.read_parquet(results / "slides" / str(slide_id) / "bands.parquet")
        assert rows["counted"].tolist() == machine["counted"].tolist()
    # every cell and all tissue lie in one band, whatever the distance starts from
    whole = hq.load_results(results).slides.set_index("slide_id").loc[CD68, "positive"]
    assert own["counted"].sum() == whole
    assert own["tissue_mm2"].sum() == pytest.approx(float(tables.row["tissue_mm2"]), rel=1e-6)
    assert "reader" not in set(table.loc[table["slide_id"] == CD31, "source"])
    assert verify(results) == []
    write_study(results, None, None)
    assert not (results / "study" / "bands_analysed.csv").exists()


def test_what_corrections_do_not_reach_is_said() -> None:
    row = {"flags": "A", "diffuse_per_mm2": 3.0, "reviewed_positive": 4, "reviewed_nuclei": 9}
    row |= {"reviewed_tissue_mm2": 2.0, "reviewed_positive_percent": 44.4}
    row |= {f"reviewed_per_mm2{end}": 2.0 for end in ("", "_low", "_high")}
    row |= {f"reviewed_{name}": None for name in AGGREGATE_COLUMNS}
    assert _replaced(row)["flags"] == "A;REVIEWED;DIFFUSE_NOT_REVIEWED"
    found = _replaced({**row, "reviewed_aggregates": 0, "reviewed_diffuse_per_mm2": 2.5})
    assert found["flags"] == "A;REVIEWED"
    assert (found["aggregates"], found["diffuse_per_mm2"]) == (0, 2.5)
    assert _replaced({**row, "diffuse_per_mm2": float("nan")})["flags"] == "A;REVIEWED"
