from __future__ import annotations

import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from scipy import ndimage

from histoquant.objects.choose import best_regions
from histoquant.objects.level_tree import (
    AREA,
    BLOCKED,
    EDGES,
    MAX_X,
    MIN_Y,
    STEP,
    SUM_XY,
    LevelTree,
    level_tree,
)
from histoquant.objects.smoothing import smooth, weights

sys.path.insert(0, str(Path(__file__).parent))


def _case(seed: int) -> tuple[np.ndarray, ...]:
    rng = np.random.default_rng(seed)
    image = cv2.GaussianBlur(rng.normal(0, 1, (40, 37)), (0, 0), 1.5) * 3
    levels = np.clip(image * 3, 0, 255).astype(np.uint8)
    dark = rng.integers(0, 500, levels.shape).astype(np.int32)
    doubt = rng.integers(0, 50, levels.shape).astype(np.int32)
    blocked = np.zeros(levels.shape, np.uint8)
    blocked[10:16, 5:30] = 1
    return levels, dark, doubt, blocked


def _regions(levels: np.ndarray) -> list[np.ndarray]:
    """All regions by thresholding, each once."""
    seen: dict[bytes, np.ndarray] = {}
    for level in range(1, int(levels.max()) + 1):
        labels, count = ndimage.label(levels >= level)
        for i in range(1, count + 1):
            mask = labels == i
            seen[mask.tobytes()] = mask
    return list(seen.values())


@pytest.mark.parametrize("seed", [0, 1, 2])
@pytest.mark.parametrize("reach", [0, 1])
def test_regions_and_their_sums_are_those_of_thresholding(seed: int, reach: int) -> None:
    levels, dark, doubt, blocked = _case(seed)
    tree = level_tree(levels, dark, doubt, blocked, reach)
    free = np.where(blocked, 0, levels)
    expected = {mask.tobytes(): mask for mask in _regions(free)}
    assert len(tree.parent) == len(expected)
    for node in range(len(tree.parent)):
        mask = _mask(tree, node, levels.shape)
        assert mask.tobytes() in expected
        ys, xs = np.nonzero(mask)
        row = tree.sums[node]
        assert (row[AREA], row[SUM_XY], row[MAX_X], row[MIN_Y]) == (
            mask.sum(),
            (xs * ys).sum(),
            xs.max(),
            ys.min(),
        )
        assert (row[EDGES], row[BLOCKED], row[STEP]) == _edges(mask, dark, doubt, blocked, reach)


def _mask(tree: LevelTree, node: int, shape: tuple[int, int]) -> np.ndarray:
    inside = np.zeros(len(tree.parent), bool)
    for k in range(len(tree.parent)):
        inside[k] = k == node or (tree.parent[k] != k and inside[tree.parent[k]])
    mask = np.zeros(shape[0] * shape[1], bool)
    mask[tree.pixels[inside[tree.node_of]]] = True
    return mask.reshape(shape)


def _edges(mask, dark, doubt, blocked, reach) -> tuple[int, int, int]:
    h, w = mask.shape
    free = taken = step = 0
    for y, x in zip(*np.nonzero(mask), strict=True):
        for dy, dx in ((-1, 0), (1, 0), (0, -1), (0, 1)):
            yo, xo = y + dy, x + dx
            if not (0 <= yo < h and 0 <= xo < w) or mask[yo, xo]:
                continue
            if blocked[yo, xo]:
                taken += 1
                continue
            free += 1
            inner = dark[np.clip(y - reach * dy, 0, h - 1), np.clip(x - reach * dx, 0, w - 1)]
            outer = dark[np.clip(yo + reach * dy, 0, h - 1), np.clip(xo + reach * dx, 0, w - 1)]
            step += int(inner) - int(outer) - int(doubt[yo, xo])
    return free, taken, step


def test_the_choice_has_the_largest_total() -> None:
    rng = np.random.default_rng(4)
    for _ in range(30):
        count = 12
        parent = np.array([0] + [int(rng.integers(0, k)) for k in range(1, count)], np.int32)
        scores = rng.integers(0, 20, count)
        tree = LevelTree(
            np.zeros(0, np.int32), np.zeros(0, np.int32), parent, np.zeros((count, 13), np.int64)
        )
        label = best_regions(tree, scores)
        tops = [k for k in range(count) if label[k] > 0 and (k == 0 or label[parent[k]] != label[k])]
        assert sum(scores[k] for k in tops) == _best(parent, scores, 0)


def _best(parent: np.ndarray, scores: np.ndarray, node: int) -> int:
    inside = sum(_best(parent, scores, k) for k in range(node + 1, len(parent)) if parent[k] == node)
    return max(int(scores[node]), inside)


@pytest.mark.parametrize("sigma", [0.4, 1.6, 4.0])
def test_smoothing_is_a_gaussian_in_integers(sigma: float) -> None:
    plane = np.random.default_rng(0).integers(-300, 3000, (60, 70)).astype(np.int16)
    assert weights(sigma).sum() == 4096
    wanted = ndimage.gaussian_filter(plane.astype(float), sigma, mode="nearest", truncate=3.0)
    assert np.abs(smooth(plane, sigma) - wanted).max() < 4.0
    assert (smooth(plane, 0.0) == plane).all()


def test_smoothing_does_not_know_the_window() -> None:
    plane = np.random.default_rng(1).integers(-300, 3000, (90, 95)).astype(np.int16)
    part = smooth(np.ascontiguousarray(plane[11:80, 7:90]), 1.6)
    assert (part[5:-5, 5:-5] == smooth(plane, 1.6)[16:75, 12:85]).all()
