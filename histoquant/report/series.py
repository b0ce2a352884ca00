"""Which columns of the biopsy table become timepoint plots, and what they are called in words."""

from __future__ import annotations

import re
from typing import Final

import pandas as pd

from histoquant.report.numbers import as_number
from histoquant.report.plots import TimepointPlot

KEYS: Final = ("patient", "tract", "timepoint")
SCORE: Final = "inflammation_score"
_VASCULAR: Final = {"CD31"}
# columns of slides.csv that stand in where there is no biopsy table, in the order of preference
_SLIDE_VALUES: Final = ("vessels_per_mm2", "positive_per_mm2")
_UNPLOTTED: Final = ("hotspot", "nuclei", "low", "high")


def spoken_measure(marker: str, measure: str) -> str:
    """Return what is counted, in words that claim no more than the stain shows.

    >>> spoken_measure("CD68", "positive_per_mm2"), spoken_measure("CD31", "vessels_per_mm2")
    ('CD68+ cells', 'CD31+ vessels')
    """
    stem = re.sub(r"_?(per_mm2|percent|um2?|mm2)$", "", measure)
    known = {
        "": f"{marker}+ cells",
        "positive": f"{marker}+ cells",
        "density": f"{marker}+ cells",
        "cells": f"{marker}+ cells",
        "diffuse": f"{marker}+ cells outside aggregates",
        "vessels": f"{marker}+ vessels",
        "hotspot": f"{marker} hotspot",
        "positive_area": f"{marker}+ area",
        "area": f"{marker}+ area",
        "aggregate_area": f"{marker}+ aggregate area",
        "endothelial_area": "endothelial area",
        "lumen_area": "lumen area",
        "median_diameter": "median vessel diameter",
    }
    return known.get(stem, f"{marker} {stem.replace('_', ' ')}".strip())


def unit_of(column: str) -> str:
    """Return the unit a column's name ends in."""
    for ending, unit in (
        ("_per_mm2", "/mm²"),
        ("_mm2", "mm²"),
        ("_percent", "%"),
        ("_um2", "µm²"),
        ("_um", "µm"),
    ):
        if column.endswith(ending):
            return unit
    return ""


def split_marker(column: str, markers: frozenset[str]) -> tuple[str, str]:
    """Split ``cd68_per_mm2`` into marker and measure; the marker is empty if none leads the name."""
    by_prefix = {re.sub(r"\W+", "_", m.lower()).strip("_"): m for m in markers}
    for prefix in sorted(by_prefix, key=len, reverse=True):
        if prefix and column.casefold().startswith(f"{prefix}_"):
            return by_prefix[prefix], column[len(prefix) + 1 :]
    head, _, rest = column.partition("_")
    return (head.upper(), rest) if re.fullmatch(r"[Cc][Dd]\d+[a-z]?", head) else ("", column)


def _has_numbers(table: pd.DataFrame, column: str) -> bool:
    return any(as_number(v) is not None for v in table[column])


def _plot(table: pd.DataFrame, column: str, title: str, vascular: bool) -> TimepointPlot:
    chosen = {"value": table[column]}
    for bound in ("low", "high"):
        if f"{column}_{bound}" in table:
            chosen[bound] = table[f"{column}_{bound}"]
    if "month" in table:
        chosen["month"] = table["month"]
    for key in KEYS:
        chosen[key] = table[key] if key in table else pd.Series([""] * len(table), index=table.index)
    unit = unit_of(column)
    return TimepointPlot(title, f"{title}, {unit}" if unit else title, pd.DataFrame(chosen), vascular)


def plots_from_biopsies(biopsies: pd.DataFrame, markers: frozenset[str]) -> list[TimepointPlot]:
    """Return a plot for the index and for every density column that holds a number."""
    plots = []
    for column in map(str, biopsies.columns):
        if not column.endswith("_per_mm2") or any(f"{part}_per_mm2" in column for part in _UNPLOTTED):
            continue
        marker, measure = split_marker(column, markers)
        if marker and _has_numbers(biopsies, column):
            title = spoken_measure(marker, measure)
            plots.append(_plot(biopsies, column, title, marker.upper() in _VASCULAR))
    if SCORE in biopsies and _has_numbers(biopsies, SCORE):
        plots.append(_plot(biopsies, SCORE, "Inflammation index (exploratory)", vascular=False))
    return plots


def plots_from_slides(slides: pd.DataFrame) -> list[TimepointPlot]:
    """Return a plot per marker straight from the slides; sections are not pooled here."""
    plots: list[TimepointPlot] = []
    if "marker" not in slides:
        return plots
    for marker, rows in slides.groupby(slides["marker"].astype("string").fillna("")):
        name = str(marker)
        for column in _SLIDE_VALUES:
            if name and column in rows and _has_numbers(rows, column):
                title = spoken_measure(name, column)
                plots.append(_plot(rows, column, title, name.upper() in _VASCULAR))
                break
    return plots
