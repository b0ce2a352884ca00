"""Every command that reports says the same as one JSON value on standard output, and nothing beside it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import typer
from typer.testing import CliRunner

import histoquant.phantoms
from histoquant.cli import app

# these report as they go, in JSON lines, or open a window
WITHOUT = {"run", "worker", "review"}


def told(*words: object, status: int = 0) -> Any:
    result = CliRunner().invoke(app, [*map(str, words), "--json"], catch_exceptions=False)
    assert result.exit_code == status, result.output
    return json.loads(result.stdout)


def test_every_command_that_reports_has_it_and_every_command_an_example() -> None:
    group: Any = typer.main.get_command(app)
    for name, command in group.commands.items():
        options = {option for parameter in command.params for option in parameter.opts}
        assert ("--json" in options) == (name not in WITHOUT), name
        assert f"histoquant {name} " in command.help, name


@pytest.mark.parametrize("unblinded", [False, True])
def test_study(finished_trial: Path, unblinded: bool) -> None:
    outcomes = ["--outcomes", finished_trial.parent / "outcomes.csv"] if unblinded else []
    found = told("study", finished_trial, *outcomes)
    assert found["unblinded"] is unblinded
    assert found["with_study_file"] is True
    changes = pd.read_parquet(finished_trial / "study" / "changes.parquet")
    rows = changes[changes["primary"].fillna(False)]
    assert [row["hl_ratio"] for row in found["primary"]] == rows["hl_ratio"].tolist()
    assert found["remarks"] == len(pd.read_csv(finished_trial / "study" / "notes.csv"))


def test_agreement(finished_trial: Path) -> None:
    slides = pd.read_parquet(finished_trial / "slides.parquet")
    read = slides[slides["marker"] == "CD31"]
    values = (read["vessels"] / read["tissue_mm2"] * 1.1).round(2)
    reader = finished_trial.parent / "reader.csv"
    pd.DataFrame({"slide": read["file"], "reader": "R1", "value": values}).to_csv(reader, index=False)
    found = told("agreement", finished_trial, "--reader", reader)
    table = pd.read_parquet(finished_trial / "study" / "agreement.parquet")
    assert [row["icc"] for row in found["levels"]] == table.loc[table["level"] == "level", "icc"].tolist()


def test_reference(finished_trial: Path) -> None:
    target = finished_trial.parent / "reference.json"
    found = told("reference", finished_trial, "-o", target)
    assert found["n"] == 12
    assert found["later_timepoints"] == ["V2", "V3"]
    assert found["id"] in target.read_text()


def test_export(finished_results: Path, tmp_path: Path) -> None:
    found = told("export", finished_results, "--to", "geojson", "-o", tmp_path)
    assert sorted(found["written"]) == sorted(str(path) for path in tmp_path.iterdir())


def test_samples(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def without_drawing(folder: Path, patients: int, seed: int, progress: Any) -> list[Path]:
        paths = [folder / f"P{number:02d}_T1_V1_CD68.tif" for number in range(1, patients + 1)]
        for path in paths:
            path.write_text(str(seed))
            progress(len(paths), len(paths), path.name)
        return paths

    monkeypatch.setattr(histoquant.phantoms, "write_samples", without_drawing)
    found = told("samples", tmp_path / "trial", "--patients", 3, "--seed", 5)
    assert found["slides"] == sorted(path.name for path in (tmp_path / "trial").iterdir())
    assert {path.read_text() for path in (tmp_path / "trial").iterdir()} == {str(found["seed"])} == {"5"}


@pytest.mark.parametrize("command", ["inspect", "status", "verify"])
def test_what_looks_at_slides_and_results(
    command: str, finished_slides: Path, finished_results: Path
) -> None:
    found = told(command, finished_slides if command == "inspect" else finished_results)
    if command == "status":
        assert found["slides_done"] == 3
    else:
        assert len(found) == (3 if command == "inspect" else 0)
