"""From a virtual trial's slides through `histoquant study` and `agreement` to the page."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pandas as pd
import pytest
from made_trial import finished_trial

from histoquant.errors import UsageError
from histoquant.phantoms.trial_tables import TableTrial, table_trial
from histoquant.run.readers import write_agreement
from histoquant.run.trial import write_study
from histoquant.store.verify import seal_study, verify

PLAN = TableTrial(patients=8, tracts=10, seed=3, missing_share=0.05)


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run over a virtual trial, with a study file and the answers beside it, once studied."""
    root = tmp_path_factory.mktemp("trial")
    finished = finished_trial(root, "Virtual trial", *table_trial(PLAN))
    write_study(finished, finished.parent, None)
    return finished


def test_a_study_goes_into_the_report_and_outcomes_change_nothing_blind(out: Path) -> None:
    write_study(out, out.parent, None)
    blind = (out / "report.html").read_text("utf-8")
    assert 'id="changes"' in blind
    assert 'id="response"' not in blind
    assert verify(out) == []
    estimate = pd.read_csv(out / "study" / "changes.csv").query("primary")["hl_ratio"].iloc[0]
    assert f"month 4 against month 0: ×{estimate:.2f} (" in blind
    # arms and outcomes dealt anew: whatever is blind must not notice
    table = pd.read_csv(out.parent / "outcomes.csv")
    table[["response", "arm"]] = table[["response", "arm"]].to_numpy()[::-1]
    table.to_csv(out.parent / "permuted.csv", index=False)
    write_study(out, out.parent, out.parent / "permuted.csv")
    opened = (out / "report.html").read_text("utf-8")
    assert 'id="response"' in opened
    assert 'id="arms"' in opened
    assert verify(out) == []
    for section in ("short", "flow", "levels", "changes", "missing"):
        cut = [re.search(rf'<section id="{section}">.*?</section>', page, re.S) for page in (blind, opened)]
        assert cut[0] is not None
        assert cut[1] is not None
        assert cut[0].group() == cut[1].group()
    write_study(out, out.parent, None)
    assert (out / "report.html").read_text("utf-8") == blind


def test_readers_go_into_the_report(out: Path) -> None:
    pooled = pd.read_csv(out / "biopsies.csv")
    reader = pooled[["patient", "tract", "timepoint"]].assign(
        measure="cd68_per_mm2", value=pooled["cd68_per_mm2"] * 1.1, reader="anna"
    )
    reader.dropna().to_csv(out.parent / "anna.csv", index=False)
    write_agreement(out, [out.parent / "anna.csv"], out.parent)
    page = (out / "report.html").read_text("utf-8")
    assert "CD68+ cells: machine and anna" in page
    assert "×1.10" in page, "the planted factor is the bias"
    assert verify(out) == []


def test_a_study_is_sealed_and_seals_no_older_change(out: Path, tmp_path: Path) -> None:
    copy = tmp_path / "out"
    shutil.copytree(out, copy)
    seal_study(copy)
    sealed = (copy / "SHA256SUMS").read_bytes()
    seal_study(copy)
    assert (copy / "SHA256SUMS").read_bytes() == sealed
    changes = copy / "study" / "changes.csv"
    changes.write_bytes(changes.read_bytes().replace(b"0", b"1", 1))
    (copy / "study" / "figures" / "flow.svg").unlink()
    (copy / "study" / "figures" / "more.svg").write_text("<svg/>")
    (copy / "slides.csv").write_bytes((copy / "slides.csv").read_bytes() + b"\n")
    faults = {fault.file: fault.what for fault in verify(copy)}
    assert faults == {
        "slides.csv": "differs from what was written",
        "study/changes.csv": "differs from what was written",
        "study/figures/flow.svg": "is missing",
        "study/figures/more.svg": "is not listed",
    }
    seal_study(copy)
    assert [fault.file for fault in verify(copy)] == ["slides.csv"], (
        "a study must not launder a changed table"
    )
    (copy / "log.jsonl").write_bytes((copy / "log.jsonl").read_bytes().replace(b"study", b"STUDY", 1))
    seal_study(copy)
    assert "log.jsonl" in {fault.file for fault in verify(copy)}


def test_masked_slides_are_not_studied(out: Path, tmp_path: Path) -> None:
    run = json.loads((out / "run.json").read_text()) | {"blinding": {"key_sha256": "0" * 64}}
    for name in ("slides.parquet", "slides.csv", "biopsies.csv"):
        (tmp_path / name).write_bytes((out / name).read_bytes())
    (tmp_path / "run.json").write_text(json.dumps(run))
    with pytest.raises(UsageError, match="unblind"):
        write_study(tmp_path, out.parent, None)
