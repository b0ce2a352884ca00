"""A slide's object tables: ordered, scored, and moved from the working plane to level 0."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray

from histoquant.markers import score, stain_od
from histoquant.metrics.aggregates import Aggregates
from histoquant.objects import is_countable
from histoquant.objects.caps import CapLimits
from histoquant.run.plan import SlidePlan
from histoquant.tiling.tissue_map import TissueMap

# Working-plane coordinates that level-0 ones replace.
_CELL_PLACE = ("seed_x_px", "seed_y_px", "centroid_x_px", "centroid_y_px")
_VESSEL_PLACE = ("first_", "centroid_", "box_")


class _Lazily(Mapping[str, NDArray[Any]]):
    """Columns of a table as arrays, each made when it is asked for and not kept."""

    def __init__(self, table: pa.Table) -> None:
        self._table = table

    def __getitem__(self, name: str) -> NDArray[Any]:
        return np.asarray(self._table[name].to_numpy())

    def __iter__(self) -> Iterator[str]:
        return iter(self._table.column_names)

    def __len__(self) -> int:
        return int(self._table.num_columns)


def cell_table(plan: SlidePlan, parts: list[pa.Table], limits: CapLimits | None = None) -> pd.DataFrame:
    """Cells by (y, x) of their seed, scored, in level-0 pixels and um.

    ``parts`` is emptied, and column after column leaves it: a slide of 400,000 cells is not held twice. They
    are all of the slide, unless ``limits`` say what a nucleus of it must reach.
    """
    table = pa.concat_tables(parts)
    parts.clear()
    pa.default_memory_pool().release_unused()
    kept = _counted_in_order(plan, table, limits)
    outline = _outlines(plan, table["outline"], kept.to_numpy())
    table = table.drop_columns(["outline"])
    # Arrow keeps what it frees for itself, at the moment when a slide needs most
    pa.default_memory_pool().release_unused()
    columns: dict[str, NDArray[Any]] = {}
    for name in table.column_names:
        columns[name] = table[name].take(kept).combine_chunks().to_numpy(zero_copy_only=False)
        table = table.drop_columns([name])
    pa.default_memory_pool().release_unused()
    positive, unscorable = score(columns, plan.marker, plan.threshold_od)
    x_px, y_px = _level0(plan, columns["centroid_x_px"], columns["centroid_y_px"])
    x_um, y_um = _um(plan, x_px, y_px)
    place = {
        "cell_id": _object_ids(columns["seed_y_px"], columns["seed_x_px"]),
        "x_px": x_px,
        "y_px": y_px,
        "x_um": x_um,
        "y_um": y_um,
    }
    measured = {name: values for name, values in columns.items() if name not in _CELL_PLACE}
    said = {
        "dab_od": stain_od(columns, plan.marker),
        "positive": positive,
        "unscorable": unscorable,
        "outline_xy_px": outline,
    }
    return pd.DataFrame({**place, **measured, **said}, copy=False)


def positive_count(plan: SlidePlan, tables: list[pa.Table]) -> int:
    """Positive cells among all those of several tables, judged together as one slide's."""
    shared = [name for name in tables[0].column_names if name != "outline"]
    together = pa.concat_tables([table.select(shared) for table in tables])
    columns = {name: together[name].to_numpy() for name in shared}
    positive, _ = score(columns, plan.marker, plan.threshold_od)
    return int(np.count_nonzero(positive & is_countable(columns, plan.marker, plan.plane_mpp)))


def _counted_in_order(plan: SlidePlan, table: pa.Table, limits: CapLimits | None) -> pa.Array:
    """Rows by (y, x) of their seed, without what only the whole slide can tell is no cell."""
    columns = _Lazily(table)
    order = np.lexsort((columns["seed_x_px"], columns["seed_y_px"]))
    return pa.array(order[is_countable(columns, plan.marker, plan.plane_mpp, limits)[order]])


def _object_ids(y: NDArray[np.integer], x: NDArray[np.integer]) -> NDArray[np.int64]:
    """Ids that are a function of one plane pixel, so that no other object's presence changes them."""
    return np.asarray((y.astype(np.int64) << 32) | x.astype(np.int64))


