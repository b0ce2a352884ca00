from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy.stats import poisson

from histoquant.study.pooling import Density, Readings, diffuse, hindrance, implied_overdispersion, state


def slide(**cells: Any) -> dict[str, Any]:
    return {"slide_id": "s", "status": "OK", "tissue_mm2": 2.0, "positive": 100, **cells}


@pytest.mark.parametrize(
    ("count", "low", "high"), [(0, 0, 3.689), (1, 0.0253, 5.572), (10, 4.795, 18.390), (100, 81.36, 121.63)]
)
def test_exact_poisson_interval(count: int, low: float, high: float) -> None:
    assert Density(count, 1.0).interval_per_mm2 == pytest.approx((low, high), rel=1e-3)


def test_the_interval_scales_with_area_and_widens_with_overdispersion() -> None:
    assert Density(10, 2.0).interval_per_mm2 == pytest.approx(np.array(Density(10, 1.0).interval_per_mm2) / 2)
    low, high = Density(10, 1.0, 4.0).interval_per_mm2
    assert low < 4.795
    assert high > 18.390
    assert Density(10, 1.0, 4.0).per_mm2 == 10


@pytest.mark.parametrize("expected", [0.5, 3, 21, 100])
def test_the_interval_covers_at_least_as_often_as_it_says(expected: float) -> None:
    counts = np.arange(int(4 * expected + 30))
    limits = [Density(count, 1.0).interval_per_mm2 for count in counts]
    holds = [low <= expected <= high for low, high in limits]
    assert 0.95 <= poisson.pmf(counts[holds], expected).sum() < 0.99


def test_without_area_there_is_no_density() -> None:
    density = Density(0, 0.0)
    assert all(math.isnan(value) for value in (density.per_mm2, *density.interval_per_mm2))


@given(st.integers(1, 10**5), st.floats(0.05, 500), st.floats(1, 200))
def test_a_slides_widening_is_recovered_from_its_upper_limit(count: int, area: float, phi: float) -> None:
    assume(phi == 1 or phi > 1.01)
    high = float(f"{Density(count, area, phi).interval_per_mm2[1]:.9g}")
    assert implied_overdispersion(count, area, high) == pytest.approx(phi, rel=1e-3)


@pytest.mark.parametrize("high", [math.nan, 0.0, 1.0, 1e30])
def test_an_upper_limit_that_makes_no_sense_widens_nothing(high: float) -> None:
    assert implied_overdispersion(100, 2.0, high) == 1.0
    assert implied_overdispersion(0, 2.0, 10.0) == 1.0


def test_density_is_sum_over_sum_not_a_mean_of_densities() -> None:
    readings = Readings([slide(tissue_mm2=1.0, positive=100), slide(tissue_mm2=9.0, positive=0)])
    assert readings.density("positive").per_mm2 == 10  # the mean of densities would be 50


def test_area_shares_pool_by_area() -> None:
    rows = [
        slide(tissue_mm2=1.0, positive_area_percent=10.0),
        slide(tissue_mm2=3.0, positive_area_percent=2.0),
    ]
    assert Readings(rows).percent("positive_area_percent") == pytest.approx(4.0)


def test_the_widest_sections_count_most() -> None:
    rows = [slide(positive=300, overdispersion=4.0), slide(positive=100, overdispersion=1.0)]
    assert Readings(rows).overdispersion("positive") == pytest.approx(3.25)


def cd20(area: float, share: float, inside: int, outside: int) -> dict[str, Any]:
    left = area * (1 - share / 100)
    return slide(
        tissue_mm2=area,
        positive=inside + outside,
        aggregate_area_percent=share,
        diffuse_per_mm2=float(f"{outside / left:.9g}") if left >= 0.05 else math.nan,
    )


@given(
    st.lists(
        st.tuples(st.floats(0.3, 400), st.floats(0, 80), st.integers(0, 9999), st.integers(0, 99999)),
        min_size=1,
    )
)
def test_diffuse_counts_come_back_exactly_from_nine_digits(
    sections: list[tuple[float, float, int, int]],
) -> None:
    density, remark = diffuse(Readings([cd20(*section) for section in sections]))
    assert remark is None
    assert density.count == sum(outside for *_, outside in sections)
    assert density.area_mm2 == pytest.approx(sum(area * (1 - share / 100) for area, share, _, _ in sections))


def test_diffuse_without_room_outside_or_without_measurement() -> None:
    full = cd20(1.0, 97.0, 500, 0)
    assert diffuse(Readings([full]))[1] == "ALL_AGGREGATE"
    density, remark = diffuse(Readings([full, cd20(2.0, 10.0, 5, 90)]))
    assert (remark, density.count, density.area_mm2) == (None, 90, pytest.approx(1.8))
    assert diffuse(Readings([slide()]))[1] == "NOT_MEASURED"
    assert diffuse(Readings([slide(aggregate_area_percent=0.0)]))[1] == "NOT_MEASURED"


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ([], "MISSING"),
        ([slide(status="FAILED", reason="TRUNCATED: cut at byte 7")], "FAILED TRUNCATED"),
        ([slide(status="REFUSED", reason=None)], "REFUSED"),
        ([slide(slide_id="a"), slide(slide_id="b")], "DUPLICATE_SECTION (a, b: "),
        ([slide(section="1"), slide(section="2")], None),
        ([slide(block="A"), slide(block="B")], None),
        ([slide(section="1", block="A"), slide(section="1", block="B")], None),
        ([slide(section="1"), slide(section="1", status="FAILED")], None),
        ([slide(section="1", clone="KP1"), slide(section="2", clone="PG-M1")], "MIXED_CLONES (KP1, PG-M1)"),
        ([slide(tissue_mm2=0.0, positive=0)], "NO_TISSUE"),
        ([slide(status="OK_WITH_FLAGS")], None),
    ],
)
def test_why_a_marker_has_no_value(rows: list[dict[str, Any]], expected: str | None) -> None:
    found = hindrance(Readings(rows))
    assert found == expected or (expected is not None and found is not None and found.startswith(expected))


def test_state_tells_too_little_tissue_and_what_was_left_out() -> None:
    assert state(Readings([slide()]), [50.0]) == "OK"
    assert state(Readings([slide(tissue_mm2=0.2)]), [50.0]) == "INSUFFICIENT_TISSUE (0.2 mm2 < 0.25 mm2)"
    assert state(Readings([slide(), slide(status="FAILED")]), [50.0]) == "OK (1 of 2 slides)"
    assert state(Readings([slide()]), [math.nan]) == "NOT_MEASURED"
