"""From a slide's batches to its tables and numbers; the same whatever the tiles were."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray

from histoquant.markers import score
from histoquant.metrics import DabHistogram, SlideInputs, Tissue, find_aggregates, slide_metrics
from histoquant.metrics.aggregates import Aggregates
from histoquant.run.exclusion import cells_unexcluded, exclusion_of, vessels_excluded
from histoquant.run.object_tables import aggregate_table, cell_table, region_table, vessel_table
from histoquant.run.plan import Planned, SlidePlan
from histoquant.run.vascular import vascular_inputs
from histoquant.store.batch_file import Batch

# Threshold sensitivity is the change of the count between these multiples of the threshold.
_LOW, _HIGH = 0.8, 1.2


@dataclass(frozen=True)
class SlideResult:
    """A slide's numbers and objects.

    Attributes
    ----------
    metrics : dict
        Measured columns of ``slides.csv``; None where not measured.
    empty_because : str
        Reason of each empty metric, as ``column=REASON``.
    flags : tuple of str
    cells, vessels, aggregates, regions : pandas.DataFrame
        Level-0 pixels (pixel centres at whole numbers) and um from the level-0 corner.
    dab_histogram : ndarray of int64
        DAB of quantifiable pixels, one bin per thousandth of OD.
    scored : bool
        Whether ``positive`` means anything.
    """

    metrics: dict[str, Any]
    empty_because: str
    flags: tuple[str, ...]
    cells: pd.DataFrame
    vessels: pd.DataFrame
    aggregates: pd.DataFrame
    regions: pd.DataFrame
    dab_histogram: NDArray[np.int64]
    scored: bool


def assemble(planned: Planned, batches: list[Batch], slide_id: str) -> SlideResult:
    """Merge batches in canonical order, score cells, compute metrics.

    Parameters
    ----------
    planned : Planned
        The slide's frozen decisions.
    batches : list of Batch
        All batches of the slide, in any order. Their cells are taken out, so that a large slide is not
        held twice.
    slide_id : str
        Seeds the resampling.

    Returns
    -------
    SlideResult
    """
    plan, tissue = planned.plan, planned.tissue
    found_cells = pa.concat_tables([batch.tables.pop("cells") for batch in batches])
    whole_count = cells_unexcluded(plan, found_cells, batches)
    cells = cell_table(plan, found_cells)
    del found_cells  # a large slide's cells are not held twice
    vessels = vessel_table(plan, [batch.tables["vessels"] for batch in batches if "vessels" in batch.tables])
    histogram = np.array([batch.counts["dab_histogram"] for batch in batches], np.int64).sum(axis=0)
    scored = plan.marker.rule != "none"
    low, high = _shifted_counts(plan, cells, batches)
    inputs = SlideInputs(
        marker=plan.marker.name,
        readouts=plan.marker.readouts,
        threshold_od=plan.threshold_od,
        tissue=Tissue.of(tissue),
        cells=cells,
        scored=scored,
        vessels=vessels if "vessels" in plan.marker.readouts else None,
        histogram=DabHistogram(histogram) if plan.marker.stains == "H-DAB" else None,
        count_low=low,
        count_high=high,
        single_cell_areas_um2=_single_cell_areas_um2(cells) if scored else None,
        slide_id=slide_id,
        **vascular_inputs(plan, vessels),
    )
    found = _aggregates(inputs)
    columns = slide_metrics(inputs, found)
    reasons: Any = columns.pop("reasons")
    flags: Any = columns.pop("flags")
    if any(batch.counts.get("vessels_oversize") for batch in batches):
        flags = [*flags, "OVERSIZE_STAIN_DROPPED"]
    counted = inputs.counted()
    if counted is not None and inputs.counts_vessels:
        whole_count = len(counted) + vessels_excluded(batches)
    lost = exclusion_of(tissue, None if counted is None else len(counted), whole_count)
    areas = {"tissue_mm2": tissue.tissue_mm2, "excluded_mm2": tissue.excluded_mm2}
    columns |= lost.columns
    flags = [*flags, *lost.flags]
    return SlideResult(
        metrics={**areas, **columns},
        empty_because=_said(reasons | lost.reasons, columns),
        flags=tuple(flags),
        cells=cells,
        vessels=vessels,
        aggregates=aggregate_table(plan, found),
        regions=region_table(plan, tissue),
        dab_histogram=histogram,
        scored=scored,
    )


def _said(reasons: dict[str, str], columns: dict[str, Any]) -> str:
    """Reason of every empty column."""
    empty = sorted(name for name in reasons if columns[name] is None)
    return ";".join(f"{name}={reasons[name]}" for name in empty)


def _shifted_counts(
    plan: SlidePlan, cells: pd.DataFrame, batches: list[Batch]
) -> tuple[int | None, int | None]:
    """Positive objects at 0.8 and 1.2 of the threshold."""
    if "vessels" in plan.marker.readouts:
        low, high = (sum(batch.counts[f"vessels_{side}"] for batch in batches) for side in ("low", "high"))
        return low, high
    if plan.marker.rule == "none":
        return None, None
    columns = {name: cells[name].to_numpy() for name in cells.columns if name != "outline_xy_px"}
    low, high = (
        int(score(columns, plan.marker, factor * plan.threshold_od)[0].sum()) for factor in (_LOW, _HIGH)
    )
    return low, high


def _single_cell_areas_um2(cells: pd.DataFrame) -> NDArray[np.float64]:
    """Stained area of each positive cell: what one cell covers."""
    return np.asarray(cells.loc[cells["positive"], "stained_area_um2"], np.float64)


def _aggregates(inputs: SlideInputs) -> Aggregates | None:
    positive = inputs.positive_cells()
    if "aggregates" not in inputs.readouts or positive is None:
        return None
    x_um, y_um = positive["x_um"].to_numpy(np.float64), positive["y_um"].to_numpy(np.float64)
    return find_aggregates(x_um, y_um, inputs.tissue)


def tables_of(result: SlideResult) -> dict[str, pd.DataFrame]:
    """The object tables a slide has, by file name."""
    tables = {"cells": result.cells, "regions": result.regions}
    if "vessel_id" in result.vessels:
        tables["vessels"] = result.vessels
    if "aggregate_id" in result.aggregates:
        tables["aggregates"] = result.aggregates
    return tables
