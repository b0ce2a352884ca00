"""Figures of what is told after unblinding, and of agreement between readers."""

from __future__ import annotations

import math
from typing import Any, Final

import pandas as pd

from histoquant.report.figures.bland_altman import draw_bland_altman
from histoquant.report.figures.common import (
    Figure,
    change_unit,
    colour_of,
    measure_name,
    measure_words,
    number_of,
    records,
    short_reason,
    some,
    timepoint_words,
)
from histoquant.report.figures.forest import ForestPlan, ForestRow, draw_forest, estimate_text
from histoquant.report.figures.groups import Group, GroupPlan, draw_groups
from histoquant.report.numbers import as_number, as_text
from histoquant.report.study_words import Row, Tables, last_timepoint, p_text

# the order of response, with a colour and a shape of its own for each
_RESPONSES: Final = (("resistant", "2", "square"), ("improved", "5", "triangle"), ("closed", "1", "circle"))
_MOST_AGREEMENT: Final = 24  # plots of reader pairs in the page; the table holds all


def response_plots(tables: Tables) -> list[Figure]:
    """Change at the last timepoint by response, one plot per main measure and the index."""
    last, words = last_timepoint(tables), timepoint_words(tables)
    points = [row for row in records(tables.get("response_points")) if as_text(row["timepoint"]) == last]
    tests = {(as_text(r["measure"]), as_text(r["timepoint"])): r for r in records(tables.get("response"))}
    figures = []
    for measure in dict.fromkeys(
        as_text(r["measure"]) for r in points if as_text(r["role"]) in ("main", "index")
    ):
        own = [row for row in points if as_text(row["measure"]) == measure]
        log = as_text(own[0]["scale"]) == "log"
        name = measure_words(measure, as_text(own[0]["marker"]))
        plan = GroupPlan(
            name=f"response-{measure}",
            title=name,
            axis=_response_axis(measure, words.get(last, last), log),
            caption="One mark per patient; line: median, short lines: quartiles; dashed: no change. "
            "Association, not effect.",
            log=log,
            null=1.0 if log else 0.0,
            under=_test_words(tests.get((measure, last))),
        )
        groups = [_response_group(tables, own, measure, last, response, log) for response in _RESPONSES]
        figures += some(draw_groups(plan, groups, pd.DataFrame(own)))
    return figures


def _response_axis(measure: str, when: str, log: bool) -> str:
    return f"ratio, {when} over baseline" if log else f"{change_unit(measure)}, {when} minus baseline"


def _response_group(
    tables: Tables, own: list[Row], measure: str, last: str, response: tuple[str, str, str], log: bool
) -> Group:
    label, colour, shape = response
    named = [row for row in own if as_text(row["response"]) == label]
    values = [(as_number(row["ratio" if log else "change"]), as_text(row["patient"])) for row in named]
    kept = [(value, who) for value, who in values if value is not None]
    summary: dict[str, Any] = next(
        (
            row
            for row in records(tables.get("response_groups"))
            if (as_text(row["measure"]), as_text(row["timepoint"]), as_text(row["response"]))
            == (measure, last, label)
        ),
        {},
    )
    three = [as_number(summary.get(name)) for name in ("median", "quartile_low", "quartile_high")]
    if log:
        three = [None if v is None else math.exp(v) for v in three]
    values_only, who = tuple(v for v, _ in kept), tuple(w for _, w in kept)
    return Group(label, values_only, who, three[0], three[1], three[2], colour, shape)


def _test_words(row: Row | None) -> str:
    if row is None:
        return ""
    said = []
    if p_text(row["jt_p"]):
        p = p_text(row["jt_p"])
        said.append(f"Jonckheere p {p if p.startswith('<') else f'= {p}'}")
    auc = number_of(row, "auc", "auc_low", "auc_high")
    if auc is not None:
        said.append(f"AUC {estimate_text(*auc)}")
    return "; ".join(said)


def arm_forest(tables: Tables, log: bool) -> Figure | None:
    """Arms against the reference arm, measures of one scale."""
    words = timepoint_words(tables)
    rows = [
        row
        for row in records(tables.get("arms"))
        if (as_text(row["scale"]) == "log") == log and as_text(row["role"]) in ("main", "index")
    ]
    names = ("ratio", "ratio_low", "ratio_high") if log else ("difference", "low", "high")
    forest = []
    for row in rows:
        estimate, low, high = (as_number(row[name]) for name in names)
        measure, marker = as_text(row["measure"]), as_text(row["marker"])
        name = measure_name(measure, marker)
        label = f"{name}, {words.get(as_text(row['timepoint']), '')}"
        note = f"{as_text(row['arm'])} / {as_text(row['reference_arm'])}"
        forest.append(
            ForestRow(
                label,
                estimate,
                low,
                high,
                note if estimate is not None else short_reason(row),
                colour_of(marker),
            )
        )
    plan = ForestPlan(
        name=f"arms-{'ratio' if log else 'difference'}",
        title=f"Arms, adjusted for baseline: {'ratio' if log else 'difference'}",
        axis="ratio between arms, log axis" if log else f"difference between arms, {_units(rows)}",
        ratio=log,
        caption="Adjusted association, not an effect of treatment.",
    )
    return draw_forest(plan, forest, pd.DataFrame(rows))


def _units(rows: list[Row]) -> str:
    return " or ".join(dict.fromkeys(change_unit(as_text(row["measure"])) for row in rows))


def agreement_plots(tables: Tables) -> list[Figure]:
    """Bland-Altman plots of the reader pairs, as many as a page takes."""
    pairs: dict[tuple[str, ...], list[Row]] = {}
    for row in records(tables.get("agreement_pairs")):
        pairs.setdefault(_readers(row), []).append(row)
    rows = records(tables.get("agreement"))
    drawn = [draw_bland_altman(row, pairs.get(_readers(row), []), n) for n, row in enumerate(rows, start=1)]
    return [figure for figure in drawn if figure is not None][:_MOST_AGREEMENT]


def _readers(row: Row) -> tuple[str, ...]:
    return tuple(as_text(row[name]) for name in ("measure", "rater_a", "rater_b", "level"))
