from __future__ import annotations

import cv2
import numpy as np
import pytest

from histoquant.markers import get_marker
from histoquant.objects import Planes, cell_surroundings
from histoquant.objects.label_runs import LabelRuns
from histoquant.objects.nuclei import Nuclei
from histoquant.objects.stained import LARGE, SHIFTS, find_stained, stained_halo_px

MPP = 0.5
AT = SHIFTS.index(1.0)


def _planes(dab: np.ndarray) -> Planes:
    blank = np.zeros(dab.shape, np.int16)
    return Planes(blank, dab.astype(np.int16), blank, np.ones(dab.shape, bool), MPP)


def _disc(dab: np.ndarray, at: tuple[int, int], radius_um: float, od: float) -> np.ndarray:
    y, x = np.ogrid[: dab.shape[0], : dab.shape[1]]
    dab[(y - at[0]) ** 2 + (x - at[1]) ** 2 <= (radius_um / MPP) ** 2] = round(1000 * od)
    return dab


def _clouds(shape: tuple[int, int] = (420, 460), seed: int = 3) -> np.ndarray:
    rng = np.random.default_rng(seed)
    noise = sum(cv2.GaussianBlur(rng.normal(size=shape), (0, 0), s) * s for s in (2.0, 6.0))
    return np.clip(120 + 330 * noise / noise.std(), -50, 1500).astype(np.int16)


def test_a_stained_disc_has_its_area_and_is_one_object() -> None:
    found = find_stained(_planes(_disc(np.zeros((100, 100)), (50, 40), 8, 0.5)), 0.2)
    assert found.pixels[0] * MPP**2 == pytest.approx(np.pi * 64, rel=0.1)
    assert found.labels().max() == 1
    assert found.first[0, 0] == np.nonzero(found.area[AT].mask())[0].min()


def test_weak_stain_counts_only_beside_strong() -> None:
    dab = _disc(np.zeros((100, 200)), (50, 50), 8, 0.24)
    dab = _disc(dab, (50, 150), 8, 0.24)
    dab = _disc(dab, (50, 150), 4, 0.5)
    found = find_stained(_planes(dab), 0.2)
    assert not found.area[AT].mask()[:, :100].any()
    assert found.area[AT].mask()[:, 100:].sum() * MPP**2 == pytest.approx(np.pi * 64, rel=0.15)


def test_specks_go_and_small_gaps_close_but_nuclei_stay_open() -> None:
    dab = _disc(np.zeros((120, 300)), (60, 40), 1.2, 0.6)
    for x, gap in ((120, 1.5), (240, 4.0)):
        dab = _disc(_disc(dab, (60, x), 10, 0.6), (60, x), gap, 0.0)
    area = find_stained(_planes(dab), 0.2).area[AT].mask()
    assert not area[:, :80].any()
    assert area[60, 120]
    assert not area[60, 240]


def test_a_higher_threshold_never_adds_area() -> None:
    low, at, high = (int(runs.mask().sum()) for runs in find_stained(_planes(_clouds()), 0.3).area)
    assert low > at > high > 0


def test_an_object_larger_than_a_cell_is_said_to_be_large() -> None:
    found = find_stained(_planes(_disc(np.zeros((160, 160)), (80, 80), 20, 0.5)), 0.2)
    assert found.pixels.tolist() == [LARGE]


def test_a_cell_takes_the_largest_object_beside_it() -> None:
    dab = _disc(_disc(np.zeros((100, 100)), (50, 30), 4, 0.5), (50, 62), 6, 0.5)
    labels = np.zeros((100, 100), np.int32)
    labels[45:56, 38:49] = 1
    labels[5:10, 5:10] = 2
    nuclei = Nuclei(
        labels.shape, np.array([[50, 43], [7, 7]], np.int32), np.zeros(2), LabelRuns.of_all(labels)
    )
    found = find_stained(_planes(dab), 0.2)
    index = cell_surroundings(_planes(dab), nuclei, get_marker("CD68"), stained=found).linked
    assert index[1] == -1
    assert found.pixels[index[0]] == found.pixels.max()


@pytest.mark.parametrize("corner", [(0, 0), (40, 60), (23, 31)])
def test_a_window_shows_what_the_slide_shows(corner: tuple[int, int]) -> None:
    dab, halo = _clouds(), stained_halo_px(MPP, get_marker("CD68"))
    whole = find_stained(_planes(dab), 0.3)
    y, x = corner
    side = 80
    rows, columns = slice(y, min(y + side + 2 * halo, 420)), slice(x, min(x + side + 2 * halo, 460))
    part = find_stained(_planes(dab[rows, columns]), 0.3)
    top, left = (halo if y else 0), (halo if x else 0)
    inner = np.s_[top : top + side, left : left + side]
    outer = np.s_[y + top : y + top + side, x + left : x + left + side]
    for seen, true in zip(part.area, whole.area, strict=True):
        assert (seen.mask()[inner] == true.mask()[outer]).all()
    # objects small enough to be measured have the same first pixel and area from everywhere
    in_part, in_whole = part.labels()[inner], whole.labels()[outer]
    for label in np.unique(in_part[in_part > 0]):
        twin = int(in_whole[in_part == label][0])
        assert part.pixels[label - 1] == whole.pixels[twin - 1]
        if part.pixels[label - 1] != LARGE:
            assert (part.first[label - 1] + corner == whole.first[twin - 1]).all()
