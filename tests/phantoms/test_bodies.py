"""Chords through bodies, against geometry worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest

from histoquant.phantoms.bodies import (
    RASTER_UM,
    SECTION_UM,
    draw_bodies,
    empty_bodies,
    profiles,
    shape_bodies,
)


def sphere(z: float, radius: float = 3.0):
    body = empty_bodies(1)
    body["x"], body["y"], body["z"] = 20.0, 20.0, z
    r = np.array([radius])
    shape_bodies(body, r, r, r, np.zeros(1), np.zeros(1))
    body["core_h"], body["inner"] = 0.1, 1.0
    return body


def draw(body, side_um: float = 40.0) -> np.ndarray:
    side = round(side_um / RASTER_UM)
    planes = np.zeros((3, side, side), np.float32)
    draw_bodies(body, np.arange(len(body)), planes, 0, 0)
    return planes


def test_stain_of_a_sphere_is_concentration_times_its_volume():
    total = draw(sphere(2.0, 1.9))[0].sum() * RASTER_UM**2
    assert total == pytest.approx(0.1 * 4.0 / 3.0 * np.pi * 1.9**3, rel=0.01)


def test_a_sphere_larger_than_the_section_loses_both_caps():
    r, half = 3.0, SECTION_UM / 2
    slab = np.pi * (2 * half) * (r**2 - half**2 / 3)  # volume of a sphere between two planes about its centre
    assert draw(sphere(2.0))[0].sum() * RASTER_UM**2 == pytest.approx(0.1 * slab, rel=0.01)


def test_a_sphere_outside_the_section_leaves_nothing():
    assert draw(sphere(SECTION_UM + 3.01)).sum() == 0.0


def test_profile_shrinks_towards_the_pole():
    whole = profiles(sphere(2.0), np.array([[0, 1]]))[0]
    polar = profiles(sphere(6.2), np.array([[0, 1]]))[0]
    assert whole[2] == pytest.approx(np.pi * 9.0, rel=0.05)
    assert whole[3] == pytest.approx(SECTION_UM, abs=0.01)
    assert polar[2] < 0.55 * whole[2]
    assert polar[3] == pytest.approx(0.8, abs=0.02)


@pytest.mark.parametrize("angle", [0.0, 0.7, 2.2])
def test_turning_a_body_changes_neither_area_nor_path(angle):
    body = empty_bodies(1)
    body["x"], body["y"], body["z"] = 20.0, 20.0, 2.0
    shape_bodies(body, np.array([6.0]), np.array([2.0]), np.array([3.0]), np.array([angle]), np.zeros(1))
    x, y, area, path = profiles(body, np.array([[0, 1]]))[0]
    assert (x, y) == pytest.approx((20.0, 20.0), abs=0.05)
    assert area == pytest.approx(np.pi * 12.0, rel=0.05)
    assert path == pytest.approx(SECTION_UM, abs=0.02)


def test_a_nucleus_cuts_its_own_volume_out_of_the_cytoplasm():
    soma, nucleus = sphere(2.0, 6.0), sphere(2.0, 3.0)
    pair = np.concatenate([soma, nucleus])
    pair["core_h"], pair["core_s"] = 0.0, [0.1, 0.0]
    pair["hole"][0] = 1
    middle = round(20.0 / RASTER_UM)
    with_hole = draw(pair)[1]
    assert with_hole[middle, middle] == pytest.approx(0.0, abs=1e-3)
    pair["hole"][0] = -1
    assert draw(pair)[1][middle, middle] == pytest.approx(0.1 * SECTION_UM, rel=0.01)


def test_amounts_do_not_depend_on_the_window():
    body = sphere(1.0)
    body["grain_h"], body["seed"], body["ruffle"], body["e3"] = 0.5, 77, 0.8, 0.1
    whole = draw(body)
    part = np.zeros((3, 30, 40), np.float32)
    draw_bodies(body, np.array([0]), part, 71, 66)
    assert np.array_equal(part, whole[:, 66:96, 71:111])
