"""From a slide's batches to its tables and numbers; the same whatever the tiles were."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray

from histoquant.markers.registry import scores_of
from histoquant.metrics import DabHistogram, SlideInputs, Tissue, slide_metrics
from histoquant.metrics.bands import distance_bands
from histoquant.metrics.by_area import StainedArea
from histoquant.run.cell_order import CellOrder, JudgedPart, LazyColumns, in_order, judged
from histoquant.run.exclusion import ExclusionResult, cells_unexcluded, exclusion_of, vessels_excluded
from histoquant.run.object_tables import aggregate_table, region_table, vessel_table, whole_table
from histoquant.run.plan import Planned, SlidePlan
from histoquant.run.self_check import WINDOW_TOO_SMALL, self_check
from histoquant.run.stained_tile import block_px
from histoquant.run.vascular import vascular_inputs
from histoquant.store.batch_file import Batch
from histoquant.tiling.tissue_map import TissueMap

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
        Level-0 pixels (pixel centres at whole numbers) and um from the level-0 corner; from `summarise`,
        cells with the columns of `CellOrder.table` alone.
    bands : pandas.DataFrame
        Density by distance from the annotated lumen, or from the edge of the tissue.
    dab_histogram : ndarray of int64
        DAB of quantifiable pixels, one bin per thousandth of OD.
    scored : bool
        Whether ``positive`` means anything.
    self_check : dict of str to int
        Objects that their windows did not show whole, by kind: all 0.
    """

    metrics: dict[str, Any]
    empty_because: str
    flags: tuple[str, ...]
    cells: pd.DataFrame
    vessels: pd.DataFrame
    aggregates: pd.DataFrame
    regions: pd.DataFrame
    bands: pd.DataFrame
    dab_histogram: NDArray[np.int64]
    scored: bool
    self_check: dict[str, int]


def assemble(planned: Planned, batches: list[Batch], slide_id: str) -> SlideResult:
    """Merge batches at hand in canonical order, score cells, compute metrics.

    Parameters
    ----------
    planned : Planned
        The slide's frozen decisions.
    batches : list of Batch
        All batches of the slide, in any order.
    slide_id : str
        Seeds the resampling.

    Returns
    -------
    SlideResult
    """
    tables = [batch.tables["cells"] for batch in batches]
    ordered = order_cells(
        planned.plan,
        [judged(planned.plan, LazyColumns.of(table)) for table in tables],
        [judged(planned.plan, LazyColumns.of(batch.tables["excluded_cells"])) for batch in batches],
    )
    result = summarise(planned, ordered, batches, slide_id)
    return replace(result, cells=whole_table(planned.plan, ordered.cells, tables))


class OrderedCells(NamedTuple):
    """The slide's cells, and how many were positive had nothing been left out, as of `cells_unexcluded`."""

    cells: CellOrder
    unexcluded: int | None


def order_cells(plan: SlidePlan, counted: list[JudgedPart], excluded: list[JudgedPart]) -> OrderedCells:
    """Put the cells of all batches in canonical order and score them.

    Parameters
    ----------
    plan : SlidePlan
        The slide's frozen decisions.
    counted, excluded : list of dict
        Of each batch's cells in tissue and under artefacts, what `judged` keeps; the former is emptied.
    """
    unexcluded = cells_unexcluded(plan, counted, excluded)
    return OrderedCells(in_order(plan, counted), unexcluded)


def summarise(planned: Planned, ordered: OrderedCells, batches: list[Batch], slide_id: str) -> SlideResult:
    """Compute a slide's metrics.

    Parameters
    ----------
    planned : Planned
        The slide's frozen decisions.
    ordered : OrderedCells
    batches : list of Batch
        Their other tables, and counts.
    slide_id : str
        Seeds the resampling.

    Returns
    -------
    SlideResult
    """
    plan, tissue = planned.plan, planned.tissue
    vessels = vessel_table(plan, [batch.tables["vessels"] for batch in batches if "vessels" in batch.tables])
    histogram = np.array([batch.counts["dab_histogram"] for batch in batches], np.int64).sum(axis=0)
    inputs = _inputs(planned, ordered.cells, vessels, histogram, batches, slide_id)
    # first what needs the whole map of a large slide in one piece: metrics leave room behind in many
    regions, bands = region_table(plan, tissue), _bands(inputs, planned)
    aggregates = inputs.find_aggregates()
    columns = slide_metrics(inputs, aggregates)
    reasons: Any = columns.pop("reasons")
    checked = self_check([batch.counts for batch in batches])
    flags: Any = columns.pop("flags")
    lost = _lost(inputs, tissue, ordered.unexcluded, batches)
    columns |= lost.columns
    areas = {"tissue_mm2": tissue.tissue_mm2, "excluded_mm2": tissue.excluded_mm2}
    return SlideResult(
        metrics={**areas, **columns},
        empty_because=_said(reasons | lost.reasons, columns),
        flags=(*flags, *_warnings(batches, checked), *lost.flags),
        cells=ordered.cells.table,
        vessels=vessels,
        aggregates=aggregate_table(plan, aggregates),
        regions=regions,
        bands=bands,
        dab_histogram=histogram,
        scored=inputs.scored,
        self_check=checked,
    )


