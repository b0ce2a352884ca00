"""What was left out of the measured tissue, and how far numbers rest on the threshold, marker by marker."""

from __future__ import annotations

import re
from collections import defaultdict
from statistics import median
from typing import Any

import pandas as pd

from histoquant.report.figures.common import records
from histoquant.report.numbers import as_number, as_text, number_text
from histoquant.report.study_words import Cell, Grid, count_of, grid, text_of

_SENSITIVE = 1.0  # as histoquant.metrics.sensitivity flags it


def _by_marker(slides: pd.DataFrame) -> dict[str, list[dict[str, Any]]]:
    groups: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for row in records(slides):
        groups[as_text(row.get("marker")) or "marker not known"].append(row)
    return dict(sorted(groups.items()))


def exclusion_grid(slides: pd.DataFrame) -> Grid | None:
    """Slides without numbers and tissue left out, by marker and kind of artefact."""
    rows = []
    for marker, own in _by_marker(slides).items():
        kinds: dict[str, float] = defaultdict(float)
        for row in own:
            for kind, area in re.findall(r"([a-z_]+)[ =:]+([0-9.]+)", as_text(row.get("excluded_by_kind"))):
                kinds[kind.replace("_", " ")] += float(area)
        measured, excluded = (_sum(own, name) for name in ("tissue_mm2", "excluded_mm2"))
        whole = measured + excluded
        status = [as_text(row.get("status")) for row in own]
        rows.append(
            {
                "marker": marker,
                "slides": len(own),
                "unusable": sum(s in ("FAILED", "REFUSED") for s in status),
                "measured": measured,
                "excluded": excluded,
                "percent": 100 * excluded / whole if whole else None,
                "kinds": ", ".join(
                    f"{kind} {number_text(area)}" for kind, area in sorted(kinds.items()) if area
                ),
            }
        )
    columns: list[tuple[str, bool, Cell]] = [
        ("Marker", False, text_of("marker")),
        ("Slides", True, count_of("slides")),
        ("without numbers", True, count_of("unusable")),
        ("Tissue measured, mm²", True, count_of("measured")),
        ("left out, mm²", True, count_of("excluded")),
        ("%", True, count_of("percent")),
        ("By kind, mm²", False, text_of("kinds")),
    ]
    caption = "Left out of counts and area alike; the hatched areas of every thumbnail show where."
    return grid(caption, columns, rows)


def _sum(rows: list[dict[str, Any]], name: str) -> float:
    return sum(value for row in rows if (value := as_number(row.get(name))) is not None)


def threshold_grid(slides: pd.DataFrame) -> Grid | None:
    """Elasticity of the density by marker."""
    rows = []
    for marker, own in _by_marker(slides).items():
        values = [v for row in own if (v := as_number(row.get("threshold_elasticity"))) is not None]
        if values:
            beyond = sum(abs(value) > _SENSITIVE for value in values)
            low, high = number_text(min(values)), number_text(max(values))
            rows.append(
                {
                    "marker": marker,
                    "slides": len(values),
                    "median": median(values),
                    "range": f"{low} to {high}",
                    "beyond": beyond,
                }
            )
    columns: list[tuple[str, bool, Cell]] = [
        ("Marker", False, text_of("marker")),
        ("Slides", True, count_of("slides")),
        ("Median elasticity", True, count_of("median")),
        ("Range", True, text_of("range")),
        ("Slides beyond 1", True, count_of("beyond")),
    ]
    return grid("% of change of the density per % of change of the DAB threshold.", columns, rows)
