from __future__ import annotations

from xml.etree import ElementTree

import pytest

from histoquant.calibration.drift import DriftPoint, judge
from histoquant.report.levey_jennings import draw_levey_jennings


def _series(values: list[float], batches: int = 3):
    points = [DriftPoint(k, f"tonsil $ä_{k}.svs", f"B{k % batches}", v) for k, v in enumerate(values)]
    return judge("CD68", "positive", "positive area", "%", points)


@pytest.mark.parametrize("values", [[3.0], [3.0, 3.0], [0.0] * 7, [5, 5.1, 4.9, 5, 5.05, 4.95, 9.0]])
def test_any_number_of_controls_draws_the_same_bytes_without_dates(values: list[float]):
    series = [_series(values), _series([value / 10 for value in values])]
    svg = draw_levey_jennings(series)
    assert svg == draw_levey_jennings(series)
    ElementTree.fromstring(svg)
    assert b"date" not in svg.lower()
    assert b"<script" not in svg


def test_a_broken_point_is_drawn_apart():
    steady, broken = _series([5, 5.1, 4.9, 5, 5.05, 4.95, 5.0]), _series([5, 5.1, 4.9, 5, 5.05, 4.95, 9.0])
    assert not steady.broken
    assert b"#a3201d" not in draw_levey_jennings([steady]).lower()
    assert b"#a3201d" in draw_levey_jennings([broken]).lower()
