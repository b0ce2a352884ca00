"""Tables of the study sections that need no outcome: change, trends, models, flow, what was left out."""

from __future__ import annotations

import math
from collections import Counter

from histoquant.report.figures.common import is_true, loss_words, number_of, records, timepoint_words
from histoquant.report.numbers import as_number, as_text
from histoquant.report.reasons import speak
from histoquant.report.study_words import (
    Cell,
    Grid,
    Row,
    Tables,
    count_of,
    grid,
    interval_of,
    measure_of,
    p_of,
    reason_of,
    scaled,
    text_of,
    timepoint_of,
)


def change_grid(tables: Tables, roles: tuple[str, ...]) -> Grid | None:
    """All tests of change for measures of some roles."""
    rows = [row for row in records(tables.get("changes")) if as_text(row["role"]) in roles]
    columns: list[tuple[str, bool, Cell]] = [
        ("Measure", False, lambda row: measure_of(row) + (" · primary" if is_true(row["primary"]) else "")),
        ("Timepoint", False, timepoint_of(timepoint_words(tables))),
        ("Patients / tracts", True, lambda row: f"{count_of('patients')(row)} / {count_of('tracts')(row)}"),
        (
            "Hodges-Lehmann",
            True,
            scaled(("hl_ratio", "hl_ratio_low", "hl_ratio_high"), ("hl", "hl_low", "hl_high")),
        ),
        ("Wilcoxon p", True, p_of("wilcoxon_p")),
        ("Holm p", True, p_of("p_holm")),
        ("BH p", True, p_of("p_bh")),
        ("Mean (t)", True, scaled(("mean_ratio", "_low", "_high"), ("mean", "mean_low", "mean_high"))),
        ("t p", True, p_of("t_p")),
        ("sign flip p", True, p_of("sign_flip_p")),
        ("SRM", True, interval_of("srm", "srm_low", "srm_high")),
        ("tracts beyond SDC", True, count_of("beyond_detectable")),
        ("Remark", False, reason_of),
    ]
    caption = (
        "Change from baseline, patients as units: × ratio of densities, else difference. SRM: standardised "
        "response mean. SDC: smallest detectable change of counting. Holm over the markers of a timepoint; "
        "BH: Benjamini-Hochberg over exploratory measures."
    )
    return grid(caption, columns, [_with_mean_limits(row) for row in rows])


def _with_mean_limits(row: Row) -> Row:
    """Add the limits of the ratio of geometric means, which are the exponentials of those of the mean."""
    limits = number_of(row, "mean_low", "mean_high")
    if limits is None or as_text(row["scale"]) != "log":
        return row
    return {**row, "_low": math.exp(limits[0]), "_high": math.exp(limits[1])}


def trend_grid(tables: Tables) -> Grid | None:
    """All timepoints together."""
    columns: list[tuple[str, bool, Cell]] = [
        ("Measure", False, measure_of),
        ("Patients", True, count_of("patients")),
        ("Tracts", True, count_of("tracts")),
        ("Friedman χ²", True, count_of("friedman_chi2")),
        ("Friedman p", True, p_of("friedman_p")),
        ("Page p, fall", True, p_of("page_p")),
        ("Page p, rise", True, p_of("page_rise_p")),
        ("Patients, gaps allowed", True, count_of("skillings_mack_patients")),
        ("Skillings-Mack p", True, p_of("skillings_mack_p")),
        ("Remark", False, reason_of),
    ]
    return grid(
        "Over all timepoints: patients with every one of them, and beside them those with two or more.",
        columns,
        records(tables.get("trends")),
    )


def model_grid(tables: Tables) -> Grid | None:
    """Mixed and GEE models."""
    names = {"mixed": "mixed model", "gee": "GEE, negative binomial"}
    columns: list[tuple[str, bool, Cell]] = [
        ("Measure", False, measure_of),
        ("Timepoint", False, timepoint_of(timepoint_words(tables))),
        ("Model", False, lambda row: names.get(as_text(row["model"]), as_text(row["model"]))),
        ("Patients", True, count_of("patients")),
        ("Biopsies", True, count_of("biopsies")),
        ("Change", True, scaled(("ratio", "ratio_low", "ratio_high"), ("estimate", "low", "high"))),
        ("p", True, p_of("p")),
        ("Fit", False, _fit),
        ("Remark", False, reason_of),
    ]
    return grid(
        "Supportive models, every biopsy used; the degrees of freedom of each t are in study/models.csv. The "
        "GEE's ratio is of means, the mixed model's of geometric means.",
        columns,
        records(tables.get("models")),
    )


def _fit(row: Row) -> str:
    if as_number(row.get("estimate")) is None:
        return ""
    said = ["converged" if is_true(row["converged"]) else "not converged"]
    said += ["a variance at zero"] if is_true(row["boundary"]) else []
    return ", ".join([*said, *filter(None, [as_text(row.get("warnings"))])])


def flow_grid(tables: Tables) -> Grid | None:
    """The flow with the reason for every loss."""
    words = timepoint_words(tables)
    columns: list[tuple[str, bool, Cell]] = [
        ("Step", False, text_of("step")),
        ("Timepoint", False, timepoint_of(words)),
        ("Marker", False, text_of("marker")),
        ("Patients", True, count_of("patients")),
        ("Tracts", True, count_of("tracts")),
        ("Lost", True, count_of("lost")),
        ("Why", False, lambda row: loss_words(as_text(row.get("reasons")))),
        ("Remark", False, reason_of),
    ]
    return grid(
        "Lost: patients at enrolled and completed, tracts below.", columns, records(tables.get("flow"))
    )


def unevaluable_grid(tables: Tables) -> Grid | None:
    """Biopsies of the main measures that no inference uses, counted by reason."""
    rows = [
        row
        for row in records(tables.get("measures"))
        if as_text(row["role"]) == "main" and not is_true(row["evaluable"])
    ]
    counted = Counter((as_text(row["marker"]), reason_of(row) or "no reason recorded") for row in rows)
    listed = [
        {"marker": marker, "why": why, "count": count}
        for (marker, why), count in sorted(
            counted.items(), key=lambda item: (item[0][0], -item[1], item[0][1])
        )
    ]
    columns: list[tuple[str, bool, Cell]] = [
        ("Marker", False, text_of("marker")),
        ("Why", False, text_of("why")),
        ("Biopsies", True, count_of("count")),
    ]
    return grid(
        "Biopsies left out of every comparison; each is a row of study/measures.csv.", columns, listed
    )


def note_grid(tables: Tables) -> Grid | None:
    """Remarks on the data."""
    columns: list[tuple[str, bool, Cell]] = [
        ("Where", False, text_of("where")),
        ("What", False, lambda row: speak(as_text(row["says"]))),
        ("Code", False, text_of("code")),
    ]
    return grid("Remarks on the data, with the way out.", columns, records(tables.get("notes")))
