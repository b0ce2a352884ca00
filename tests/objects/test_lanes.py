from __future__ import annotations

import numpy as np
import pytest
from numba import njit
from scipy import ndimage

from histoquant.objects.label_runs import LabelRuns
from histoquant.objects.lanes import LARGE, SMALL, draw, pieces, shrink
from histoquant.objects.necks import _ACROSS, _DEPTHS, _NEAR
from histoquant.objects.split import _set_depths


@njit
def _pieces(masks: np.ndarray, k: int) -> int:
    return pieces(masks, k)


@njit
def _shrink(masks: np.ndarray, k: int, inside: int, near: int, across: int) -> int:
    return shrink(masks, k, inside, near, across)


def _drawn(mask: np.ndarray, word: type, count: int) -> np.ndarray:
    """Masks of which number 0 is everything and number 1 this one, with its upper left pixel at (1, 1)."""
    out = np.zeros((count, np.dtype(word).itemsize * 8), word)
    out[0] = ~word(0)
    draw(LabelRuns.of_all(mask.astype(np.int32)).spans, 0, 0, out[1])
    return out


def _pixels(rows: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    bits = (rows[:, None] >> np.arange(len(rows), dtype=rows.dtype)) & rows.dtype.type(1)
    assert bits.sum() == bits[1 : shape[0] + 1, 1 : shape[1] + 1].sum()
    return bits[1 : shape[0] + 1, 1 : shape[1] + 1].astype(bool)


@pytest.mark.parametrize(("word", "side"), [(np.uint32, SMALL), (np.uint64, LARGE)])
@pytest.mark.parametrize("share", [0.1, 0.5, 0.8, 1.0])
def test_pieces_are_those_of_scipy_less_the_holes(word: type, side: int, share: float) -> None:
    for seed in range(5):
        mask = np.random.default_rng(seed).random((side, side)) < share
        masks = _drawn(mask, word, 2)
        assert (_pixels(masks[1], mask.shape) == mask).all()
        holes = ndimage.label(np.pad(~mask, 1, constant_values=True))[1] - 1
        assert _pieces(masks, 1) == ndimage.label(mask, np.ones((3, 3)))[1] - holes


@pytest.mark.parametrize(("word", "side"), [(np.uint32, SMALL), (np.uint64, LARGE)])
@pytest.mark.parametrize("detail", [0.0, 1.0, 4.0])
def test_what_is_left_of_an_object_are_its_deep_pixels(word: type, side: int, detail: float) -> None:
    noise = ndimage.gaussian_filter(np.random.default_rng(side).normal(size=(side, side)), detail)
    for mask in (noise > np.quantile(noise, 0.2), np.ones_like(noise, bool)):
        masks = _drawn(mask, word, len(_DEPTHS))
        depth = np.empty((side + 2, side + 2), np.int32)
        _set_depths(mask.astype(np.int32), 1, depth)
        depth = depth[1:-1, 1:-1]
        for k in range(2, len(_DEPTHS)):
            found = _shrink(masks, k, 1, _NEAR[k], _ACROSS[k])
            assert (_pixels(masks[k], mask.shape) == (depth >= _DEPTHS[k])).all()
            assert found == _pieces(masks, k)
        assert depth.max() < _DEPTHS[-1]