def _level0(
    plan: SlidePlan, x: NDArray[np.float64], y: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Level-0 coordinates of plane coordinates, both with pixel centres at whole numbers."""
    fx, fy = plan.plane_factor_xy
    return (x + 0.5) * fx - 0.5, (y + 0.5) * fy - 0.5


def _um(
    plan: SlidePlan, x_px: NDArray[np.float64], y_px: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    return (x_px + 0.5) * plan.mpp_xy[0], (y_px + 0.5) * plan.mpp_xy[1]


def _outlines(plan: SlidePlan, lists: pa.ChunkedArray, kept: NDArray[np.int64]) -> pd.Series:
    """Flat x, y polygons of these rows from plane to level-0 pixels, kept as one Arrow array.

    Filled part by part: Arrow itself would join the parts before it takes rows from them.
    """
    sizes = [np.diff(chunk.offsets.to_numpy()).astype(np.int64) for chunk in lists.chunks]
    size = np.concatenate([np.zeros(0, np.int64), *sizes])
    offsets = np.concatenate([[0], np.cumsum(size[kept])]).astype(np.int32)
    points = np.empty(int(offsets[-1]), np.float32)
    place = np.full(len(size), -1, np.int64)
    place[kept] = offsets[:-1]
    row = 0
    for chunk, own in zip(lists.chunks, sizes, strict=True):
        to = place[row : row + len(own)]
        here, start = np.flatnonzero(to >= 0), np.cumsum(own) - own
        many = own[here]
        within = np.arange(many.sum()) - np.repeat(np.cumsum(many) - many, many)
        values = chunk.flatten().to_numpy(zero_copy_only=False)
        points[np.repeat(to[here], many) + within] = values[np.repeat(start[here], many) + within]
        row += len(own)
    for axis, factor in enumerate(plan.plane_factor_xy):
        points[axis::2] += np.float32(0.5)
        points[axis::2] *= np.float32(factor)
        points[axis::2] -= np.float32(0.5)
    moved = pa.ListArray.from_arrays(pa.array(offsets), pa.array(points))
    return pd.Series(moved, dtype=pd.ArrowDtype(moved.type))


def vessel_table(plan: SlidePlan, parts: list[pa.Table]) -> pd.DataFrame:
    """Vessels by (y, x) of their first pixel."""
    if not parts:
        return pd.DataFrame()
    table = pa.concat_tables(parts).to_pandas()
    table = table.sort_values(["first_y_px", "first_x_px"], ignore_index=True)
    x_px, y_px = _level0(plan, table["centroid_x_px"].to_numpy(), table["centroid_y_px"].to_numpy())
    x_um, y_um = _um(plan, x_px, y_px)
    vessel_id = _object_ids(table["first_y_px"].to_numpy(), table["first_x_px"].to_numpy())
    place = pd.DataFrame({"vessel_id": vessel_id, "x_px": x_px, "y_px": y_px, "x_um": x_um, "y_um": y_um})
    table["outer_xy_px"] = [_polygon_level0(plan, flat) for flat in table["outer_xy_px"]]
    table["lumens_xy_px"] = [[_polygon_level0(plan, flat) for flat in all_] for all_ in table["lumens_xy_px"]]
    measured = table.drop(columns=[name for name in table.columns if name.startswith(_VESSEL_PLACE)])
    joined: pd.DataFrame = pd.concat([place, measured], axis=1)
    return joined


def _polygon_level0(plan: SlidePlan, flat: NDArray[np.int32]) -> NDArray[np.float64]:
    """A flat x, y polygon from plane to level-0 pixels."""
    points = np.asarray(flat, np.float64).reshape(-1, 2)
    x, y = _level0(plan, points[:, 0], points[:, 1])
    # rounded to 32 bits, as an array: a list of Python's own numbers takes five times the room
    return np.column_stack([x, y]).astype(np.float32).astype(np.float64).ravel()


def aggregate_table(plan: SlidePlan, found: Aggregates | None) -> pd.DataFrame:
    """Aggregates with their outline in level-0 pixels; empty where the marker has none."""
    if found is None:
        return pd.DataFrame()
    mpp = np.array(plan.mpp_xy)
    table = found.table.copy()
    outline = [np.asarray(flat, np.float64).reshape(-1, 2) / mpp - 0.5 for flat in table["outline_xy_um"]]
    table["outline_xy_px"] = [points.astype(np.float32).ravel().tolist() for points in outline]
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
