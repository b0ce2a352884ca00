"""Forest plots: no line runs through words, and why there is no estimate is told in whole."""

from __future__ import annotations

import re

import pandas as pd

from histoquant.report.figures.forest import ForestPlan, ForestRow, draw_forest

PLAN = ForestPlan("changes", "Change", "ratio", True, "Caption.", below="fell", above="rose")
LONG = "no patients table (name one in study.toml: [tables] patients), so nobody knows who is missing here"


def drawn(*rows: ForestRow) -> str:
    figure = draw_forest(PLAN, rows, pd.DataFrame())
    assert figure is not None
    return figure.drawing.inline()


def test_lines_of_no_change_stand_between_the_words() -> None:
    svg = drawn(
        ForestRow("CD20+ outside aggregates, month 2", 0.8, 0.5, 1.4, "n = 20"),
        ForestRow("all enrolled, imputed", None, None, None, LONG),
        ForestRow("CD68+ cells, month 4", 0.9, 0.6, 1.2, "n = 20"),
    )
    lines = [
        (float(y1), float(y2))
        for y1, y2 in re.findall(r'<line class="(?:null|grid)"[^>]* y1="([\d.]+)"[^>]* y2="([\d.]+)"', svg)
    ]
    words = [float(y) for y in re.findall(r'<text[^>]* x="8" y="([\d.]+)"', svg)]
    assert len(lines) >= 4
    assert len(words) >= 4
    for first, second in lines:
        top, foot = min(first, second), max(first, second)
        # letters of 13 px stand from 10 px above their line to 3 px below it
        assert not [y for y in words if y - 10 < foot and y + 3 > top]


def test_a_long_reason_is_wrapped_and_moves_what_follows() -> None:
    plain, told = ForestRow("a", 0.8, 0.5, 1.4), ForestRow("b", None, None, None, LONG)
    short = ForestRow("b", None, None, None, "few patients")
    svg = drawn(told, plain)
    assert " ".join(re.findall(r'class="small" x="8"[^>]*>([^<]*)', svg)) == LONG
    height = [float(re.search(r'viewBox="0 0 400 ([\d.]+)"', drawn(row, plain))[1]) for row in (short, told)]  # type: ignore[index]
    assert height[1] > height[0] + 10
