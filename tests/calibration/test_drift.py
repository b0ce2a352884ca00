"""Drift of controls: rules that can fire, with the false alarms they promise."""

from __future__ import annotations

import numpy as np
import pytest

from histoquant.calibration.drift import MIN_OTHERS, DriftPoint, drift_series, judge, spoken
from histoquant.calibration.model import ControlSlide


def _judge(values: list[float]):
    points = [DriftPoint(k, f"c{k}.tif", f"B{k}", value) for k, value in enumerate(values)]
    return judge("CD68", "positive", "positive area", "%", points)


def test_one_far_control_breaks_1_3s_even_among_few():
    steady = [5.0, 5.1, 4.9, 5.05, 4.95, 5.02]
    assert not _judge(steady).broken
    series = _judge([*steady, 8.0])
    assert [(point.slide, point.rules) for point in series.broken] == [("c6.tif", ("1-3s",))]
    (said,) = spoken(series)
    assert "c6.tif (batch B6) reads 8 %" in said
    assert "1-3s" in said


def test_two_in_a_row_on_one_side_break_2_2s_and_two_sides_do_not():
    steady = [5.0, 5.1, 4.9, 5.05, 4.95, 5.02, 4.98, 5.08, 4.92, 5.03, 4.97, 5.06, 4.94] * 2
    shifted = _judge([*steady, 5.24, 5.24])
    assert shifted.points[-1].rules[-1] == "2-2s"
    assert not shifted.points[-2].rules
    apart = _judge([*steady, 5.22, 4.78])
    assert all("2-2s" not in point.rules for point in apart.points)


def test_too_few_controls_are_said_not_judged():
    series = _judge([5.0] * MIN_OTHERS)
    assert not series.judged
    assert all(point.score is None for point in series.points)
    assert "too few to judge drift" in spoken(series)[0]


def test_equal_readings_are_no_drift():
    assert not _judge([5.0] * 8).broken


@pytest.mark.parametrize("n", [6, 12, 30])
def test_false_alarms_are_those_of_a_normal_distribution(n: int):
    rng = np.random.default_rng(n)
    scores = np.concatenate(
        [[p.score for p in _judge(rng.normal(5, 1, n).tolist()).points] for _ in range(400)]
    )
    assert np.mean(np.abs(scores) > 2.0) == pytest.approx(0.0455, abs=0.013)
    assert np.mean(np.abs(scores) > 3.0) < 0.006


def _control(number: int, kind: str, area: float, dab: float | None) -> ControlSlide:
    return ControlSlide(
        slide=f"c{number}.tif",
        marker="CD68",
        batch="B1",
        kind=kind,
        sha256="0" * 64,
        mpp=0.5,
        tissue_mm2=1.0,
        nuclei=10,
        positive_area_percent=area,
        positive_dab_od=dab,
    )


def test_series_keep_kinds_apart_and_leave_out_what_was_not_measured():
    controls = [_control(1, "positive", 4.0, 0.5), _control(2, "negative", 0.0, None)]
    series = drift_series(controls)
    assert [(s.kind, s.measure, len(s.points)) for s in series] == [
        ("positive", "positive area", 1),
        ("positive", "median DAB of positives", 1),
        ("negative", "positive area", 1),
    ]
