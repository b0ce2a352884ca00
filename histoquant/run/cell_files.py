"""A slide's batch files as its commit reads them: of all cells what tells, of a group of them everything."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray

from histoquant.errors import SlideFailedError
from histoquant.run.cell_order import CellOrder, JudgedPart, LazyColumns, judged
from histoquant.run.object_tables import HELD_GROUPS, OUTLINE, CellRows, outline_series
from histoquant.run.plan import SlidePlan
from histoquant.store.atomic import Hashed, replacing
from histoquant.store.batch_file import Batch, BatchFile
from histoquant.store.parquet_table import GROUP_ROWS, write_parquet

_CELLS = ("cells", "excluded_cells")
_POLYGONS = "outline"


@dataclass(frozen=True)
class CellFiles:
    """All batch files of a slide.

    Attributes
    ----------
    plan : SlidePlan
    paths : sequence of Path
    name : str
        The slide, for messages.
    """

    plan: SlidePlan
    paths: Sequence[Path]
    name: str
    _kept: dict[int, pa.Table] = field(default_factory=dict, init=False, repr=False, compare=False)

    def read_judged(self) -> tuple[list[Batch], list[JudgedPart], list[JudgedPart]]:
        """Read everything but cells, and of cells what must be known of all at once.

        Cells of a slide that has few of them are kept, so that they are not read twice.

        Returns
        -------
        batches : list of Batch
            Without cells.
        counted, excluded : list of dict
            Of each batch's cells in tissue and under artefacts, what `judged` keeps.

        Raises
        ------
        SlideFailedError
            If a file is gone or altered.
        """
        batches: list[Batch] = []
        judged_cells: dict[str, list[JudgedPart]] = {name: [] for name in _CELLS}
        for number in range(len(self.paths)):
            file = self._proven(number)
            for name, parts in judged_cells.items():
                parts.append(judged(self.plan, LazyColumns.of(self._first_read(file, name, number))))
            others = {name: file.table(name) for name in file.table_names if name not in _CELLS}
            batches.append(Batch(others, file.counts))
        return batches, judged_cells["cells"], judged_cells["excluded_cells"]

    def write_table(self, target: Path, order: CellOrder, drawn: NDArray[np.bool_]) -> tuple[pd.Series, str]:
        """Write ``cells.parquet`` group by group of its rows.

        Parameters
        ----------
        target : Path
        order : CellOrder
        drawn : ndarray of bool, shape (n,)
            Cells whose outlines are kept.

        Returns
        -------
        outlines : pandas.Series
            In level-0 pixels, empty for the others.
        sha256 : str
            Of the file.
        """
        rows = CellRows(self.plan, order, [partial(self._cells, at) for at in range(len(self.paths))])
        outlines: list[pa.Array] = []

        def groups() -> Iterator[pa.Table]:
            # a slide without cells has a table without rows
            for start in range(0, max(1, len(rows)), GROUP_ROWS):
                group = rows.between(start, start + GROUP_ROWS)
                outlines.append(_only(group[OUTLINE], drawn[start : start + GROUP_ROWS]))
                yield pa.table({name: _column(values) for name, values in group.items()})
                del group  # before the next is made
                if len(rows) > GROUP_ROWS * HELD_GROUPS:
                    pa.default_memory_pool().release_unused()

        with replacing(target) as file:
            hashed = Hashed(file)
            write_parquet(hashed, groups())
        return outline_series(pa.concat_arrays(outlines)), hashed.hexdigest()

    def _first_read(self, file: BatchFile, name: str, number: int) -> pa.Table:
        """A table of cells, with its polygons as long as all cells so far may be kept."""
        if name != "cells" or len(self._kept) < number:
            return file.table(name, [column for column in file.columns(name) if column != _POLYGONS])
        table = file.table(name)
        if table.num_rows + sum(map(len, self._kept.values())) <= HELD_GROUPS * GROUP_ROWS:
            self._kept[number] = table
        else:
            self._kept.clear()
        return table

    def _cells(self, number: int) -> pa.Table:
        return self._kept.pop(number) if number in self._kept else self._proven(number).table("cells")

    def _proven(self, number: int) -> BatchFile:
        file = BatchFile.proven(self.paths[number])
        if file is None:
            raise SlideFailedError(
                "BATCH_LOST",
                f"{self.name}: batch {number} was written and is gone or altered. Run again to redo it.",
            )
        return file


def _column(values: NDArray[Any] | pa.ListArray) -> pa.Array:
    """A column of a table; what is no number is missing in it."""
    if isinstance(values, pa.ListArray):
        return values
    # Arrow looks at one number after the other, and few columns have gaps
    return pa.array(values, from_pandas=bool(values.dtype.kind == "f" and np.isnan(values).any()))


def _only(lists: pa.ListArray, drawn: NDArray[np.bool_]) -> pa.ListArray:
    """These lists, and empty ones in place of all others."""
    if drawn.all():
        return lists
    sizes = np.diff(lists.offsets.to_numpy())
    offsets = np.concatenate([[0], np.cumsum(np.where(drawn, sizes, 0))]).astype(np.int32)
    points = lists.flatten().to_numpy()[np.repeat(drawn, sizes)]
    return pa.ListArray.from_arrays(pa.array(offsets), pa.array(points))
