"""What a reader's corrections make of one slide's numbers; the machine's stay beside them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from histoquant.metrics.aggregates import find_aggregates
from histoquant.metrics.cell_readouts import aggregate_columns, in_aggregates
from histoquant.metrics.density import density, poisson_interval
from histoquant.metrics.tissue import Tissue
from histoquant.review.events import FieldReview
from histoquant.review.log_file import Item
from histoquant.review.tissue_grid import TissueGrid

AGGREGATE_COLUMNS = (
    *("diffuse_per_mm2", "diffuse_positive", "aggregates", "aggregate_area_percent"),
    *("positive_in_aggregates", "largest_aggregate_mm2"),
)
"""Columns of ``slides.csv`` that follow from the corrected cells where aggregates are found."""
COLUMNS = (
    "reviewed_fields",
    "reviewed_corrections",
    "reviewed_threshold_od",
    "reviewed_tissue_mm2",
    "reviewed_nuclei",
    "reviewed_positive",
    "reviewed_positive_percent",
    "reviewed_per_mm2",
    "reviewed_per_mm2_low",
    "reviewed_per_mm2_high",
    *(f"reviewed_{name}" for name in AGGREGATE_COLUMNS),
)
"""Columns that a review adds; ``per_mm2`` is of vessels where the marker counts those."""


@dataclass(frozen=True)
class SlideTables:
    """One finished slide as far as a review can change it.

    Attributes
    ----------
    row : mapping
        Its row of ``slides.csv``.
    cells : pandas.DataFrame
        ``cell_id, x_um, y_um, dab_od, positive``.
    vessels : pandas.DataFrame or None
        ``x_um, y_um, vessel`` where the marker counts vessels.
    tissue : TissueGrid
    """

    row: Mapping[str, Any]
    cells: pd.DataFrame
    vessels: pd.DataFrame | None
    tissue: TissueGrid


def reviewed(slide: SlideTables, reviews: Sequence[tuple[Item, FieldReview]]) -> dict[str, Any]:
    """Numbers of a slide with a reader's corrections applied.

    Parameters
    ----------
    slide : SlideTables
    reviews : sequence of (Item, FieldReview)
        Of fields of this slide.

    Returns
    -------
    dict
        `COLUMNS`; None where not measured.

    Notes
    -----
    Cells: classes changed, deleted and added cells. Area: what lies in a rejected field or an ``exclude``
    region leaves count and tissue; where there are ``include`` regions, only what lies in them stays. Tissue
    is the slide's own times the share of its map that stays. What the machine counted beyond its nuclei (by
    stained area, in sheets) keeps its share. Aggregates are found anew among the corrected cells in the
    tissue that stays; where the machine counted cells by area nobody knows in which aggregate they lie, and
    what is told of aggregates is None.
    """
    kept = kept_cells(slide.tissue, reviews)
    share = _share(kept & slide.tissue.mask, slide.tissue.mask)
    area = float(slide.row["tissue_mm2"]) * share
    changes = sum(len(r.classes) + len(r.deleted) + len(r.added) + len(r.regions) for _, r in reviews)
    threshold = _threshold(reviews)
    cells = _corrected(slide, reviews, threshold)
    here = slide.tissue.inside(cells["x_um"].to_numpy(float), cells["y_um"].to_numpy(float), kept)
    nuclei = int(np.count_nonzero(here))
    positive: int | None = None
    found: Mapping[str, Any] = {}
    if slide.vessels is None and _number(slide.row.get("positive")) is not None:
        by_area = float(slide.row["positive"]) - np.count_nonzero(slide.cells["positive"].to_numpy(bool))
        counted_here = cells["positive"].to_numpy(bool) & here
        positive = int(np.count_nonzero(counted_here)) + round(by_area * share)
        if _number(slide.row.get("aggregates")) is not None and by_area == 0:
            found = _aggregates(cells[counted_here], slide.tissue, kept, area)
    counted = _vessels(slide, kept) if slide.vessels is not None else positive
    per_mm2 = density(counted, area).value if counted is not None else None
    interval = poisson_interval(counted, area) if counted is not None and area > 0 else None
    values = (
        len(reviews),
        changes,
        threshold,
        area,
        nuclei,
        positive,
        100.0 * positive / nuclei if positive is not None and nuclei else None,
        per_mm2,
        interval.low if interval else None,
        interval.high if interval else None,
        *(found.get(name) for name in AGGREGATE_COLUMNS),
    )
    return dict(zip(COLUMNS, values, strict=True))


def counted_places(
    slide: SlideTables, reviews: Sequence[tuple[Item, FieldReview]]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Where the objects are that count after correction, in micrometres: positive cells, or vessels."""
    if slide.vessels is not None:
        counted = slide.vessels[slide.vessels["vessel"].to_numpy(bool)]
    else:
        cells = _corrected(slide, reviews, _threshold(reviews))
        counted = cells[cells["positive"].to_numpy(bool)]
    return counted["x_um"].to_numpy(float), counted["y_um"].to_numpy(float)


