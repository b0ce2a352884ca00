"""What the figures of a study share: a figure with its table, words for measures and timepoints, colours."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import pandas as pd

from histoquant.report.figures.drawing import Drawing
from histoquant.report.numbers import as_number, as_text, natural_key
from histoquant.report.reasons import speak
from histoquant.report.series import SCORE, split_marker, spoken_measure, unit_of

_COLOUR_OF: Final = {"CD68": "1", "CD20": "2", "CD31": "3", "HII": "4"}
INDEX_WORDS: Final = "Inflammation index (exploratory)"


@dataclass(frozen=True)
class Figure:
    """A drawing and what it was drawn from.

    Attributes
    ----------
    drawing : Drawing
    caption : str
        What stands under it.
    table : DataFrame
        The rows that are drawn, for the CSV file beside the SVG file.
    """

    drawing: Drawing
    caption: str
    table: pd.DataFrame

    @property
    def name(self) -> str:
        """Name of its files without ending."""
        return self.drawing.name


def colour_of(marker: str) -> str:
    """Number of the marker's colour in the style sheet; markers beyond the three share one."""
    return _COLOUR_OF.get(marker.upper(), "5")


def measure_words(measure: str, marker: str) -> str:
    """Name of a measure in words: ``CD20+ cells outside aggregates``."""
    if measure == SCORE:
        return INDEX_WORDS
    found, rest = split_marker(measure, frozenset({marker} if marker else ()))
    words = spoken_measure(found or marker, rest)
    return f"CD31+ {words}" if (found or marker) == "CD31" and "CD31" not in words else words


def unit_words(measure: str) -> str:
    """Unit of a measure as axes say it: ``per mm²``, ``%``, ``0 to 100``."""
    if measure == SCORE:
        return "0 to 100"
    return unit_of(measure).replace("/mm²", "per mm²")


def change_unit(measure: str) -> str:
    """Unit of a difference of two values as axes say it: ``points``, ``percentage points``."""
    if measure.startswith(SCORE):
        return "points"
    unit = unit_of(measure)
    return "percentage points" if unit == "%" else unit.replace("/mm²", "per mm²")


def when(row: Any) -> str:
    """A timepoint in words: ``month 2`` where the month is known, else its label."""
    month = as_number(row.get("month"))
    return f"month {month:g}" if month is not None else as_text(row.get("timepoint"))


def timepoint_words(tables: dict[str, pd.DataFrame]) -> dict[str, str]:
    """Words for every timepoint label, in order of time."""
    known = [table for name in ("timepoints", "measures", "flow") if (table := tables.get(name)) is not None]
    named = [table[["timepoint", "month"]].drop_duplicates() for table in known if "month" in table]
    rows = [row for table in named for row in records(table)]
    found = {as_text(row["timepoint"]): row for row in reversed(rows) if as_text(row.get("timepoint"))}

    def place(label: str) -> tuple[bool, float, Any]:
        month = as_number(found[label].get("month"))
        return month is None, month or 0.0, natural_key(label)

    return {label: when(found[label]) for label in sorted(found, key=place)}


def records(table: pd.DataFrame | None) -> list[dict[str, Any]]:
    """Rows of a table, none where there is no table."""
    if table is None or table.empty:
        return []
    return [{str(key): value for key, value in row.items()} for row in table.to_dict("records")]


def number_of(row: dict[str, Any], *names: str) -> list[float] | None:
    """The named cells as numbers, or None where one is empty."""
    found = [as_number(row.get(name)) for name in names]
    kept = [value for value in found if value is not None]
    return kept if len(kept) == len(found) else None


def is_true(value: Any) -> bool:
    """Whether a flag cell says true."""
    return value is True or as_text(value).lower() == "true"


def loss_words(reasons: str) -> str:
    """Reasons, codes joined by semicolons, in words; of losses with their number."""
    spoken = speak(reasons).replace("_", " ")
    return spoken.replace("BASELINE ", "at baseline ").replace("VISIT ", "at this visit ")


def some(figure: Figure | None) -> list[Figure]:
    """A list of the figure, empty where there is none."""
    return [figure] if figure is not None else []


def short_reason(row: dict[str, Any]) -> str:
    """Why a row is empty, short enough for a figure."""
    text = loss_words(as_text(row.get("reason")))
    return text if len(text) <= 120 else f"{text[:118]}…"


def measure_name(measure: str, marker: str) -> str:
    """Name of a measure for rows of a plot; the reminder that the index is exploratory stands elsewhere."""
    if measure == SCORE:
        return "Inflammation index"
    return measure_words(measure, marker).replace(" cells outside", " outside")
