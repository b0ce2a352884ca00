"""What borders an area of glass, pixel by pixel."""

from __future__ import annotations

import math

import cv2
import numpy as np
import pytest

from histoquant.objects.vessels_glass import LEVELS_MOD, _borders, find_glass
from histoquant.objects.vessels_params import VesselParams

MPP = 0.5


def _field(seed: int, shape: tuple[int, int], sigma: float, level: float) -> np.ndarray:
    noise = np.random.default_rng(seed).normal(size=shape)
    soft = cv2.GaussianBlur(noise, (0, 0), sigma)
    return np.asarray(soft > level * soft.std())


def _by_pixel(labels: np.ndarray, walls: np.ndarray, radius: int) -> tuple[np.ndarray, list[tuple[int, int]]]:
    """Border, walled border and directions of each area, and the nearest walls, by definition."""
    sums, beside = np.zeros((labels.max() + 1, 4), np.int64), []
    framed = np.pad(labels, 1)
    for y, x in np.argwhere(labels):
        area = labels[y, x]
        around = framed[[y, y + 2, y + 1, y + 1], [x + 1, x + 1, x, x + 2]]
        if (around == area).all():
            continue
        sums[area, 0] += 1
        found = [
            (dy * dy + dx * dx, dy, dx)
            for dy in range(-radius, radius + 1)
            for dx in range(-radius, radius + 1)
            if dy * dy + dx * dx <= radius * radius
            and 0 <= y + dy < labels.shape[0]
            and 0 <= x + dx < labels.shape[1]
            and walls[y + dy, x + dx] > 0
        ]
        if found:
            far, dy, dx = min(found)
            length = math.sqrt(max(1, far))
            sums[area, 1:] += 1, round(1000 * dy / length), round(1000 * dx / length)
            beside.append((int(area) - 1, int(walls[y + dy, x + dx])))
    return sums[1:], sorted(beside)


@pytest.mark.parametrize("shape", [(1, 30), (25, 1), (90, 150)])
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_borders_and_walls_are_counted_as_defined(shape: tuple[int, int], seed: int) -> None:
    pale = _field(seed, shape, 2.0, 0.3)
    stained = np.uint8(_field(seed + 9, shape, 1.2, 0.8) & ~pale)
    _, walls, stats, _ = cv2.connectedComponentsWithStats(stained, connectivity=8)
    x0, y0, width, height = stats[1:, :4].astype(np.int64).T
    clear = np.where(pale, LEVELS_MOD[0] - 1, LEVELS_MOD[0]).astype(np.int16)
    glass, *lower = find_glass(clear, (True, False, False, True), VesselParams(), MPP)
    assert all(len(level.box) == 0 for level in lower)
    assert len(glass.box) > (3 if min(shape) > 1 else 0)
    labels = np.zeros(shape, np.int32)
    glass.runs.paint(labels, np.arange(1, len(glass.box) + 1, dtype=np.int32))
    for area, box in enumerate(glass.box, 1):
        y, x = np.nonzero(labels == area)
        assert tuple(box) == (y.min(), x.min(), y.max() + 1, x.max() + 1)
        assert glass.cut[area - 1] == (box[0] == 0 or box[3] == shape[1])
    sums, beside = _borders(glass.runs, glass.box, np.stack([y0, x0, y0 + height, x0 + width], 1), walls, 3)
    wanted, pairs = _by_pixel(labels, walls, 3)
    walled = wanted[:, 1] > 0
    assert np.array_equal(sums[walled], wanted[walled])
    assert not sums[~walled, 1:].any()
    assert sorted((int(b) >> 32, int(b) & 0xFFFFFFFF) for b in beside) == pairs