def _threshold(reviews: Sequence[tuple[Item, FieldReview]]) -> float | None:
    """The reader's last proposal, if there is one."""
    return next((r.threshold_od for _, r in reversed(reviews) if r.threshold_od is not None), None)


def _aggregates(
    positive: pd.DataFrame, tissue: TissueGrid, kept: NDArray[np.bool_], area_mm2: float
) -> dict[str, Any]:
    """What the machine's own rules find among corrected cells."""
    x_um, y_um = (positive[axis].to_numpy(float) for axis in ("x_um", "y_um"))
    found = find_aggregates(x_um, y_um, Tissue(kept & tissue.mask, tissue.cell_um, tissue.cell_um))
    measured = aggregate_columns(in_aggregates(found, positive, None, None), 0, area_mm2)
    return {name: measured[name].value for name in AGGREGATE_COLUMNS}


def _number(value: Any) -> float | None:
    return None if value is None or pd.isna(value) else float(value)


def _share(part: NDArray[np.bool_], whole: NDArray[np.bool_]) -> float:
    total = int(np.count_nonzero(whole))
    return int(np.count_nonzero(part)) / total if total else 0.0


def kept_cells(tissue: TissueGrid, reviews: Sequence[tuple[Item, FieldReview]]) -> NDArray[np.bool_]:
    """Cells of the map that the reader lets count."""
    included = np.zeros(tissue.mask.shape, bool)
    excluded = np.zeros(tissue.mask.shape, bool)
    bounded = False
    for item, review in reviews:
        if review.verdict == "rejected":
            excluded |= tissue.polygon(item.corners_um)
        for region in review.regions.values():
            if region["kind"] == "exclude":
                excluded |= tissue.polygon(region["xy_um"])
            elif region["kind"] == "include":
                included |= tissue.polygon(region["xy_um"])
                bounded = True
    return (included if bounded else ~included) & ~excluded


def _corrected(
    slide: SlideTables, reviews: Sequence[tuple[Item, FieldReview]], threshold_od: float | None
) -> pd.DataFrame:
    cells = slide.cells[["cell_id", "x_um", "y_um"]].copy()
    scored = "positive" in slide.cells.columns and slide.vessels is None
    positive = slide.cells["positive"].fillna(False).to_numpy(bool) if scored else np.zeros(len(cells), bool)
    if threshold_od is not None and scored:
        positive = slide.cells["dab_od"].to_numpy(float) >= threshold_od
    place = pd.Series(np.arange(len(cells)), index=cells["cell_id"])
    gone = np.zeros(len(cells), bool)
    positive = positive.copy()
    added: list[Mapping[str, Any]] = []
    for _, review in reviews:
        for cell_id, name in review.classes.items():
            positive[int(place[cell_id])] = name == "positive"
        gone[[int(place[cell_id]) for cell_id in review.deleted]] = True
        added += review.added.values()
    cells = cells.assign(positive=positive)[~gone]
    more = pd.DataFrame(
        {
            "cell_id": np.arange(-len(added), 0, dtype=np.int64),
            "x_um": [float(cell["x_um"]) for cell in added],
            "y_um": [float(cell["y_um"]) for cell in added],
            "positive": [cell["class"] == "positive" for cell in added],
        }
    )
    return pd.concat([cells, more.astype(cells.dtypes.to_dict())], ignore_index=True) if added else cells


def _vessels(slide: SlideTables, kept: NDArray[np.bool_]) -> int:
    assert slide.vessels is not None
    true = slide.vessels[slide.vessels["vessel"].to_numpy(bool)]
    inside = slide.tissue.inside(true["x_um"].to_numpy(float), true["y_um"].to_numpy(float), kept)
    return int(np.count_nonzero(inside))