def _inputs(
    planned: Planned,
    order: CellOrder,
    vessels: pd.DataFrame,
    histogram: NDArray[np.int64],
    batches: list[Batch],
    slide_id: str,
) -> SlideInputs:
    """What the metrics of a slide are computed from."""
    plan = planned.plan
    low, high = _shifted_counts(plan, order.dab_od, batches)
    return SlideInputs(
        marker=plan.marker.name,
        readouts=plan.marker.readouts,
        threshold_od=plan.threshold_od,
        tissue=Tissue.of(planned.tissue),
        cells=order.table,
        scored=plan.marker.rule != "none",
        vessels=vessels if "vessels" in plan.marker.readouts else None,
        histogram=DabHistogram(histogram) if plan.marker.stains == "H-DAB" else None,
        count_low=low,
        count_high=high,
        stained=_stained(plan, batches),
        slide_id=slide_id,
        **vascular_inputs(plan, vessels),
    )


def _warnings(batches: list[Batch], checked: dict[str, int]) -> list[str]:
    """Flags of what the tiles could not show whole."""
    oversize = any(batch.counts.get("vessels_oversize") for batch in batches)
    unclosed = any(checked.values())
    return ["OVERSIZE_STAIN_DROPPED"] * oversize + [WINDOW_TOO_SMALL] * unclosed


def _lost(
    inputs: SlideInputs, tissue: TissueMap, whole_count: int | None, batches: list[Batch]
) -> ExclusionResult:
    """What artefacts took from the slide's main density."""
    counted = inputs.counted()
    if counted is None:
        return exclusion_of(tissue, None, whole_count)
    if inputs.counts_vessels:
        whole_count = len(counted) + vessels_excluded(batches)
    # cells counted by area stand on both sides: none is looked for under artefacts
    added = inputs.added()
    return exclusion_of(tissue, len(counted) + added, None if whole_count is None else whole_count + added)


def _bands(inputs: SlideInputs, planned: Planned) -> pd.DataFrame:
    """Counted objects by distance from the lumen where one is drawn, or else from the edge of the tissue."""
    counted = inputs.counted()
    if counted is None:
        return pd.DataFrame()
    lumen = planned.lumen
    name, reference = ("tissue_edge", ~planned.tissue.tissue) if lumen is None else ("lumen", lumen)
    x_um, y_um = (counted[axis].to_numpy(np.float64) for axis in ("x_um", "y_um"))
    return distance_bands(x_um, y_um, inputs.tissue, reference, name)


def _said(reasons: dict[str, str], columns: dict[str, Any]) -> str:
    """Reason of every empty column."""
    empty = sorted(name for name in reasons if columns[name] is None)
    return ";".join(f"{name}={reasons[name]}" for name in empty)


def _shifted_counts(
    plan: SlidePlan, dab_od: NDArray[np.float64], batches: list[Batch]
) -> tuple[int | None, int | None]:
    """Positive objects at 0.8 and 1.2 of the threshold."""
    if "vessels" in plan.marker.readouts:
        low, high = (sum(batch.counts[f"vessels_{side}"] for batch in batches) for side in ("low", "high"))
        return low, high
    if plan.marker.rule == "none":
        return None, None
    low, high = (
        int(np.count_nonzero(scores_of(dab_od, factor * plan.threshold_od).positive))
        for factor in (_LOW, _HIGH)
    )
    return low, high


def _stained(plan: SlidePlan, batches: list[Batch]) -> StainedArea | None:
    """Stained area of all batches; None where the marker does not count by area."""
    parts = [batch.tables for batch in batches if "stained_objects" in batch.tables]
    if not parts:
        return None
    pixel_um2 = plan.plane_mpp**2
    low, at, high = (sum(batch.counts[f"stained_px_{k}"] for batch in batches) for k in range(3))
    objects = pa.concat_tables([tables["stained_objects"] for tables in parts])
    blocks = pa.concat_tables([tables["stained_blocks"] for tables in parts])
    place = np.column_stack([blocks[f"block_{axis}"].to_numpy() for axis in "xy"])
    # tiles share blocks
    block_xy, which = np.unique(place, axis=0, return_inverse=True)
    pixels = np.zeros(len(block_xy), np.int64)
    np.add.at(pixels, which.ravel(), blocks["stained_px"].to_numpy())
    edge = block_px(plan.plane_mpp)
    return StainedArea(
        area_um2=(low * pixel_um2, at * pixel_um2, high * pixel_um2),
        objects=np.sort(objects["stain_object"].to_numpy()),
        block_um=(edge * plan.plane_mpp_xy[0], edge * plan.plane_mpp_xy[1]),
        block_xy=block_xy,
        block_um2=np.asarray(pixels * pixel_um2, np.float64),
    )


def other_tables(result: SlideResult) -> dict[str, pd.DataFrame]:
    """The object tables a slide has beside its cells, by file name."""
    tables = {"regions": result.regions}
    if "vessel_id" in result.vessels:
        tables["vessels"] = result.vessels
    if "aggregate_id" in result.aggregates:
        tables["aggregates"] = result.aggregates
    if len(result.bands):
        tables["bands"] = result.bands
    return tables
