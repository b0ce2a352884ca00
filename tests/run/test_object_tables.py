"""A slide's table of cells, made of its parts: all at once, or from files group by group."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import cast

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from histoquant.errors import SlideFailedError
from histoquant.markers import get_marker
from histoquant.objects import outlines
from histoquant.objects.outline_steps import steps_of
from histoquant.run import cell_files, object_tables
from histoquant.run.assemble import order_cells
from histoquant.run.cell_files import CellFiles
from histoquant.run.cell_order import CellOrder
from histoquant.run.object_tables import CellRows, _outlines, cell_table
from histoquant.run.plan import SlidePlan
from histoquant.store.atomic import file_sha256
from histoquant.store.batch_file import Batch, write_batch
from histoquant.testing import cell_table as random_cells

PLAN = cast(SlidePlan, SimpleNamespace(plane_factor_xy=(2.0, 4.0)))
Parts = list[list[int]]


def moved(corners: list[int]) -> list[float]:
    return [value * (2.0, 4.0)[at % 2] - 0.5 for at, value in enumerate(corners)]


def as_steps(rows: Parts, seeds: NDArray[np.int32]) -> pa.RecordBatch:
    """Polygons of corners as a tile holds them: steps from the seed and from corner to corner."""
    steps = [
        np.diff(np.append(seed, row).reshape(-1, 2), axis=0).ravel()
        for row, seed in zip(rows, seeds, strict=True)
    ]
    columns = {
        "outline": pa.array(steps, pa.list_(pa.int16())),
        "seed_x_px": seeds[:, 0],
        "seed_y_px": seeds[:, 1],
    }
    return pa.RecordBatch.from_pydict(columns)


@settings(deadline=None)
@given(st.data())
def test_outlines_are_those_of_the_kept_rows_in_their_order(data: st.DataObject) -> None:
    polygon = st.lists(st.integers(0, 60), max_size=4).map(lambda half: half + half)
    parts: list[Parts] = data.draw(st.lists(st.lists(polygon, max_size=4), max_size=4))
    rows = [row for part in parts for row in part]
    kept = data.draw(st.permutations(range(len(rows))))[: data.draw(st.integers(0, len(rows)))]
    generator = np.random.default_rng(len(rows))
    batches = [as_steps(part, generator.integers(0, 90, (len(part), 2), np.int32)) for part in parts]
    found = _outlines(PLAN, batches, np.array(kept, np.int64)).to_pylist()
    assert found == [moved(rows[at]) for at in kept]


def test_a_sliced_part_gives_its_own_rows() -> None:
    rows = [[9, 9], [0, 1], [2, 3, 4, 5]]
    whole = as_steps(rows, np.array([[1, 2], [3, 4], [5, 6]], np.int32))
    found = _outlines(PLAN, [whole[1:]], np.array([1, 0])).to_pylist()
    assert found == [moved(rows[2]), moved(rows[1])]


def test_a_traced_outline_comes_back_from_its_steps() -> None:
    labels = np.zeros((20, 30), np.int32)
    labels[3:9, 4:11], labels[5:7, 7:15], labels[12:19, 20:29] = 1, 1, 2
    shapes, seeds = outlines(labels), np.array([[5, 6], [15, 25]], np.int32)
    steps = pa.ListArray.from_arrays(pa.array(2 * shapes.offsets), pa.array(steps_of(shapes, seeds).ravel()))
    at = seeds + np.array([1000, 3000], np.int32)  # of a window that begins there
    part = pa.RecordBatch.from_pydict({"outline": steps, "seed_x_px": at[:, 1], "seed_y_px": at[:, 0]})
    for index, flat in enumerate(_outlines(PLAN, [part], np.array([0, 1])).to_pylist()):
        plane = shapes.polygon(index).astype(np.int64) + np.array([3000, 1000])
        assert flat == moved(plane.ravel().tolist())


CELLS_PLAN = cast(
    SlidePlan,
    SimpleNamespace(
        marker=get_marker("CD20"),
        threshold_od=0.2,
        plane_mpp=0.5,
        plane_factor_xy=(2.0, 2.0),
        mpp_xy=(0.25, 0.25),
    ),
)


def cells_of_parts(sizes: list[int]) -> list[pa.Table]:
    """Cells with outlines at random places, each part's spread over the whole slide."""
    rows = sum(sizes)
    generator = np.random.default_rng(rows)
    table = random_cells(rows)
    seeds = generator.permutation(900)[:rows]
    for axis, place in (("y", seeds // 30), ("x", seeds % 30)):
        table[f"seed_{axis}_px"] = (20 * place).astype(np.int32)
        table[f"centroid_{axis}_px"] = 20.0 * place + 0.25
    steps = [generator.integers(-9, 9, 2 * count) for count in generator.integers(3, 9, rows)]
    whole = pa.Table.from_pandas(table).append_column("outline", pa.array(steps, pa.list_(pa.int16())))
    return [whole.slice(end - size, size) for end, size in zip(np.cumsum(sizes).tolist(), sizes, strict=True)]


@pytest.mark.parametrize("sizes", [[40], [0], [30, 0, 50], [3, 90, 1, 70, 33], [25] * 12])
@pytest.mark.parametrize("group", [1, 7, 64, 1000])
def test_groups_from_files_are_the_table_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sizes: list[int], group: int
) -> None:
    parts = cells_of_parts(sizes)
    whole = cell_table(CELLS_PLAN, parts)
    assert whole["cell_id"].is_monotonic_increasing
    paths = [tmp_path / f"batch-{number:06d}.hqb" for number in range(len(parts))]
    for path, part in zip(paths, parts, strict=True):
        write_batch(path, Batch({"cells": part, "excluded_cells": part.drop_columns(["outline"])[:0]}, {}))
    for module in (cell_files, object_tables):
        monkeypatch.setattr(module, "GROUP_ROWS", group)
    files = CellFiles(CELLS_PLAN, paths, "a.tif")
    _, counted, excluded = files.read_judged()
    ordered = order_cells(CELLS_PLAN, counted, excluded)
    assert ordered.unexcluded is None
    drawn = np.arange(len(whole)) % 3 == 0
    outlines, sha256 = files.write_table(tmp_path / "cells.parquet", ordered.cells, drawn)
    assert sha256 == file_sha256(tmp_path / "cells.parquet")
    stored = pq.read_table(tmp_path / "cells.parquet")
    assert stored.equals(pa.Table.from_pandas(whole, preserve_index=False).replace_schema_metadata(None))
    expected = [
        list(flat) if shown else [] for flat, shown in zip(whole["outline_xy_px"], drawn, strict=True)
    ]
    assert [list(flat) for flat in outlines] == expected
    shared = [name for name in ordered.cells.table.columns if name in whole]
    pd.testing.assert_frame_equal(ordered.cells.table[shared], whole[shared], check_exact=True)


@pytest.mark.parametrize("group", [20, 19])
def test_few_cells_are_read_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, group: int) -> None:
    paths = [tmp_path / f"batch-{number:06d}.hqb" for number in range(2)]
    for path, part in zip(paths, cells_of_parts([23, 17]), strict=True):
        write_batch(path, Batch({"cells": part, "excluded_cells": part.drop_columns(["outline"])[:0]}, {}))
    monkeypatch.setattr(cell_files, "GROUP_ROWS", group)
    files = CellFiles(CELLS_PLAN, paths, "a.tif")
    _, counted, excluded = files.read_judged()
    ordered = order_cells(CELLS_PLAN, counted, excluded).cells
    for path in paths:
        path.unlink()
    drawn = np.ones(len(ordered.rows), bool)
    if 2 * group < 40:
        with pytest.raises(SlideFailedError, match="was written and is gone"):
            files.write_table(tmp_path / "cells.parquet", ordered, drawn)
    else:
        outlines, _ = files.write_table(tmp_path / "cells.parquet", ordered, drawn)
        assert len(outlines) == len(ordered.rows)


def test_a_batch_that_is_gone_is_told(tmp_path: Path) -> None:
    files = CellFiles(CELLS_PLAN, [tmp_path / "batch-000000.hqb"], "a.tif")
    with pytest.raises(SlideFailedError, match=r"a\.tif: batch 0 was written and is gone"):
        files.read_judged()


def test_cells_of_more_batches_than_16_bits_count_are_found_in_theirs() -> None:
    many = 70_000
    order = SimpleNamespace(rows=np.array([0, 65_536, many - 1]), starts=np.arange(many + 1))
    rows = CellRows(CELLS_PLAN, cast(CellOrder, order), [lambda: pa.table({})] * many)
    assert rows._parts_of(0, 3).tolist() == [0, 65_536, many - 1]
