"""Which of a slide's cells count, and in which order, from the few of their columns that tell.

A slide of 400 mm2 holds 2.4 million cells. Their columns and outlines take 2 GB, these a sixth of it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray

from histoquant.markers import stain_od
from histoquant.markers.registry import scores_of
from histoquant.objects import is_countable
from histoquant.objects.caps import CapLimits
from histoquant.objects.countable import JUDGED_COLUMNS
from histoquant.run.heap import make_room
from histoquant.run.plan import SlidePlan

Columns = Mapping[str, NDArray[Any]]
JudgedPart = dict[str, NDArray[Any]]
"""Of the cells of a part, what `judged` keeps."""

_PLACE = ("seed_y_px", "seed_x_px", "centroid_y_px", "centroid_x_px")
_STAINED = ("stain_object", "stain_object_um2")


class LazyColumns(Mapping[str, NDArray[Any]]):
    """Columns of a table as arrays, each made when it is asked for and not kept.

    Parameters
    ----------
    names : sequence of str
    column : callable
        Gives a column by its name.
    """

    def __init__(self, names: Sequence[str], column: Callable[[str], pa.ChunkedArray]) -> None:
        self._names, self._column = names, column

    @classmethod
    def of(cls, table: pa.Table) -> LazyColumns:
        """Those of a table at hand."""
        return cls(table.column_names, table.column)

    def __getitem__(self, name: str) -> NDArray[Any]:
        if name not in self._names:
            raise KeyError(name)
        return np.asarray(self._column(name).to_numpy())

    def __contains__(self, name: object) -> bool:
        """Told by the name; a mapping would make the column to tell."""
        return name in self._names

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)


class _Together(Mapping[str, NDArray[Any]]):
    """Columns of several parts after each other, joined when asked for and not kept."""

    def __init__(self, parts: Sequence[JudgedPart]) -> None:
        self._parts = parts

    def __getitem__(self, name: str) -> NDArray[Any]:
        return np.concatenate([part[name] for part in self._parts])

    def taken_out(self, name: str) -> NDArray[Any]:
        """A column, for the last time."""
        return np.concatenate([part.pop(name) for part in self._parts])

    def __contains__(self, name: object) -> bool:
        """Told by the first part; a mapping would join the column to tell."""
        return name in self._parts[0]

    def __iter__(self) -> Iterator[str]:
        return iter(self._parts[0])

    def __len__(self) -> int:
        return len(self._parts[0])


@dataclass(frozen=True)
class CellOrder:
    """Cells that count, by (y, x) of their seed.

    Attributes
    ----------
    rows : ndarray of int64, shape (n,)
        Of each cell, its row in all parts after each other.
    starts : ndarray of int64, shape (parts + 1,)
        First row of each part, and the end of the last.
    dab_od : ndarray of float64, shape (n,)
        What is compared with the threshold.
    table : pandas.DataFrame
        What numbers and pictures need: ``x_px, y_px`` in level-0 pixels, ``x_um, y_um``, ``positive`` and,
        where area counts, ``stain_object, stain_object_um2``.
    """

    rows: NDArray[np.int64]
    starts: NDArray[np.int64]
    dab_od: NDArray[np.float64]
    table: pd.DataFrame


def judged(plan: SlidePlan, part: Columns) -> JudgedPart:
    """What the whole slide must know of a part's cells at once: place, stain, and what tells a nucleus."""
    names = dict.fromkeys((*_PLACE, *JUDGED_COLUMNS, *_STAINED))
    # copied, because Arrow gives nothing back to the system while a neighbour lives
    kept = {name: np.array(part[name]) for name in names if name in part}
    return kept | {"dab_od": stain_od(part, plan.marker)}


def positive_count(plan: SlidePlan, parts: Sequence[JudgedPart]) -> int:
    """Positive cells among all those of several parts, judged together as one slide's."""
    together = _Together(parts)
    positive = scores_of(together["dab_od"], plan.threshold_od).positive
    return int(np.count_nonzero(positive & is_countable(together, plan.marker, plan.plane_mpp)))


def in_order(plan: SlidePlan, parts: Sequence[JudgedPart], limits: CapLimits | None = None) -> CellOrder:
    """Cells by (y, x) of their seed, without what only the whole slide can tell is no cell.

    Parameters
    ----------
    plan : SlidePlan
    parts : sequence of dict
        Of `judged`: all of the slide, unless ``limits`` say what a nucleus of it must reach. Column after
        column leaves them, so that a large slide is not held twice.
    limits : CapLimits, optional
        Those of the whole slide.
    """
    together = _Together(parts)
    starts = np.concatenate([[0], np.cumsum([len(part["dab_od"]) for part in parts])]).astype(np.int64)
    make_room(int(starts[-1]))  # gaps between columns, of what they were taken from
    order = np.argsort(
        object_ids(together.taken_out("seed_y_px"), together.taken_out("seed_x_px")), kind="stable"
    )
    rows = order[is_countable(together, plan.marker, plan.plane_mpp, limits)[order]]
    del order
    for part in parts:
        for name in set(JUDGED_COLUMNS) - set(_STAINED):
            part.pop(name, None)
    make_room(len(rows))  # half of what is there, in pieces that nothing new fits in
    x_px, y_px = level0(plan, *(together.taken_out(f"centroid_{axis}_px")[rows] for axis in "xy"))
    x_um, y_um = to_um(plan, x_px, y_px)
    dab_od = together.taken_out("dab_od")[rows]
    make_room(len(rows))
    columns = {
        **{"x_px": x_px, "y_px": y_px, "x_um": x_um, "y_um": y_um},
        "positive": scores_of(dab_od, plan.threshold_od).positive,
        **{name: together.taken_out(name)[rows] for name in _STAINED if name in together},
    }
    return CellOrder(rows, starts, dab_od, pd.DataFrame(columns, copy=False))


def object_ids(y: NDArray[np.integer], x: NDArray[np.integer]) -> NDArray[np.int64]:
    """Ids that are a function of one plane pixel, so that no other object's presence changes them."""
    return np.asarray((y.astype(np.int64) << 32) | x.astype(np.int64))


def level0(
    plan: SlidePlan, x: NDArray[np.float64], y: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Level-0 coordinates of plane coordinates, both with pixel centres at whole numbers."""
    fx, fy = plan.plane_factor_xy
    return (x + 0.5) * fx - 0.5, (y + 0.5) * fy - 0.5


def to_um(
    plan: SlidePlan, x_px: NDArray[np.float64], y_px: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Micrometres from the level-0 corner."""
    return (x_px + 0.5) * plan.mpp_xy[0], (y_px + 0.5) * plan.mpp_xy[1]
