from __future__ import annotations

import numpy as np
import pytest

from histoquant.objects import Planes
from histoquant.objects.stained import SHIFTS, find_stained
from histoquant.run.stained_tile import block_px, owned_tables


@pytest.mark.parametrize("plane_yx", [(0, 0), (95, 230), (1000, 7)])
@pytest.mark.parametrize("share", [0.7, 1.0])
def test_blocks_hold_what_is_stained_and_counted_in_the_core(plane_yx: tuple[int, int], share: float) -> None:
    rng = np.random.default_rng(4)
    dab = np.repeat(np.repeat(rng.integers(0, 700, (20, 26)), 12, axis=0), 12, axis=1).astype(np.int16)
    zeros = np.zeros_like(dab)
    stained = find_stained(Planes(zeros, dab, zeros, np.ones(dab.shape, bool), 0.5), 0.3)
    counted, core_yx = rng.random((170, 211)) < share, (31, 44)
    counted[::17, rng.integers(0, 211)] = False
    tables, counts = owned_tables(stained, counted, core_yx, plane_yx, 0.5)
    core = np.s_[core_yx[0] : core_yx[0] + counted.shape[0], core_yx[1] : core_yx[1] + counted.shape[1]]
    for k, area in enumerate(stained.area):
        assert counts[f"stained_px_{k}"] == np.count_nonzero(area.mask()[core] & counted)
    wanted: dict[tuple[int, int], int] = {}
    for y, x in np.argwhere(stained.area[SHIFTS.index(1.0)].mask()[core] & counted) + plane_yx:
        block = (int(y) // block_px(0.5), int(x) // block_px(0.5))
        wanted[block] = wanted.get(block, 0) + 1
    rows = tables["stained_blocks"].to_pylist()
    assert {(row["block_y"], row["block_x"]): row["stained_px"] for row in rows} == wanted
    assert len(rows) == len(wanted) > 3
