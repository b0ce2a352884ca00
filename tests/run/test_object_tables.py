"""Outlines of a slide's cells, filled part by part into the order of the whole table."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from histoquant.run.object_tables import _outlines
from histoquant.run.plan import SlidePlan

PLAN = cast(SlidePlan, SimpleNamespace(plane_factor_xy=(2.0, 4.0)))
Parts = list[list[list[float]]]


def moved(flat: list[float]) -> list[float]:
    return [(value + 0.5) * (2.0, 4.0)[at % 2] - 0.5 for at, value in enumerate(flat)]


@settings(deadline=None)
@given(st.data())
def test_outlines_are_those_of_the_kept_rows_in_their_order(data: st.DataObject) -> None:
    polygon = st.lists(st.integers(0, 60), max_size=4).map(lambda half: [float(v) for v in half + half])
    parts: Parts = data.draw(st.lists(st.lists(polygon, max_size=4), max_size=4))
    rows = [row for part in parts for row in part]
    kept = data.draw(st.permutations(range(len(rows))))[: data.draw(st.integers(0, len(rows)))]
    kind = pa.list_(pa.float32())
    chunks: list[Any] = [pa.array(part, kind) for part in parts]
    found = _outlines(PLAN, pa.chunked_array(chunks, kind), np.array(kept, np.int64))
    assert [list(one) for one in found] == [moved(rows[at]) for at in kept]


def test_a_sliced_part_gives_its_own_rows() -> None:
    whole = pa.array([[9.0, 9.0], [0.0, 1.0], [2.0, 3.0, 4.0, 5.0]], pa.list_(pa.float32()))
    found = _outlines(PLAN, pa.chunked_array([whole[1:]]), np.array([1, 0]))
    assert [list(one) for one in found] == [moved([2.0, 3.0, 4.0, 5.0]), moved([0.0, 1.0])]
