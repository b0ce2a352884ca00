"""The queue: fields on tissue, apart, fairly from each slide, under names that tell nothing."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from histoquant.errors import UsageError
from histoquant.review.queue import LEAST_TISSUE, draw_fields
from histoquant.review.tissue_grid import TissueGrid


def grids(rng: np.random.Generator, slides: int) -> dict[str, TissueGrid]:
    masks = [np.zeros((120, 150), bool) for _ in range(slides)]
    for mask in masks:
        mask[10 : 10 + rng.integers(40, 100), 5 : 5 + rng.integers(40, 140)] = True
    return {f"P{n:02d}_T1_V1_CD68": TissueGrid(mask, 8.0) for n, mask in enumerate(masks)}


@settings(max_examples=30)
@given(st.integers(0, 2**32 - 1), st.integers(1, 5), st.integers(1, 40))
def test_fields_lie_on_tissue_and_apart(seed: int, slides: int, fields: int) -> None:
    rng = np.random.default_rng(seed)
    tissue = grids(rng, slides)
    items = draw_fields(tissue, fields, 160.0, rng)
    assert 0 < len(items) <= fields
    assert len({item.item for item in items}) == len(items)
    for slide_id, grid in tissue.items():
        covered = np.zeros(grid.mask.shape, int)
        for item in (one for one in items if one.slide_id == slide_id):
            y, x, n = int(item.y_um / 8), int(item.x_um / 8), 20
            assert grid.mask[y : y + n, x : x + n].mean() >= LEAST_TISSUE
            covered[y : y + n, x : x + n] += 1
        assert covered.max() <= 1
    counts = [sum(item.slide_id == name for item in items) for name in tissue]
    if len(items) == fields:
        assert max(counts) - min(counts) <= 1 or min(counts) < fields // slides


def test_names_and_order_hold_nothing_of_the_slide() -> None:
    rng = np.random.default_rng(1)
    tissue = grids(rng, 4)
    queues = [draw_fields(tissue, 12, 160.0, np.random.default_rng(seed)) for seed in range(60)]
    firsts = [queue[0].slide_id for queue in queues]
    assert set(firsts) == set(tissue)  # every slide comes first for some seed
    renamed = dict(zip(["x", "y", "zz", "a"], tissue.values(), strict=True))
    other = draw_fields(renamed, 12, 160.0, np.random.default_rng(5))
    assert [item.item for item in other] == [item.item for item in queues[5]]
    assert draw_fields(tissue, 12, 160.0, np.random.default_rng(5)) == queues[5]


def test_whole_slides_and_no_room() -> None:
    tissue = grids(np.random.default_rng(1), 3)
    whole = draw_fields(tissue, 0, 160.0, np.random.default_rng(1))
    assert sorted(item.slide_id for item in whole) == sorted(tissue)
    assert {(item.width_um, item.height_um) for item in whole} == {(1200.0, 960.0)}
    with pytest.raises(UsageError, match="smaller --field-um"):
        draw_fields(tissue, 5, 5000.0, np.random.default_rng(1))
