"""Vessel geometry against circles and rectangles."""

from __future__ import annotations

import numpy as np
import pytest

from histoquant.phantoms.tubes import GAP, basal_point, make_tubes, measure_tubes, outline_distance


def tube(line, **settings):
    return make_tubes([{"kind": GAP, "seed": 3, **settings}], [np.array(line, dtype=float)])


def test_area_of_a_disc_and_of_a_stadium():
    tubes, nodes = make_tubes(
        [{"kind": GAP, "seed": 1}, {"kind": GAP, "seed": 2}],
        [np.array([[30.0, 30.0, 8.0], [30.0, 30.0, 8.0]]), np.array([[20.0, 20.0, 4.0], [50.0, 20.0, 4.0]])],
    )
    x, y, lumen, wall = measure_tubes(tubes, nodes).T
    assert lumen == pytest.approx([np.pi * 64.0, np.pi * 16.0 + 240.0], rel=0.005)
    assert wall == pytest.approx([0.0, 0.0], abs=1e-9)
    assert x == pytest.approx([30.0, 35.0], abs=0.02)
    assert y == pytest.approx([30.0, 20.0], abs=0.02)


def test_wall_is_taken_from_the_inside_of_the_outline():
    tubes, nodes = tube([[30.0, 30.0, 8.0], [30.0, 30.0, 8.0]], wall_um=2.0)
    _, _, lumen, wall = measure_tubes(tubes, nodes)[0]
    assert lumen == pytest.approx(np.pi * 36.0, rel=0.01)
    assert wall == pytest.approx(np.pi * (64.0 - 36.0), rel=0.01)


def test_a_slanting_tube_shows_a_wider_wall_and_less_clear_lumen():
    upright, nodes = tube([[30.0, 30.0, 8.0], [30.0, 30.0, 8.0]], wall_um=2.0)
    slanting, _ = tube([[30.0, 30.0, 8.0], [30.0, 30.0, 8.0]], wall_um=2.0, slant_x=0.5)
    both = [measure_tubes(t, nodes)[0] for t in (upright, slanting)]
    assert both[1][2] == pytest.approx(both[0][2], rel=0.01)  # the same lumen, smeared
    assert both[1][0] == pytest.approx(30.0, abs=0.02)


def test_distance_is_negative_inside_and_grows_outwards():
    tubes, nodes = tube([[10.0, 10.0, 5.0], [20.0, 10.0, 5.0]])
    assert outline_distance(tubes[0], nodes, 15.0, 10.0) == pytest.approx(-5.0)
    assert outline_distance(tubes[0], nodes, 15.0, 18.0) == pytest.approx(3.0)
    assert outline_distance(tubes[0], nodes, 28.0, 10.0) == pytest.approx(3.0)


def test_basal_point_is_the_foot_on_the_outline():
    tubes, nodes = tube([[10.0, 10.0, 9.0], [30.0, 10.0, 9.0]])
    depth, x, y = basal_point(tubes[0], nodes, 20.0, 14.0)
    assert (depth, x, y) == pytest.approx((5.0, 20.0, 19.0), abs=0.05)
