"""Which figures a study has, from its tables."""

from __future__ import annotations

import pandas as pd

from histoquant.report.figures.common import (
    Figure,
    colour_of,
    is_true,
    measure_name,
    records,
    short_reason,
    some,
    timepoint_words,
)
from histoquant.report.figures.flow import draw_flow
from histoquant.report.figures.forest import ForestPlan, ForestRow, draw_forest
from histoquant.report.figures.groups import Group, GroupPlan, draw_groups
from histoquant.report.figures.levels import draw_levels
from histoquant.report.missing_figures import missing_forests
from histoquant.report.numbers import as_number, as_text, number_text
from histoquant.report.outcome_figures import agreement_plots, arm_forest, response_plots
from histoquant.report.series import SCORE
from histoquant.report.study_words import Row, Tables


def study_figures(tables: Tables, slides: pd.DataFrame) -> dict[str, list[Figure]]:
    """Draw everything that the tables at hand allow.

    Parameters
    ----------
    tables : dict of str to DataFrame
        From `histoquant.report.study_tables.read_study_tables`.
    slides : DataFrame
        ``slides.csv``, for the sensitivity to the threshold.

    Returns
    -------
    dict of str to list of Figure
        Keys ``flow, levels, vascular, changes, further, missing, response, arms, agreement, threshold``.
    """
    levels = [(role, measure, draw_levels(tables, measure)) for role, measure in _measures(tables)]
    drawn = [(measure, figure) for role, measure, figure in levels if figure and role in ("main", "index")]
    return {
        "flow": some(draw_flow(tables)),
        "levels": [figure for measure, figure in drawn if not measure.startswith("cd31")],
        "vascular": [figure for measure, figure in drawn if measure.startswith("cd31")],
        "changes": [f for log in (True, False) for f in some(_change_forest(tables, ("main", "index"), log))],
        "further": [f for log in (True, False) for f in some(_change_forest(tables, ("further",), log))],
        "missing": missing_forests(tables),
        "response": response_plots(tables),
        "arms": [f for log in (True, False) for f in some(arm_forest(tables, log))],
        "agreement": agreement_plots(tables),
        "threshold": some(_threshold_plot(slides)),
    }


def _measures(tables: Tables) -> list[tuple[str, str]]:
    """Role and name of every measure, in the order of the table, the index last."""
    found = {as_text(row["measure"]): as_text(row["role"]) for row in records(tables.get("measures"))}
    return sorted(((role, name) for name, role in found.items()), key=lambda item: item[1] == SCORE)


def _change_forest(tables: Tables, roles: tuple[str, ...], log: bool) -> Figure | None:
    words = timepoint_words(tables)
    rows = [
        row
        for row in records(tables.get("changes"))
        if as_text(row["role"]) in roles and (as_text(row["scale"]) == "log") == log
    ]
    names = ("hl_ratio", "hl_ratio_low", "hl_ratio_high") if log else ("hl", "hl_low", "hl_high")
    kind = "" if "main" in roles else "Further measures: "
    baseline = words.get(as_text(rows[0]["baseline"]), "baseline") if rows else ""
    units = {as_text(row["unit"]) for row in rows}
    plan = ForestPlan(
        name=f"changes-{'ratio' if log else 'difference'}{'-further' if kind else ''}",
        title=f"{kind or f'Change from {baseline}: '}{'ratio' if log else 'difference'}",
        axis=f"density relative to {baseline}, log axis" if log else " or ".join(sorted(units)),
        ratio=log,
        caption="Hodges-Lehmann estimate over patients with its exact interval (at least 95 %)."
        + (
            " Bold and larger: the primary comparison."
            if any(is_true(row["primary"]) for row in rows)
            else ""
        ),
        below="fell",
        above="rose",
    )
    forest = [_change_row(row, names, words) for row in rows]
    return draw_forest(plan, forest, pd.DataFrame(rows))


def _change_row(row: Row, names: tuple[str, ...], words: dict[str, str]) -> ForestRow:
    estimate, low, high = (as_number(row[name]) for name in names)
    measure, marker = as_text(row["measure"]), as_text(row["marker"])
    name = measure_name(measure, marker)
    when = words.get(as_text(row["timepoint"]), as_text(row["timepoint"]))
    note = f"n = {number_text(row['patients'])}" if estimate is not None else short_reason(row)
    return ForestRow(f"{name}, {when}", estimate, low, high, note, colour_of(marker), is_true(row["primary"]))


def _threshold_plot(slides: pd.DataFrame) -> Figure | None:
    if "threshold_elasticity" not in slides or "marker" not in slides:
        return None
    chosen = slides[["slide_id", "marker", "threshold_elasticity"]].copy()
    groups = []
    for marker, rows in chosen.groupby(chosen["marker"].astype("string").fillna("")):
        numbered = [(as_number(r["threshold_elasticity"]), as_text(r["slide_id"])) for r in records(rows)]
        kept = [(value, who) for value, who in numbered if value is not None]
        if kept:
            middle = float(pd.Series([value for value, _ in kept]).median())
            values, who = tuple(v for v, _ in kept), tuple(w for _, w in kept)
            groups.append(Group(str(marker), values, who, middle, colour=colour_of(str(marker))))
    plan = GroupPlan(
        name="threshold-sensitivity",
        title="Threshold sensitivity, one mark per slide",
        axis="elasticity, % per %",
        caption="Change of the density in % per % of change of the DAB threshold; line: median. Beyond the "
        "dashed line at −1 a number rests on its threshold.",
        lines=(-1.0,),
        null=0.0,
    )
    return draw_groups(plan, groups, chosen)
