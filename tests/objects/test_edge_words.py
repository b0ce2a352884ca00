from __future__ import annotations

import numpy as np
import pytest

from histoquant.objects.edge_lanes import LANES
from histoquant.objects.edge_words import edge_words, step_kind
from histoquant.objects.ground import framed
from histoquant.objects.steep_zone import steepest_room

SHAPES = [(1, 1), (1, LANES + 1), (40, 1), (2, 2), (9, LANES - 1), (5, LANES), (11, 2 * LANES + 3)]


def _told(levels, dark, doubt, blocked, reach, y, x) -> tuple[int, int, int, int]:
    """Free edges, edges to what is blocked, their steps, and the largest step from dark to light."""
    (height, width), free, taken, steps, most = levels.shape, 0, 0, 0, 0
    for dy, dx in ((-1, 0), (1, 0), (0, -1), (0, 1)):
        yo, xo = y + dy, x + dx
        if not (0 <= yo < height and 0 <= xo < width):
            continue
        if blocked[yo, xo]:
            taken += 1
        elif levels[yo, xo] != levels[y, x]:
            sign = 1 if levels[y, x] > levels[yo, xo] else -1
            this = dark[np.clip(y - reach * dy, 0, height - 1), np.clip(x - reach * dx, 0, width - 1)]
            other = dark[np.clip(yo + reach * dy, 0, height - 1), np.clip(xo + reach * dx, 0, width - 1)]
            outside = doubt[yo, xo] if sign > 0 else doubt[y, x]
            step = sign * (int(this) - int(other)) - int(outside)
            free, steps, most = free + sign, steps + sign * step, max(most, step)
    return free, taken, steps, most


@pytest.mark.parametrize("kind", [np.int16, np.int32])
@pytest.mark.parametrize("reach", [0, 1, 3])
@pytest.mark.parametrize("shape", SHAPES)
def test_words_hold_the_four_edges_of_every_free_pixel(
    shape: tuple[int, int], reach: int, kind: type
) -> None:
    rng = np.random.default_rng(sum(shape) + reach)
    for share in (0.0, 0.3, 1.0):
        blocked = (rng.random(shape) < share).astype(np.uint8)
        levels = rng.choice([0, 1, 2, 254, 255], shape).astype(np.uint8)
        levels[blocked > 0] = 0
        dark, doubt = rng.integers(0, 4001, shape).astype(kind), rng.integers(0, 500, shape).astype(kind)
        given = framed(levels, blocked)
        steepest = steepest_room(given.shape, step_kind(dark, doubt))
        words = edge_words(given, dark, doubt, blocked, reach, steepest).astype(np.int64)
        without = edge_words(given, dark, None, None, reach).astype(np.int64)
        assert words.shape == without.shape == given.shape
        largest = np.zeros(given.shape, np.int64)
        for y, x in np.argwhere(blocked == 0):
            free, taken, steps, most = _told(levels, dark, doubt, blocked, reach, y, x)
            word = words[y + 1, x + 1]
            assert ((word & 15) - 8, (word >> 4) & 15, word >> 8) == (free, taken, steps)
            largest[y + 1, x + 1] = most
            free, _, steps, _ = _told(levels, dark, 0 * doubt, 0 * blocked, reach, y, x)
            assert without[y + 1, x + 1] == 256 * steps + free + 8
        # either pixel of an edge may hold its step
        assert steepest.max() == largest.max()
