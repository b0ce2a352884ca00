"""A slide's object tables: ordered, scored, and moved from the working plane to level 0."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from numba import njit
from numpy.typing import NDArray

from histoquant.markers.registry import scores_of
from histoquant.metrics.aggregates import Aggregates
from histoquant.objects.caps import CapLimits
from histoquant.objects.outline_steps import walk_steps
from histoquant.run.cell_order import CellOrder, LazyColumns, in_order, judged, level0, object_ids, to_um
from histoquant.run.plan import SlidePlan
from histoquant.store.parquet_table import GROUP_ROWS
from histoquant.tiling.tissue_map import TissueMap

# Working-plane coordinates that level-0 ones replace.
_CELL_PLACE = ("seed_x_px", "seed_y_px", "centroid_x_px", "centroid_y_px")
_PLACE = ("x_px", "y_px", "x_um", "y_um")
OUTLINE = "outline_xy_px"
HELD_GROUPS = 2
"""Cells of so many groups of rows may be held in memory as they lie in their batches."""
_VESSEL_PLACE = ("first_", "centroid_", "box_")


class CellRows:
    """A slide's table of cells, made group by group of its rows from the parts they lie in.

    Parameters
    ----------
    plan : SlidePlan
    order : CellOrder
        Of the judged columns of these parts.
    parts : sequence of callable
        Each gives a part's table, plane coordinates.
    """

    def __init__(self, plan: SlidePlan, order: CellOrder, parts: Sequence[Callable[[], pa.Table]]) -> None:
        self._plan, self._order, self._parts = plan, order, parts
        self._held: dict[int, pa.Table] = {}

    def __len__(self) -> int:
        return len(self._order.rows)

    def between(self, start: int, stop: int) -> dict[str, NDArray[Any] | pa.ListArray]:
        """Columns of rows ``start`` to before ``stop``, by (y, x) of their seed, in level-0 pixels and um."""
        columns, outline = self._gathered(start, stop)
        dab_od = self._order.dab_od[start:stop]
        scores = scores_of(dab_od, self._plan.threshold_od)
        place = {
            "cell_id": object_ids(columns["seed_y_px"], columns["seed_x_px"]),
            **{name: self._order.table[name].to_numpy()[start:stop] for name in _PLACE},
        }
        measured = {name: values for name, values in columns.items() if name not in _CELL_PLACE}
        said = {"dab_od": dab_od, "positive": scores.positive, "unscorable": scores.unscorable}
        return {**place, **measured, **said, OUTLINE: outline}

    def _gathered(self, start: int, stop: int) -> tuple[dict[str, NDArray[Any]], pa.ListArray]:
        """Columns and outlines of these rows, part after part, so that no part is held with its columns."""
        rows, starts, lies_in = self._order.rows[start:stop], self._order.starts, self._parts_of(start, stop)
        by_part = np.argsort(lies_in, kind="stable")
        cuts = np.append(0, np.cumsum(np.bincount(lies_in, minlength=1)))
        columns: dict[str, NDArray[Any]] = {}
        outlines: list[pa.RecordBatch] = []
        at, before = np.empty(len(rows), np.int64), 0
        later = set(_those_in(self._parts_of(stop, stop + GROUP_ROWS)))
        for part in _those_in(lies_in) or [0]:
            to = by_part[cuts[part] : cuts[part + 1]]
            own = rows[to] - starts[part]
            table = self._held.pop(part) if part in self._held else self._parts[part]()
            columns = columns or _room_for(table.schema, len(rows))
            first = 0
            for batch in table.to_batches():
                # in place of joining what several tiles have written
                here = np.flatnonzero((own >= first) & (own < first + batch.num_rows))
                moved, places = own[here] - first, to[here]
                for name, column in columns.items():
                    _move_rows(batch[name].to_numpy(zero_copy_only=False), moved, column, places)
                outlines.append(batch.select(["outline", "seed_x_px", "seed_y_px"]))
                first += batch.num_rows
            at[to] = before + own
            before += table.num_rows
            # most parts reach into the next group, too; those of a very wide slide are too many to be held
            rows_held = table.num_rows + sum(map(len, self._held.values()))
            if part in later and rows_held <= HELD_GROUPS * GROUP_ROWS:
                self._held[part] = table
            del table
        return columns, _outlines(self._plan, outlines, at)

    def _parts_of(self, start: int, stop: int) -> NDArray[np.unsignedinteger]:
        """Part in which each of these rows lies; numbers of up to 16 bits are sorted by counting."""
        parts = np.searchsorted(self._order.starts, self._order.rows[start:stop], side="right") - 1
        return parts.astype(np.min_scalar_type(len(self._parts)))


def _room_for(schema: pa.Schema, rows: int) -> dict[str, NDArray[Any]]:
    """Columns of so many rows for all but outlines."""
    kept = (field for field in schema if field.name != "outline")
    return {field.name: np.empty(rows, field.type.to_pandas_dtype()) for field in kept}


def _those_in(parts: NDArray[np.unsignedinteger]) -> list[int]:
    """Each of these parts once, in their order."""
    found: list[int] = np.flatnonzero(np.bincount(parts)).tolist()
    return found


@njit(cache=True, nogil=True)
def _move_rows(
    values: NDArray[Any], rows: NDArray[np.int64], out: NDArray[Any], places: NDArray[np.int64]
) -> None:
    """Put these rows of a column into these places of another, without a third between them."""
    for k in range(rows.size):
        out[np.uint64(places[k])] = values[np.uint64(rows[k])]


def cell_table(plan: SlidePlan, parts: Sequence[pa.Table], limits: CapLimits | None = None) -> pd.DataFrame:
    """Cells by (y, x) of their seed, scored, in level-0 pixels and um.

    ``parts`` are all of the slide, unless ``limits`` say what a nucleus of it must reach.
    """
    order = in_order(plan, [judged(plan, LazyColumns.of(part)) for part in parts], limits)
    return whole_table(plan, order, parts)


def whole_table(plan: SlidePlan, order: CellOrder, parts: Sequence[pa.Table]) -> pd.DataFrame:
    """All rows of parts at hand, at once."""
    rows = CellRows(plan, order, [partial(_given, part) for part in parts])
    columns = rows.between(0, len(rows))
    return pd.DataFrame({**columns, OUTLINE: outline_series(columns[OUTLINE])}, copy=False)


def outline_series(lists: pa.ListArray) -> pd.Series:
    """Polygons as a column of pandas, not copied."""
    return pd.Series(lists, dtype=pd.ArrowDtype(lists.type))


def _given(table: pa.Table) -> pa.Table:
    return table


def _outlines(plan: SlidePlan, parts: Sequence[pa.RecordBatch], kept: NDArray[np.int64]) -> pa.ListArray:
    """Flat x, y polygons of these rows of all parts after each other, in level-0 pixels."""
    corners = [part["outline"].offsets.to_numpy() for part in parts]
    size = np.concatenate([np.zeros(0, np.int64), *(np.diff(each) for each in corners)])
    offsets = np.concatenate([[0], np.cumsum(size[kept])]).astype(np.int32)
    place = np.full(len(size), -1, np.int64)
    place[kept] = offsets[:-1]
    points = np.empty(int(offsets[-1]), np.float32)
    fx, fy = (np.float32(factor) for factor in plan.plane_factor_xy)
    row = 0
    for part, corner in zip(parts, corners, strict=True):
        seeds = part["seed_x_px"].to_numpy(), part["seed_y_px"].to_numpy()
        to = place[row : row + part.num_rows]
        walk_steps(part["outline"].values.to_numpy(), corner, seeds, to, (fx, fy), points)
        row += part.num_rows
    return pa.ListArray.from_arrays(pa.array(offsets), pa.array(points))


def vessel_table(plan: SlidePlan, parts: list[pa.Table]) -> pd.DataFrame:
    """Vessels by (y, x) of their first pixel."""
    if not parts:
        return pd.DataFrame()
    table = pa.concat_tables(parts).to_pandas()
    table = table.sort_values(["first_y_px", "first_x_px"], ignore_index=True)
    x_px, y_px = level0(plan, table["centroid_x_px"].to_numpy(), table["centroid_y_px"].to_numpy())
    x_um, y_um = to_um(plan, x_px, y_px)
    vessel_id = object_ids(table["first_y_px"].to_numpy(), table["first_x_px"].to_numpy())
    place = pd.DataFrame({"vessel_id": vessel_id, "x_px": x_px, "y_px": y_px, "x_um": x_um, "y_um": y_um})
    table["outer_xy_px"] = [_polygon_level0(plan, flat) for flat in table["outer_xy_px"]]
    table["lumens_xy_px"] = [[_polygon_level0(plan, flat) for flat in all_] for all_ in table["lumens_xy_px"]]
    measured = table.drop(columns=[name for name in table.columns if name.startswith(_VESSEL_PLACE)])
    joined: pd.DataFrame = pd.concat([place, measured], axis=1)
    return joined


def _polygon_level0(plan: SlidePlan, flat: NDArray[np.int32]) -> NDArray[np.float64]:
    """A flat x, y polygon from plane to level-0 pixels."""
    points = np.asarray(flat, np.float64).reshape(-1, 2)
    x, y = level0(plan, points[:, 0], points[:, 1])
    # rounded to 32 bits, as an array: a list of Python's own numbers takes five times the room
    return np.column_stack([x, y]).astype(np.float32).astype(np.float64).ravel()


def aggregate_table(plan: SlidePlan, found: Aggregates | None) -> pd.DataFrame:
    """Aggregates with their outline in level-0 pixels; empty where the marker has none."""
    if found is None:
        return pd.DataFrame()
    mpp = np.array(plan.mpp_xy)
    table = found.table.copy()
    outline = [np.asarray(flat, np.float64).reshape(-1, 2) / mpp - 0.5 for flat in table["outline_xy_um"]]
    table[OUTLINE] = [points.astype(np.float32).ravel().tolist() for points in outline]
    return table


def region_table(plan: SlidePlan, tissue: TissueMap) -> pd.DataFrame:
    """Tissue and exclusions as areas and outlines in level-0 pixels."""
    rows = []
    scale = np.array(plan.plane_factor_xy) * tissue.scale_px
    for kind, polygons in tissue.outlines().items():
        for points in polygons:
            flat = (np.asarray(points, np.float64) * scale - 0.5).astype(np.float32).ravel()
            rows.append({"kind": kind, "outline_xy_px": flat.tolist()})
    return pd.DataFrame(rows, columns=["kind", "outline_xy_px"])
