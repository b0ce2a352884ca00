"""The locked threshold: between the controls, with a reason, and honest where they contradict each other."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from histoquant.calibration.decide import Evidence, choose_threshold, counts_of, quantile_od, share_over


def _evidence(negative: np.ndarray, positive: np.ndarray, adapted: float = 0.2) -> Evidence:
    cells = counts_of(positive)
    return Evidence("cells", "cells", adapted, "the marker's default", counts_of(negative), cells, cells)


def _spread(low: float, high: float, n: int) -> np.ndarray:
    return np.linspace(low, high, n)


def test_clean_negatives_and_pale_positives_lower_the_threshold():
    choice = choose_threshold(_evidence(_spread(0.0, 0.02, 1000), _spread(0.2, 0.4, 200)))
    assert choice.source == "negative and positive controls"
    assert choice.threshold_od == pytest.approx(0.019 + 0.25 * (0.3 - 0.019), abs=0.001)
    assert "1,000 negative-control cells" in choice.reason
    assert "100.0 % of 200" in choice.reason


def test_vessels_are_compared_by_pixels_and_checked_as_vessels():
    pixels, vessels = counts_of(_spread(0.25, 0.75, 5000)), counts_of(_spread(0.3, 0.9, 40))
    negative = counts_of(_spread(0.0, 0.1, 5000))
    evidence = Evidence("pixels", "vessels", 0.25, "the marker's default", negative, pixels, vessels)
    choice = choose_threshold(evidence)
    assert choice.threshold_od == pytest.approx(0.1 + 0.25 * 0.4, abs=0.002)
    assert "100.0 % of 40 positive-control vessels" in choice.reason


def test_brown_negatives_raise_it():
    clean = choose_threshold(_evidence(_spread(0.0, 0.02, 1000), _spread(0.5, 0.9, 200)))
    brown = choose_threshold(_evidence(_spread(0.2, 0.35, 1000), _spread(0.5, 0.9, 200)))
    assert brown.threshold_od > 0.35 > clean.threshold_od


def test_positives_no_browner_than_negatives_fall_back_and_say_so():
    choice = choose_threshold(_evidence(_spread(0.1, 0.5, 1000), _spread(0.2, 0.5, 200)))
    assert (choice.threshold_od, choice.source) == (0.2, "positive controls")
    assert "90 % needed" in choice.reason
    assert "75.0 % of the negative-control cells exceed it" in choice.reason


@pytest.mark.parametrize("negatives", [0, 50])
def test_without_negatives_the_adapted_threshold_stands_with_its_reason(negatives: int):
    choice = choose_threshold(_evidence(_spread(0.0, 0.02, negatives), _spread(0.3, 0.6, 200), 0.153))
    assert (choice.threshold_od, choice.source) == (0.153, "positive controls")
    assert ("no negative control" if not negatives else "only 50 negative-control cells") in choice.reason


def test_negatives_alone_can_only_raise_the_default():
    assert choose_threshold(_evidence(_spread(0, 0.05, 500), np.empty(0))).threshold_od == 0.2
    raised = choose_threshold(_evidence(_spread(0, 0.4, 500), np.empty(0)))
    assert (raised.threshold_od, raised.source) == (0.398, "negative controls")


@given(
    st.floats(0.0, 0.6),
    st.floats(0.05, 1.5),
    st.floats(0.03, 0.5),
)
def test_a_threshold_from_controls_lets_through_few_negatives_and_most_positives(
    top: float, median: float, adapted: float
):
    negative = _spread(0.0, top, 1000)
    positive = _spread(0.6 * median, 1.4 * median, 100)
    positive = positive[positive >= adapted]
    choice = choose_threshold(_evidence(negative, positive, adapted))
    assert 0.02 <= choice.threshold_od <= 2.0
    assert round(choice.threshold_od * 1000) == pytest.approx(choice.threshold_od * 1000, abs=1e-9)
    if choice.source.startswith("negative"):
        assert np.mean(negative >= choice.threshold_od + 0.001) <= 0.005
    if choice.source == "negative and positive controls":
        assert np.mean(positive >= choice.threshold_od - 1e-6) >= 0.9


@given(st.lists(st.integers(-50, 4000), min_size=1, max_size=300), st.integers(20, 2000))
def test_counts_in_thousandths_answer_as_the_values_do(levels: list[int], threshold: int):
    values = np.array(levels) / 1000.0
    counts = counts_of(np.append(values, np.nan))
    assert counts.sum() == len(levels)
    assert share_over(counts, threshold / 1000.0) == pytest.approx(np.mean(np.array(levels) >= threshold))
    clipped = np.clip(levels, 0, 3000)
    assert quantile_od(counts, 0.5) == np.quantile(clipped, 0.5, method="inverted_cdf") / 1000.0
