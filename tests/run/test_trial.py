"""The commands study, agreement and reference on a finished run."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest
from typer.testing import CliRunner

from histoquant.cli import app
from histoquant.errors import StoreError, StudyError, UsageError
from histoquant.store.atomic import json_bytes
from histoquant.store.csv_table import csv_bytes
from histoquant.store.log import first_broken_line
from histoquant.store.parquet_table import parquet_bytes
from histoquant.store.verify import verify
from histoquant.study.layout import BLIND_TABLES, UNBLINDED_TABLES


@pytest.fixture
def finished(finished_trial: Path) -> Path:
    """Its study and outcomes lie beside it."""
    return finished_trial


def call(*words: object) -> str:
    result = CliRunner().invoke(app, [str(word) for word in words], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output


def tables(out: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in (out / "study").iterdir() if path.is_file()}


def test_from_a_run_to_tables_and_back(finished: Path) -> None:
    said = call("study", finished)
    assert "Primary: cd68_per_mm2 at V3 against V1: ratio 0." in said
    blind = tables(finished)
    assert set(blind) == {
        "analysis.json",
        *(f"{name}{end}" for name in BLIND_TABLES for end in (".csv", ".parquet")),
    }
    assert json.loads(blind["analysis.json"])["baseline"] == "V1"
    call("study", finished, "--outcomes", finished.parent / "outcomes.csv")
    after = tables(finished)
    assert {name: after[name] for name in blind} == blind
    assert {f"{name}.csv" for name in UNBLINDED_TABLES} <= set(after)
    assert verify(finished) == []
    log = (finished / "log.jsonl").read_bytes()
    assert [json.loads(line)["event"] for line in log.splitlines()][-1] == "outcomes_joined"
    assert first_broken_line(log) is None
    call("study", finished)
    assert tables(finished) == blind


def test_shuffled_arms_change_only_tables_with_arms(finished: Path) -> None:
    outcomes = pd.read_csv(finished.parent / "outcomes.csv")
    call("study", finished, "--outcomes", finished.parent / "outcomes.csv")
    first = tables(finished)
    for name in (*BLIND_TABLES, *UNBLINDED_TABLES):
        stored = pd.read_parquet(finished / "study" / f"{name}.parquet")
        assert csv_bytes(stored) == first[f"{name}.csv"], name
    outcomes.assign(arm=outcomes["arm"].to_numpy()[::-1]).to_csv(
        finished.parent / "outcomes.csv", index=False
    )
    call("study", finished, "--outcomes", finished.parent / "outcomes.csv")
    second = tables(finished)
    changed = {name.split(".")[0] for name in first if first[name] != second[name]}
    assert "arms" in changed
    assert changed <= {"arms", "events", "unblinded"}


def test_wrong_outcomes_leave_the_blind_tables(finished: Path) -> None:
    (finished.parent / "outcomes.csv").write_text("patient,response\nP01,healed\n")
    with pytest.raises(StudyError, match="row 2, column response"):
        call("study", finished, "--outcomes", finished.parent / "outcomes.csv")
    assert (finished / "study" / "changes.csv").is_file()
    assert not (finished / "study" / "response.csv").exists()
    assert verify(finished) == []


def test_without_a_study_file_labels_are_the_timeline(finished: Path) -> None:
    (finished.parent / "study.toml").unlink()
    said = call("study", finished)
    assert "No study.toml found" in said
    models = pd.read_csv(finished / "study" / "models.csv")
    mixed = models[(models["model"] == "mixed") & (models["role"] == "main")]
    assert mixed["reason"].str.startswith("NO_MONTHS").all()


def test_masked_slides_are_not_compared(finished: Path) -> None:
    (finished / "run.json").write_bytes(json_bytes({"blinding": {"key_sha256": "x"}}))
    with pytest.raises(UsageError, match="histoquant unblind"):
        call("study", finished)


def test_a_folder_without_a_run(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="no finished run"):
        call("study", tmp_path)


def test_a_frozen_reference_gives_scores(finished: Path) -> None:
    target = finished.parent / "reference.json"
    said = call("reference", finished, "-o", target)
    assert "12 biopsies at V1, anchored" in said
    assert "also holds V2, V3" in said
    with pytest.raises(StudyError, match="never overwritten"):
        call("reference", finished, "-o", target)
    study = finished.parent / "study.toml"
    study.write_text(study.read_text() + '[inflammation]\nreference = "reference.json"\n')
    call("study", finished)
    scores = pd.read_csv(finished / "study" / "scores.csv")
    assert scores["score"].notna().all()
    changes = pd.read_csv(finished / "study" / "changes.csv").set_index(["measure", "timepoint"])
    assert changes.loc[("inflammation_score", "V3"), "patients"] == 7


def test_too_few_baseline_biopsies_are_no_reference(finished: Path) -> None:
    slides = pd.read_parquet(finished / "slides.parquet")
    (finished / "slides.parquet").write_bytes(parquet_bytes(slides[slides["patient"] < "P03"]))
    with pytest.raises(StudyError, match="a reference needs 10"):
        call("reference", finished, "-o", finished.parent / "few.json")


def test_agreement_with_a_reader(finished: Path) -> None:
    slides = pd.read_parquet(finished / "slides.parquet")
    read = slides[slides["marker"] == "CD31"]
    values = (read["vessels"] / read["tissue_mm2"] * 1.1).round(2)
    reader = finished.parent / "reader.csv"
    pd.DataFrame({"slide": read["file"], "reader": "R1", "value": values}).to_csv(reader, index=False)
    said = call("agreement", finished, "--reader", reader)
    assert "vessels_per_mm2: machine and R1" in said
    assert (finished / "study" / "agreement_pairs.csv").is_file()
    assert verify(finished) == []
