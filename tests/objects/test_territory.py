from __future__ import annotations

import numpy as np
import pytest

from histoquant.objects.territory import UNIT, territories


def _chamfer(shape: tuple[int, int], y: int, x: int) -> np.ndarray:
    """Shortest 5-7-11 path from one pixel to every other, in closed form."""
    dy, dx = np.abs(np.arange(shape[0]) - y)[:, None], np.abs(np.arange(shape[1]) - x)[None]
    long, short = np.maximum(dy, dx), np.minimum(dy, dx)
    flat = 5 * (long - 2 * short) + 11 * short
    steep = 11 * (long - short) + 7 * (2 * short - long)
    return np.where(long >= 2 * short, flat, steep)


# bands of 64 rows meet within the tall one; the reach of a row is taken in one, two and three strides
@pytest.mark.parametrize("shape", [(150, 21), (5, 90), (1, 30), (30, 1)])
@pytest.mark.parametrize("reach_px", [0.0, 1.0, 2.5, 6.0, 12.0, 40.0])
@pytest.mark.parametrize("largest", [9, 1 << 22])
def test_every_pixel_goes_to_the_nearest_then_the_lower_label(
    shape: tuple[int, int], reach_px: float, largest: int
) -> None:
    rng = np.random.default_rng(round(reach_px * 10) + shape[0])
    labels = np.zeros(shape, np.int32)
    labels[rng.integers(0, shape[0], 9), rng.integers(0, shape[1], 9)] = rng.integers(1, 10, 9)
    nearest, owner = np.full(shape, 1 << 30), np.zeros(shape, np.int32)
    for y, x in np.argwhere(labels > 0):
        far, label = _chamfer(shape, y, x), labels[y, x]
        better = (far < nearest) | ((far == nearest) & (label < owner))
        nearest, owner = np.where(better, far, nearest), np.where(better, label, owner)
    within = nearest <= round(reach_px * UNIT)
    found = territories(labels, reach_px, largest)
    assert (found.owner == np.where(within, owner, 0)).all()
    assert (found.distance == np.where(within, nearest, 0)).all()
