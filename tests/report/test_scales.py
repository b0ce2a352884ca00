"""Axes: every value inside, ticks round and few."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from histoquant.report.figures.drawing import Drawing, number, wrapped
from histoquant.report.figures.forest import estimate_text
from histoquant.report.figures.scales import Scale, span, tick_text

VALUES = st.lists(st.floats(1e-3, 1e6), min_size=1, max_size=12)


@given(VALUES, st.booleans())
def test_an_axis_holds_its_values_and_some_ticks(values: list[float], log: bool) -> None:
    low, high = span(values, log)
    scale = Scale(low, high, 0.0, 100.0, log)
    assert low < min(values)
    assert max(values) < high
    assert all(0 < scale(value) < 100 for value in values)
    ticks = scale.ticks()
    assert 1 <= len(ticks) <= 8
    assert ticks == sorted(set(ticks))
    assert all(low * (1 - 1e-9) - 1e-9 <= tick <= high * (1 + 1e-9) + 1e-9 for tick in ticks)


@given(VALUES)
def test_order_is_kept(values: list[float]) -> None:
    scale = Scale(*span(values, True), 0.0, 100.0, True)
    places = [scale(value) for value in sorted(values)]
    assert places == sorted(places)


@pytest.mark.parametrize("log", [True, False])
def test_nothing_to_show_is_an_axis_all_the_same(log: bool) -> None:
    low, high = span([math.nan, math.inf], log)
    assert low < high


def test_values_beyond_the_axis_stay_at_its_ends() -> None:
    assert Scale(1.0, 10.0, 0.0, 100.0, True)(0.0) == 0.0
    assert Scale(1.0, 10.0, 0.0, 100.0, True)(1e9) == 100.0
    assert Scale(3.0, 3.0, 0.0, 100.0)(3.0) == 50.0


@pytest.mark.parametrize(
    ("value", "text"), [(1000, "1,000"), (0.25, "0.25"), (-5, "−5"), (1, "1"), (2.5, "2.5")]
)
def test_ticks_are_short(value: float, text: str) -> None:
    assert tick_text(value) == text


@pytest.mark.parametrize(
    ("three", "text"),
    [
        ((0.617, 0.51, 0.744), "0.62 (0.51 to 0.74)"),
        ((-12.34, -15.0, -9.0), "−12.3 (−15.0 to −9.0)"),
        ((0.0, -1.0, 1.0), "0.00 (−1.00 to 1.00)"),
        ((0.001, None, None), "0.001"),
    ],
)
def test_an_estimate_and_its_limits_share_their_digits(three: tuple[float, ...], text: str) -> None:
    assert estimate_text(*three) == text


@given(st.floats(-1e6, 1e6))
def test_coordinates_are_plain_numbers(value: float) -> None:
    assert float(number(value)) == pytest.approx(value, abs=0.006)
    assert "e" not in number(value)


@given(st.text(max_size=60))
def test_any_text_is_well_formed(text: str) -> None:
    from xml.etree import ElementTree

    drawing = Drawing("x", 100, 100, text, text)
    drawing.text(1, 1, text)
    drawing.dot(5, 5, "diamond", "mark", tip=text)
    ElementTree.fromstring(drawing.standalone())
    assert all(wrapped(text, 60.0)) if text.strip() else wrapped(text, 60.0) == []
