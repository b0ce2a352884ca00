"""Tables of what is told after unblinding, and of agreement between readers."""

from __future__ import annotations

import math

from histoquant.report.figures.common import measure_words, number_of, records, timepoint_words
from histoquant.report.figures.forest import estimate_text
from histoquant.report.numbers import as_number, as_text, number_text
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

Columns = list[tuple[str, bool, Cell]]


def response_grid(tables: Tables) -> Grid | None:
    """Association of change with the ordered response."""
    columns: Columns = [
        ("Measure", False, measure_of),
        ("Timepoint", False, timepoint_of(timepoint_words(tables))),
        ("Patients", True, count_of("patients")),
        ("By response", False, text_of("groups")),
        ("Jonckheere p", True, p_of("jt_p")),
        ("Holm p", True, p_of("jt_p_holm")),
        ("by", False, text_of("jt_method")),
        ("AUC closed", True, interval_of("auc", "auc_low", "auc_high")),
        ("AUC p", True, p_of("auc_p")),
        ("Tracts: odds ratio per SD", True, interval_of("tract_odds_ratio", "tract_low", "tract_high")),
        ("p", True, p_of("tract_p")),
        ("Remark", False, reason_of),
    ]
    caption = (
        "Association, not effect. AUC: how often a patient whose fistula closed fell further than one whose "
        "did not. No cut-point was searched for."
    )
    return grid(caption, columns, records(tables.get("response")))


def proportion_grid(tables: Tables) -> Grid | None:
    """Shares of outcomes."""
    columns: Columns = [
        ("Outcome", False, text_of("what")),
        ("Of", False, _among),
        ("Number", True, _fraction),
        ("% (95 %)", True, interval_of("percent", "low", "high")),
        ("Remark", False, reason_of),
    ]
    caption = (
        "Patients: exact interval (Clopper-Pearson); of all enrolled, an unknown response counts as not. "
        "Tracts: Korn-Graubard, widened because tracts of one patient are alike."
    )
    return grid(caption, columns, records(tables.get("proportions")))


def _among(row: Row) -> str:
    unit, among = as_text(row["unit"]), as_text(row["among"])
    return f"{among} {unit}" if among.startswith("all") else f"{unit} {among}".strip()


def _fraction(row: Row) -> str:
    some, total = number_text(row.get("successes")), number_text(row.get("total"))
    return f"{some}/{total}" if some and total else ""


def arm_grid(tables: Tables) -> Grid | None:
    """Arms, adjusted for baseline."""
    columns: Columns = [
        ("Measure", False, measure_of),
        ("Timepoint", False, timepoint_of(timepoint_words(tables))),
        ("Arm", False, text_of("arm")),
        ("against", False, text_of("reference_arm")),
        ("Patients", True, lambda row: _pair(row, "patients", "reference_patients")),
        (
            "Adjusted difference",
            True,
            scaled(("ratio", "ratio_low", "ratio_high"), ("difference", "low", "high")),
        ),
        ("p", True, p_of("p")),
        ("Holm p", True, p_of("p_holm")),
        ("With site", True, _with_site),
        ("Remark", False, reason_of),
    ]
    caption = (
        "Adjusted association (ANCOVA on the baseline, HC3), not an effect of treatment. With site: adjusted "
        "for the share of each patient's tracts at each site as well."
    )
    return grid(caption, columns, records(tables.get("arms")))


def _with_site(row: Row) -> str:
    """The difference adjusted for site too, as a ratio on the log scale; or why there is none."""
    found = number_of(row, "site_difference", "site_difference_low", "site_difference_high")
    if found is None:
        return speak(as_text(row.get("site_reason")))
    if as_text(row.get("scale")) != "log":
        return estimate_text(*found)
    return "×" + estimate_text(*(math.exp(value) for value in found))


def _pair(row: Row, first: str, second: str) -> str:
    a, b = number_text(row.get(first)), number_text(row.get(second))
    return f"{a} and {b}" if a and b else ""


def event_grid(tables: Tables) -> Grid | None:
    """Yes/no outcomes by arm."""
    columns: Columns = [
        ("Event", False, text_of("event")),
        ("Arm", False, lambda row: f"{as_text(row['arm'])} against {as_text(row['reference_arm'])}"),
        ("Events", True, lambda row: _share(row, "events", "patients")),
        ("Reference", True, lambda row: _share(row, "reference_events", "reference_patients")),
        ("Risk difference", True, interval_of("risk_difference", "low", "high")),
        ("p (Boschloo)", True, p_of("boschloo_p")),
        ("Remark", False, reason_of),
    ]
    return grid("Association, not effect; interval by Newcombe.", columns, records(tables.get("events")))


def _share(row: Row, some: str, total: str) -> str:
    a, b = number_text(row.get(some)), number_text(row.get(total))
    return f"{a}/{b}" if a and b else ""


def agreement_grid(tables: Tables) -> Grid | None:
    """Machine against readers, readers against each other and themselves."""
    columns: Columns = [
        ("Measure", False, lambda row: measure_words(as_text(row["measure"]), _marker(row))),
        ("Readers", False, lambda row: f"{as_text(row['rater_a'])} and {as_text(row['rater_b'])}"),
        ("Of", False, text_of("level")),
        ("Pairs", True, count_of("readings")),
        ("ICC(A,1)", True, interval_of("icc", "icc_low", "icc_high")),
        ("by its lower limit", False, text_of("icc_class")),
        ("CCC", True, interval_of("ccc", "ccc_low", "ccc_high")),
        ("Bias", True, _bias),
        ("Limits of agreement", True, _limits),
        ("Kappa", True, interval_of("kappa", "kappa_low", "kappa_high")),
        ("Remark", False, reason_of),
    ]
    caption = (
        "ICC(A,1): two-way, absolute agreement, single reader. × ratio on the log scale. Rank correlation is "
        "no agreement and is left to study/agreement.csv."
    )
    return grid(caption, columns, records(tables.get("agreement")))


def _marker(row: Row) -> str:
    return as_text(row["measure"]).partition("_")[0].upper()


def _bias(row: Row) -> str:
    ratio = as_number(row.get("bias_ratio"))
    if ratio is not None:
        return f"×{number_text(ratio)}"
    return interval_of("bias", "bias_low", "bias_high")(row)


def _limits(row: Row) -> str:
    log = as_number(row.get("loa_ratio_low")) is not None
    low, high = (number_text(row.get(name)) for name in _limit_names(log))
    if not (low and high):
        return ""
    outer = [as_number(row.get(name)) for name in ("loa_low_from", "loa_high_to")]
    ends = [number_text(math.exp(value) if log else value) for value in outer if value is not None]
    reach = f" (at most {ends[0]} to {ends[1]})" if len(ends) == 2 else ""
    return f"{'×' if log else ''}{low} to {high}{reach}"


def _limit_names(log: bool) -> tuple[str, str]:
    return ("loa_ratio_low", "loa_ratio_high") if log else ("loa_low", "loa_high")


def reader_grid(tables: Tables) -> Grid | None:
    """Imported pathologist scores beside the index."""
    columns: Columns = [
        ("Score", False, text_of("score")),
        ("Reader", False, text_of("reader")),
        ("Biopsies", True, count_of("biopsies")),
        ("Patients", True, count_of("patients")),
        ("Rank correlation with the index", True, interval_of("spearman", "low", "high")),
        ("Remark", False, reason_of),
    ]
    caption = "Pathologists' scores are imported and never computed from these stains."
    return grid(caption, columns, records(tables.get("reader_scores")))
