from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from histoquant.objects.ground import Found, Ground, counts_of, framed
from histoquant.objects.steep_zone import BLOCK
from histoquant.objects.waiting import FIRST, Waiting

SHAPES = ((1, 1), (1, 30), (30, 1), (6, 6), (19, 37))


@pytest.mark.parametrize("shape", SHAPES)
def test_a_framed_window_is_free_of_what_is_blocked_and_counted(shape: tuple[int, int]) -> None:
    rng = np.random.default_rng(1)
    levels = rng.integers(0, 256, shape).astype(np.uint8)
    blocked = (rng.random(shape) < 0.3).astype(np.uint8)
    for taken in (None, blocked):
        found = framed(levels, taken)
        height, width = shape
        free = levels if taken is None else np.where(taken > 0, np.uint8(0), levels)
        assert (found[1 : height + 1, 1 : width + 1] == free).all()
        assert found.shape[1] % 8 == 0
        assert found.sum(dtype=int) == free.sum(dtype=int)
        assert (counts_of(free) == np.bincount(free.ravel(), minlength=256)[1:]).all()


@pytest.mark.parametrize("shape", SHAPES)
def test_peaks_are_as_dark_as_any_beside_and_one_is_in_every_summit(shape: tuple[int, int]) -> None:
    levels = framed(np.random.default_rng(2).integers(0, 5, shape).astype(np.uint8), None)
    ground = Ground.of(levels, np.zeros(levels.shape, np.int32))
    ys, xs = np.divmod(ground.peaks.astype(int), ground.width)
    beside = [levels[ys + dy, xs + dx] for dy, dx in ((-1, 0), (0, -1), (0, 1), (1, 0))]
    assert (levels[ys, xs] >= np.max(beside, axis=0, initial=1)).all()
    # of neighbours that are alike it is the first
    wanted = 0
    for y, x in np.ndindex(shape):
        here, (above, before, after, below) = (
            levels[y + 1, x + 1],
            (levels[y, x + 1], levels[y + 1, x], levels[y + 1, x + 2], levels[y + 2, x + 1]),
        )
        wanted += int(here > max(above, before) and here >= max(after, below))
    assert len(ground.peaks) == wanted
    assert (ground.unmet == ground.levels).all()


@pytest.mark.parametrize("shape", SHAPES)
def test_regions_of_what_is_meant_hold_a_peak(shape: tuple[int, int]) -> None:
    rng = np.random.default_rng(4)
    levels = framed(rng.integers(0, 5, shape).astype(np.uint8), None)
    words, blocks = np.zeros(levels.shape, np.int32), (-(-levels.shape[0] // BLOCK), levels.shape[1])
    for share in (0.0, 0.1, 0.5, 1.0):
        meant = np.where(rng.random(blocks) < share, np.uint8(255), np.uint8(0))
        peaks = Ground.of(levels, words, meant).peaks
        held = np.repeat(meant, BLOCK, axis=0)[: len(levels)] > 0
        assert held.ravel()[peaks].all()
        for level in range(1, 5):
            regions, _ = ndimage.label(levels >= level)
            wanted = regions[held & (levels == level)]
            assert set(wanted) <= set(regions.ravel()[peaks])
        y0, x0, y1, x1 = (*rng.integers(-2, 12, 2), *rng.integers(1, 40, 2))
        inside = np.zeros_like(held)
        inside[max(y0, 0) : y1, max(x0, 0) : x1] = True
        boxed = Ground.of(levels, words, meant, (y0, x0, y1, x1)).peaks
        assert (held & inside).ravel()[boxed].all()
        for level in range(1, 5):
            regions, _ = ndimage.label(levels >= level)
            assert set(regions[held & inside & (levels == level)]) <= set(regions.ravel()[boxed])
        if share == 1.0:
            assert (peaks == Ground.of(levels, words).peaks).all()


def test_every_level_has_room_for_its_pixels() -> None:
    counts = np.random.default_rng(3).integers(0, 9, 255)
    waiting = Waiting.of(counts)
    slots, stacks = waiting.slots, int(FIRST)
    first = slots[stacks : 2 * stacks].astype(int)
    assert (np.diff(np.append(first[1:256], len(slots))) == counts).all()
    # what was met before shares one place, which belongs to no level
    assert set(first[[0, *range(256, stacks)]]) == {first[1] - 1} == {2 * stacks}
    assert (slots[:stacks] == first).all()
    assert len(Found.room(100, 9).chosen) >= 100 // 9
