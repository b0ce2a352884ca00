"""Pieces of wall and the gaps between them, against their definitions."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from scipy import ndimage

from histoquant.objects.vessels_join import _close_pairs, _closest
from histoquant.objects.vessels_nodes import Pieces, StainWindow, brown_mod, find_pieces, inside_rim
from histoquant.objects.vessels_params import VesselParams

MPP = 0.5
PARAMS = VesselParams(grow_um=2.0)
EDGES = (True, False, True, False)
RIM = (6, 0, 6, 0)


def _stain(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Smooth brown and blue, thousandths of optical density."""
    noise = np.random.default_rng(seed).normal(size=(2, 90, 120))
    soft = [cv2.GaussianBlur(plane, (0, 0), 2.0) for plane in noise]
    brown, blue = (140 * plane / plane.std() for plane in soft)
    return brown.astype(np.int16), np.maximum(blue, -50).astype(np.int16)


def _pieces(seed: int) -> Pieces:
    smooth, blue = _stain(seed)
    return find_pieces(StainWindow(smooth, brown_mod(smooth, blue, 600), EDGES, RIM), PARAMS, MPP)


@pytest.mark.parametrize("seed", range(3))
def test_pieces_are_grown_connected_and_large_enough(seed: int) -> None:
    smooth, blue = _stain(seed)
    brown = (smooth >= 125) & (1000 * smooth.astype(int) >= 600 * blue.astype(int))
    eight = ndimage.generate_binary_structure(2, 2)
    stained = ndimage.binary_dilation(brown & (smooth >= 250), eight, iterations=4, mask=brown)
    part = inside_rim(RIM, smooth.shape)
    labels, count = ndimage.label(stained[part], eight)
    strong = ndimage.sum_labels(smooth[part] >= 250, labels, np.arange(1, count + 1))
    area = ndimage.sum_labels(labels > 0, labels, np.arange(1, count + 1))
    cut = np.isin(np.arange(1, count + 1), labels[[0, -1]])
    kept = np.flatnonzero(cut | ((strong >= 8) & (area >= 12)))
    found = _pieces(seed)
    assert 5 < len(found) < count
    assert np.array_equal(found.strong_px, strong[kept])
    assert np.array_equal(found.area_px, area[kept])
    assert np.array_equal(found.cut, cut[kept])
    for row, label in enumerate(kept + 1):
        y, x = np.nonzero(labels == label)
        assert np.array_equal(found.labels == row + 1, labels == label)
        assert tuple(found.first[row]) == (y[0], x[0])
        assert tuple(found.box[row]) == (y.min(), x.min(), y.max() + 1, x.max() + 1)


@pytest.mark.parametrize("reach", [3, 12])
def test_gaps_are_measured_between_the_closest_pixels(reach: int) -> None:
    found = _pieces(1)
    joinable = np.arange(len(found)) % 4 > 0
    pairs = _close_pairs(found.box, joinable, reach + 1).tolist()
    assert all(joinable[a] and joinable[b] and a < b for a, b in pairs)
    near = 0
    for a in np.flatnonzero(joinable):
        for b in np.flatnonzero(joinable)[np.flatnonzero(joinable) > a]:
            ours, others = (np.argwhere(found.labels == row + 1) for row in (a, b))
            squared = ((ours[:, None] - others[None]) ** 2).sum(axis=2)
            i, j = np.unravel_index(squared.argmin(), squared.shape)
            if squared[i, j] > (reach + 1) ** 2:
                assert _closest(found.labels, found.box, a, b, reach)[0] == -1
                continue
            near += 1
            assert [a, b] in pairs
            wanted = (squared[i, j], *ours[i], *others[j])
            assert _closest(found.labels, found.box, a, b, reach) == wanted
    assert near > 1


def test_a_window_that_is_all_rim_holds_no_pieces() -> None:
    zero = np.zeros((9, 30), np.int16)
    found = find_pieces(StainWindow(zero, zero, EDGES, RIM), PARAMS, MPP)
    assert len(found) == 0
    assert found.labels.shape == (0, 30)
