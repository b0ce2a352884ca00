"""The flow of patients and tracts: enrolled, completed, biopsied, evaluable; who was lost, where and why."""

from __future__ import annotations

from typing import Any, Final

import pandas as pd

from histoquant.report.figures.common import Figure, loss_words, records, timepoint_words
from histoquant.report.figures.drawing import SMALL_PX, Drawing, wrapped
from histoquant.report.numbers import as_number, as_text, number_text

_COLUMN: Final = 138.0
_GAP: Final = 10.0
_LINE: Final = 16.0
_PAD: Final = 8.0
_ARROW: Final = 24.0
_BOX: Final = 230.0
_CAPTION: Final = (
    "Counts are patients / tracts (−tracts lost). In pairs: evaluable at baseline as well. Reasons for every "
    "loss stand in the table."
)


def draw_flow(tables: dict[str, pd.DataFrame]) -> Figure | None:
    """Draw the flow table as a diagram.

    Parameters
    ----------
    tables : dict of str to DataFrame
        ``flow`` as `histoquant.study.layout` describes it.

    Returns
    -------
    Figure or None
        None where the table has no rows. Boxes from top to bottom: enrolled, completed, then one column per
        timepoint: planned, biopsied, evaluable per marker, paired with the baseline.
    """
    rows = records(tables.get("flow"))
    if not rows:
        return None
    words = timepoint_words({"flow": tables["flow"]})
    heads = [row for row in rows if as_text(row["step"]) in ("enrolled", "completed")]
    columns = [_column(label, text, rows) for label, text in words.items()]
    width = max(400.0, len(columns) * (_COLUMN + _GAP) + _GAP)
    top_height = sum(_head_height(row) + _ARROW for row in heads)
    deepest = max((sum(_height(box) + _ARROW for box in column) for column in columns), default=0.0)
    drawing = Drawing(
        "flow", width, top_height + deepest + 12.0, "Flow of patients and tracts", _says(rows, words)
    )
    y = 6.0
    for place, row in enumerate(heads):
        _draw_head(drawing, row, width / 2, y)
        bottom = y + _head_height(row)
        if place + 1 < len(heads):
            _arrow(drawing, width / 2, bottom, bottom + _ARROW)
        y = bottom + _ARROW
    left = (width - len(columns) * _COLUMN - (len(columns) - 1) * _GAP) / 2
    centres = [left + _COLUMN / 2 + number * (_COLUMN + _GAP) for number in range(len(columns))]
    if heads and columns:
        _fork(drawing, width / 2, y - _ARROW, centres)
    for column, x in zip(columns, centres, strict=True):
        _draw_column(drawing, column, x, y)
    return Figure(drawing, _CAPTION, tables["flow"])


def _counts(row: dict[str, Any]) -> str:
    """``20 patients, 43 tracts``; what is not known is left out."""
    said = []
    for name in ("patients", "tracts"):
        value = number_text(row.get(name))
        if value is not None:
            said.append(f"{value} {name if value != '1' else name[:-1]}")
    return ", ".join(said) or "not recorded"


def _short(row: dict[str, Any]) -> str:
    counts = " / ".join(number_text(row.get(name)) or "–" for name in ("patients", "tracts"))
    lost = number_text(row.get("lost"))
    return (
        counts
        if as_text(row["step"]) in ("planned", "biopsied") or lost in (None, "0")
        else f"{counts} (−{lost})"
    )


def _lost(row: dict[str, Any], unit: str) -> str:
    """``3 patients lost: withdrew 2; not done 1``, empty where nobody was lost."""
    lost = as_number(row.get("lost"))
    if not lost:
        return ""
    reasons = loss_words(as_text(row.get("reasons")))
    count = number_text(lost)
    noun = unit if lost != 1 else unit[:-1]
    return f"−{count} {noun}" + (f": {reasons}" if reasons else "")


def _column(label: str, words: str, rows: list[dict[str, Any]]) -> list[list[tuple[str, str]]]:
    """Boxes of one timepoint, each a list of (text, class)."""
    own = [row for row in rows if as_text(row.get("timepoint")) == label]
    boxes: list[list[tuple[str, str]]] = []
    for step in ("planned", "biopsied"):
        for row in (row for row in own if as_text(row["step"]) == step):
            lines = [(f"{words[:1].upper()}{words[1:]}", "strong")] if step == "planned" else []
            lines.append((f"{step}: {_short(row)}", "t"))
            lines += [(line, "small") for line in wrapped(_lost(row, "tracts"), _COLUMN - 2 * _PAD)]
            boxes.append(lines)
    for step, title in (("evaluable", "Evaluable"), ("paired", "In pairs")):
        chosen = [row for row in own if as_text(row["step"]) == step]
        if not chosen:
            continue
        boxes.append(
            [(title, "strong"), *((f"{as_text(row.get('marker'))}: {_short(row)}", "t") for row in chosen)]
        )
    return boxes


def _height(lines: list[tuple[str, str]]) -> float:
    return 2 * _PAD + _LINE * len(lines) - 3


def _head_lines(row: dict[str, Any]) -> list[tuple[str, str]]:
    step = as_text(row["step"])
    lines = [(f"{step[:1].upper()}{step[1:]}", "strong"), (_counts(row), "t")]
    lines += [(line, "small") for line in wrapped(_lost(row, "patients"), _BOX - 2 * _PAD, SMALL_PX)]
    return lines


def _head_height(row: dict[str, Any]) -> float:
    return _height(_head_lines(row))


def _draw_head(drawing: Drawing, row: dict[str, Any], x: float, y: float) -> None:
    _box(drawing, _head_lines(row), x, y, _BOX)


def _draw_column(drawing: Drawing, boxes: list[list[tuple[str, str]]], x: float, y: float) -> None:
    for place, lines in enumerate(boxes):
        _box(drawing, lines, x, y, _COLUMN)
        y += _height(lines)
        if place + 1 < len(boxes):
            _arrow(drawing, x, y, y + _ARROW)
        y += _ARROW


def _box(drawing: Drawing, lines: list[tuple[str, str]], x: float, y: float, width: float) -> None:
    drawing.add("rect", "box", x=x - width / 2, y=y, width=width, height=_height(lines), rx=3)
    for number, (text, cls) in enumerate(lines):
        drawing.text(x, y + _PAD + 9 + _LINE * number, text, cls, "middle")


def _arrow(drawing: Drawing, x: float, top: float, bottom: float) -> None:
    drawing.line(x, top, x, bottom - 5, "arrow")
    drawing.add("path", "tip", d=f"M{x - 4:g} {bottom - 7:g}L{x + 4:g} {bottom - 7:g}L{x:g} {bottom - 1:g}Z")


def _fork(drawing: Drawing, x: float, y: float, centres: list[float]) -> None:
    """From the last head to the columns of all timepoints."""
    bar = y + _ARROW / 2 - 2
    drawing.line(x, y, x, bar, "arrow")
    drawing.line(min(*centres, x), bar, max(*centres, x), bar, "arrow")
    for centre in centres:
        _arrow(drawing, centre, bar, y + _ARROW)


def _says(rows: list[dict[str, Any]], words: dict[str, str]) -> str:
    said = []
    for row in rows:
        place = words.get(as_text(row.get("timepoint")), "")
        parts = (as_text(row["step"]), place, as_text(row.get("marker")))
        said.append(f"{' '.join(part for part in parts if part)}: {_counts(row)}")
    return "; ".join(said)
