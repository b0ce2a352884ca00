from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from histoquant.markers import get_marker
from histoquant.objects import NucleiParams, Planes
from histoquant.objects.lookup import Steps, clear_below, level_row, levels_over, mix, smooth_share
from histoquant.objects.smoothing import smooth
from histoquant.objects.views import darkness, level_image


def _planes(seed: int) -> Planes:
    rng = np.random.default_rng(seed)
    blue, brown = rng.integers(-400, 5000, (2, 47, 61)).astype(np.int16)
    brown[3, :4] = [-32768, -1, 0, 32767]
    return Planes(blue, brown, blue, rng.random((47, 61)) < 0.9, 0.5)


@pytest.mark.parametrize("name", ["CD68", "CD20", "nuclear", "HE"])
def test_darkness_is_the_formula_pixel_by_pixel(name: str) -> None:
    planes, params = _planes(1), NucleiParams.of_marker(get_marker(name))
    found = darkness(planes, params)
    percent = round(100 * params.dab_weight)
    floor = round(1000 * params.dab_floor_od) if percent > 0 else 0
    knee = 1000 * params.knee_od
    for y, x in np.ndindex(7, 61):
        mixed = int(planes.hematoxylin[y, x]) + max(int(planes.dab[y, x]) - floor, 0) * percent // 100
        mixed = min(max(mixed, 0), 4000)
        assert found[y, x] == np.rint(knee * math.log1p(mixed / knee))


def test_levels_are_the_formula_pixel_by_pixel() -> None:
    planes = _planes(2)
    params = replace(NucleiParams(), floor_od=0.02, level_od=0.007, surround_share=0.8)
    dark = smooth(darkness(planes, params), params.detail_um / planes.mpp)
    around = smooth(dark, math.sqrt(params.surround_um**2 - params.detail_um**2) / planes.mpp).astype(int)
    wanted = np.clip((dark - around * 80 // 100 - 20) // 7, 0, 255)
    wanted[~planes.valid] = 0
    assert wanted.max() > 20
    assert (level_image(dark, planes, params) == wanted).all()


def test_every_share_of_every_value_rounds_down() -> None:
    values = np.arange(32768, dtype=np.int16).reshape(1, -1)
    compressed = np.arange(32768, dtype=np.int16)
    for percent in range(101):
        wanted = values.astype(int) * percent // 100
        assert (smooth_share(values, percent, 0.0) == wanted).all()
        assert (mix(np.zeros_like(values), values, percent, 0, compressed) == wanted).all()
        wanted = values.astype(int) + -values.astype(int) * percent // 100
        assert (mix(values, values, -percent, 0, compressed) == wanted).all()


@pytest.mark.parametrize("step", [1, 3, 6, 7, 10, 49, 255])
def test_every_level_rounds_down(step: int) -> None:
    values = np.arange(2**15, dtype=np.int16)
    valid = np.ones(values.shape, bool)
    levels = np.empty(values.shape, np.uint8)
    level_row(values, np.zeros_like(values), valid, Steps(100, 0, step), levels)
    assert (levels == np.minimum(values // step, 255)).all()
    for percent in (0, 29, 57, 70, 83, 99):
        level_row(values, values[::-1].copy(), valid, Steps(percent, 8, step), levels)
        wide = values.astype(int)
        assert (levels == np.clip((wide - wide[::-1] * percent // 100 - 8) // step, 0, 255)).all()


@pytest.mark.parametrize("shape", [(23, 31), (1, 1), (1, 40), (40, 1), (3, 5), (2, 64), (5, 131)])
@pytest.mark.parametrize("sigma", [0.0, 0.3, 1.6, 3.7])
def test_what_is_told_row_by_row_is_what_whole_planes_tell(sigma: float, shape: tuple[int, int]) -> None:
    rng = np.random.default_rng(4)
    plane, valid = rng.integers(0, 1300, shape).astype(np.int16), rng.random(shape) < 0.9
    around = smooth(plane, sigma).astype(int)
    assert (smooth_share(plane, 13, sigma) == around * 13 // 100).all()
    levels = levels_over(plane, valid, Steps(70, 8, 6), sigma)
    assert (levels == np.where(valid, np.clip((plane - around * 70 // 100 - 8) // 6, 0, 255), 0)).all()


def test_shares_round_down() -> None:
    plane = np.random.default_rng(3).integers(0, 9000, (20, 30))
    assert (smooth_share(plane.astype(np.int16), 13, 0.0) == plane * 13 // 100).all()


def test_levels_stay_where_one_plane_has_its_share_of_another() -> None:
    planes = _planes(5)
    levels = np.random.default_rng(5).integers(0, 256, planes.shape).astype(np.uint8)
    wanted = np.where(100 * planes.dab.astype(int) >= 50 * planes.hematoxylin.astype(int), levels, 0)
    clear_below(levels, planes.dab, planes.hematoxylin, 50)
    assert (levels == wanted).all()
    assert 0 < (levels > 0).sum() < levels.size
