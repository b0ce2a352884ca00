from __future__ import annotations

import cv2
import numpy as np
import pytest
from scipy import ndimage

from histoquant.objects.bit_rows import spans_of, unpacked
from histoquant.objects.hysteresis import smooth_strong_and_beside, strong_and_beside
from histoquant.objects.runs import Runs
from histoquant.objects.smoothing import smooth

STRUCTURE = {4: ndimage.generate_binary_structure(2, 1), 8: ndimage.generate_binary_structure(2, 2)}


def _mask(seed: int, shape: tuple[int, int] = (70, 83), level: float = 0.0) -> np.ndarray:
    noise = np.random.default_rng(seed).normal(size=shape)
    return (cv2.GaussianBlur(noise, (0, 0), 1.2) > level).astype(np.uint8)


MASKS = [_mask(0), _mask(1, level=0.2), _mask(2, (1, 40)), _mask(3, (40, 1)), np.zeros((9, 7), np.uint8)]


@pytest.mark.parametrize("mask", [*MASKS, np.ones((9, 7), np.uint8)])
@pytest.mark.parametrize("connectivity", [4, 8])
def test_components_are_those_of_scipy(mask: np.ndarray, connectivity: int) -> None:
    for wanted, runs in ((mask > 0, Runs.of_mask(mask)), (mask == 0, Runs.of_mask(mask).gaps())):
        found = runs.components(connectivity)
        labels, count = ndimage.label(wanted, STRUCTURE[connectivity])
        # scipy numbers by the first pixel in raster order, too
        assert (runs.labels(found.of_run) == labels).all()
        assert (found.pixels == np.bincount(labels.ravel(), minlength=count + 1)[1:]).all()
        for k, (rows, columns) in enumerate(ndimage.find_objects(labels)):
            box = [columns.start, rows.start, columns.stop - columns.start, rows.stop - rows.start]
            assert found.boxes[k].tolist() == box
            assert found.first[k].tolist() == list(np.argwhere(labels == k + 1)[0])


@pytest.mark.parametrize("mask", MASKS)
def test_chosen_gaps_join_their_runs(mask: np.ndarray) -> None:
    runs = Runs.of_mask(mask)
    gaps = runs.gaps()
    chosen = np.random.default_rng(7).random(len(gaps.spans)) < 0.4
    joined = runs.with_gaps(gaps, chosen)
    wanted = (mask > 0) | gaps.only(chosen).mask()
    assert (joined.mask() == wanted).all()
    again = Runs.of_mask(wanted.astype(np.uint8))
    assert (again.rows == joined.rows).all()
    assert (again.spans == joined.spans).all()


@pytest.mark.parametrize("kind", [np.int16, np.int32])
@pytest.mark.parametrize("steps", [1, 4, 30])
def test_growth_within_the_low_level_is_repeated_dilation(steps: int, kind: type[np.integer]) -> None:
    noise = cv2.GaussianBlur(np.random.default_rng(5).normal(size=(90, 77)), (0, 0), 2.0)
    dab = np.rint(1000 * noise / noise.std()).astype(np.int32)
    # rows without anything, rows that are weak at most, and strength at the window's edges
    dab[20:30], dab[40:60] = 0, np.minimum(dab[40:60], 1400)
    dab[0, 3] = dab[-1, 70] = dab[29, 8] = 1500
    low, high = dab >= 200, dab >= 1500
    wanted = ndimage.binary_dilation(high, STRUCTURE[8], iterations=steps, mask=low)
    found = strong_and_beside(dab.astype(kind), 200, 1500, steps)
    assert (unpacked(found, dab.shape[1]) == wanted).all()
    assert (Runs(*spans_of(found), dab.shape[1]).mask() == wanted).all()
    assert high.sum() < wanted.sum() < low.sum()
    assert not strong_and_beside(dab.astype(kind), 200, 99999, steps).any()


@pytest.mark.parametrize("shape", [(1, 1), (1, 64), (1, 63), (70, 1), (3, 65), (2, 128), (9, 200)])
def test_growth_in_odd_windows_is_repeated_dilation(shape: tuple[int, int]) -> None:
    rng = np.random.default_rng(shape[1])
    for share in (0.02, 0.3, 1.0):
        dab = rng.integers(0, 1000, shape).astype(np.int16)
        low, high = dab >= 300, dab >= 1000 * (1 - share)
        low |= high
        wanted = ndimage.binary_dilation(high, STRUCTURE[8], iterations=3, mask=low)
        found = strong_and_beside(dab, min(300, round(1000 * (1 - share))), round(1000 * (1 - share)), 3)
        assert (unpacked(found, shape[1]) == wanted).all()


@pytest.mark.parametrize("shape", [(1, 1), (1, 64), (70, 1), (3, 65), (2, 128), (41, 200)])
@pytest.mark.parametrize("sigma_px", [0.0, 1.5])
def test_levels_told_while_rows_are_smoothed_are_those_of_the_smoothed_plane(
    shape: tuple[int, int], sigma_px: float
) -> None:
    rng = np.random.default_rng(sum(shape))
    dab = rng.integers(-400, 1200, shape).astype(np.int16)
    levels = np.array([[200, 500], [450, 450], [-5, 600], [300, 40000], [-40000, -40000]])
    for share in (1.0, 0.7, 0.0):
        valid = rng.random(shape) < share
        around = np.where(valid, smooth(dab, sigma_px), 0).astype(np.int16)
        found = smooth_strong_and_beside(dab, valid, sigma_px, levels, 3)
        wanted = [strong_and_beside(around.astype(np.int32), low, high, 3) for low, high in levels]
        assert (np.array(found) == np.array(wanted)).all()
