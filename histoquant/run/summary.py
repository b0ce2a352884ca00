"""The tables and the report of a whole run, derived from its slides' rows."""

from __future__ import annotations

import platform
from typing import Any

import pandas as pd

from histoquant._version import __version__
from histoquant.report.html import write_report
from histoquant.run.build import LIBRARIES, build_digest, library_versions
from histoquant.run.control_rows import control_rows
from histoquant.run.intake import IDENTITY_COLUMNS, Intake
from histoquant.run.protocol import calibration_of, parameters_of
from histoquant.slides import printable_name
from histoquant.store.atomic import json_bytes, write_bytes
from histoquant.store.csv_table import csv_bytes
from histoquant.store.layout import OutputFolder
from histoquant.store.parquet_table import parquet_bytes
from histoquant.store.verify import is_as_sealed
from histoquant.study import biopsies

# One schema whatever the markers of a run: an analyst's code need not ask which columns exist.
SLIDE_COLUMNS = (
    ("slide_id", "file", "status", "reason", "flags", "patient", "tract", "timepoint", "marker"),
    ("mpp", "mpp_source", "tissue_mm2", "excluded_mm2", "nuclei", "positive", "positive_percent"),
    ("positive_per_mm2", "positive_per_mm2_low", "positive_per_mm2_high", "positive_area_percent"),
    ("dab_threshold_od", "threshold_elasticity", "stain_source"),
    ("positive_by_area", "clusters"),
    ("diffuse_per_mm2", "aggregates", "aggregate_area_percent"),
    ("vessels", "vessels_per_mm2", "endothelial_area_percent", "lumen_area_percent"),
    ("median_diameter_um", "hotspot_per_mm2"),
    ("diameter_p10_um", "diameter_p90_um", "capillary_percent"),
    ("hotspot_three_per_mm2", "hotspot_p", "hotspot_field_mm2", "hotspot_fields", "hotspot_fields_eligible"),
    ("chalkley", "chalkley_disc_mm2"),
    ("section", "block", "batch", "clone", "control", "empty_because"),
    ("excluded_by_kind", "positive_per_mm2_unexcluded", "exclusion_effect_percent"),
    ("threshold_source",),
    ("cell_area_um2", "anucleate_objects", "cluster_cells_percent", "largest_cluster_cells"),
    ("diffuse_positive", "positive_in_aggregates", "largest_aggregate_mm2"),
    ("count_mode", "positive_by_nuclei"),
    ("nearest_median_um", "nearest_ratio"),
    ("unread_percent", "source_sha256", "icc_sha256"),
)
_COUNTS = (
    *("nuclei", "positive", "clusters", "aggregates", "vessels"),
    *("hotspot_fields", "hotspot_fields_eligible"),
    *("anucleate_objects", "largest_cluster_cells"),
    *("diffuse_positive", "positive_in_aggregates", "positive_by_nuclei"),
)
_TEXTS = {
    *(
        "slide_id",
        "file",
        "status",
        "reason",
        "flags",
        "marker",
        "mpp_source",
        "stain_source",
        "threshold_source",
        "count_mode",
        "empty_because",
        "excluded_by_kind",
        "source_sha256",
        "icc_sha256",
    ),
    *IDENTITY_COLUMNS,
}


def slides_table(rows: list[dict[str, Any]]) -> pd.DataFrame:
    """Rows of ``slides.csv`` with the contract's columns and one type each; missing is missing, not NaN."""
    columns = [name for group in SLIDE_COLUMNS for name in group]
    table = pd.DataFrame([{name: row.get(name) for name in columns} for row in rows], columns=columns)
    for name in columns:
        if name in _TEXTS:
            table[name] = table[name].astype("string")
        else:
            table[name] = pd.to_numeric(table[name]).astype("Int64" if name in _COUNTS else "Float64")
    return table


def write_summary(out: OutputFolder, rows: list[dict[str, Any]], intake: Intake) -> dict[str, Any]:
    """Write the tables, ``report.html`` and ``run.json``; returns what the last holds.

    A report that stands for the same tables is kept: to draw that of thousands of slides takes minutes.
    """
    slides = slides_table(rows)
    per_biopsy = biopsies(slides, intake.study)
    controls = control_rows(out, rows, intake)
    run = _provenance(intake) | {"controls": [control.model_dump(mode="json") for control in controls]}
    tables = {
        "slides.csv": csv_bytes(slides),
        "slides.parquet": parquet_bytes(slides),
        "biopsies.csv": csv_bytes(per_biopsy),
    }
    drawn = is_as_sealed(out.root, tables | {"run.json": json_bytes(run)}, ["report.html"])
    for name, content in tables.items():
        write_bytes(out.root / name, content)
    if not drawn:
        write_report(out.root, slides, per_biopsy, run, controls)
    write_bytes(out.root / "run.json", json_bytes(run))
    return run


def _provenance(intake: Intake) -> dict[str, Any]:
    return {
        "version": __version__,
        "study": intake.study.name if intake.study is not None else None,
        "parameters": parameters_of(intake),
        "calibration": calibration_of(intake),
        **_blinding(intake),
        "slides": [
            {"slide_id": name, "file": printable_name(intake.slides[name])} for name in intake.slide_ids
        ],
        "platform": {"python": platform.python_version(), "machine": platform.machine()},
        "libraries": library_versions(LIBRARIES),
        "build": build_digest(),
    }


def _blinding(intake: Intake) -> dict[str, Any]:
    """The digests that the blind folder carries, so that the finished run is tied to one key."""
    return {} if intake.blinding is None else {"blinding": intake.blinding.model_dump(mode="json")}
