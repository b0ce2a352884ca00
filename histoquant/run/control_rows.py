"""The control slides of a run, as its report charts them."""

from __future__ import annotations

import json
from typing import Any

import numpy as np

from histoquant.calibration import DEFAULT_BATCH, ControlSlide
from histoquant.calibration.decide import BINS, quantile_od
from histoquant.run.control_slides import at_least, joined_sha256
from histoquant.run.controls import Control, in_run_order
from histoquant.run.intake import Intake
from histoquant.store.layout import OutputFolder
from histoquant.store.parquet_table import read_parquet


def control_rows(out: OutputFolder, rows: list[dict[str, Any]], intake: Intake) -> list[ControlSlide]:
    """Read back what the charts need of a run's control slides.

    Parameters
    ----------
    out : OutputFolder
        With every slide committed.
    rows : list of dict
        Of ``slides.csv``; a row is a control where its column ``control`` says so.
    intake : Intake
        For the order of the slide table.

    Returns
    -------
    list of ControlSlide
        In the order of staining runs; controls without numbers or without DAB are left out.
    """
    by_id = {row["slide_id"]: row for row in rows if row.get("control") and _usable(row)}
    controls = [
        Control(
            slide_id,
            intake.slides[slide_id],
            row["marker"],
            row.get("batch") or DEFAULT_BATCH,
            row.get("clone"),
            row["control"],
        )
        for slide_id, row in by_id.items()
    ]
    ordered = in_run_order(intake, controls)
    return [_control_slide(out, control, by_id[control.slide_id]) for control in ordered]


def _usable(row: dict[str, Any]) -> bool:
    return str(row["status"]).startswith("OK") and row.get("positive_area_percent") is not None


def _control_slide(out: OutputFolder, control: Control, row: dict[str, Any]) -> ControlSlide:
    folder = out.slide(control.slide_id)
    manifest = json.loads((folder / "manifest.json").read_text())
    plan = json.loads((folder / "plan.json").read_text())
    return ControlSlide(
        slide=control.path.name,
        marker=control.marker,
        batch=control.batch,
        kind=control.kind,
        clone=control.clone,
        sha256=joined_sha256([source["sha256"] for source in manifest["source"]]),
        mpp=row["mpp"],
        tissue_mm2=row["tissue_mm2"],
        nuclei=int(row["nuclei"] or 0),
        positive_area_percent=row["positive_area_percent"],
        positive_dab_od=_positive_dab_od(out, control.slide_id, row, manifest),
        hematoxylin_od=plan.get("hematoxylin_strength_od"),
    )


def _positive_dab_od(
    out: OutputFolder, slide_id: str, row: dict[str, Any], manifest: dict[str, Any]
) -> float | None:
    """Median DAB of positive cells; of stained pixels where the marker scores no cells."""
    if row.get("positive") is not None:
        cells = read_parquet(out.slide(slide_id) / "cells.parquet", columns=["dab_od", "positive"])
        values = cells.loc[cells["positive"].to_numpy(bool), "dab_od"].to_numpy(np.float64)
        return float(np.median(values)) if values.size else None
    pixels = np.asarray(manifest["dab_histogram_mod"][:BINS], np.int64)
    stained = at_least(pixels, row["dab_threshold_od"])
    return quantile_od(stained, 0.5) if stained.sum() else None
