"""A finished folder read back: types as written, and a reason where something is not there."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from histoquant.errors import StoreError
from histoquant.store.results import load_results


@pytest.fixture
def finished(tmp_path: Path) -> Path:
    (tmp_path / "slides.csv").write_text(
        "slide_id,status,patient,batch,nuclei\nP01,OK,NA,007,3\nP02,FAILED,,,\n"
    )
    (tmp_path / "biopsies.csv").write_text("patient\nNA\n")
    folder = tmp_path / "slides" / "P01"
    folder.mkdir(parents=True)
    for number, name in enumerate(("cells", "vessels", "aggregates", "bands")):
        pd.DataFrame({"x": [number]}).to_parquet(folder / f"{name}.parquet")
    return tmp_path


def test_text_stays_text_and_empty_is_missing(finished: Path):
    found = load_results(str(finished))
    assert found.slides["patient"].tolist()[0] == "NA"
    assert found.slides["batch"].tolist()[0] == "007"
    assert found.slides["nuclei"].isna().tolist() == [False, True]
    assert found.biopsies["patient"].tolist() == ["NA"]


def test_each_table_of_a_slide(finished: Path):
    found = load_results(finished)
    tables = [
        read("P01")["x"].tolist() for read in (found.cells, found.vessels, found.aggregates, found.bands)
    ]
    assert tables == [[0], [1], [2], [3]]


def test_what_is_not_there_has_a_reason(finished: Path, tmp_path: Path):
    found = load_results(finished)
    with pytest.raises(StoreError, match=r"P02: no cells table .*\(status FAILED\)"):
        found.cells("P02")
    with pytest.raises(StoreError, match="no slide has this id"):
        found.cells("P99")
    (finished / "biopsies.csv").unlink()
    with pytest.raises(StoreError, match=r"biopsies\.csv: not there"):
        load_results(finished)
