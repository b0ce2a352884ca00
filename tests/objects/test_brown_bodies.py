"""Lymphocytes so brown that no nucleus shows: found as bodies, told apart at the slightest waist."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from histoquant.markers import get_marker, score
from histoquant.objects import is_countable, measure_cells, segment_nuclei
from histoquant.phantoms import render_field

sys.path.insert(0, str(Path(__file__).parent))
from nuclei_fields import discs, matched, of_rgb, planes, split

CD20, CD68, NUCLEAR = (get_marker(name) for name in ("CD20", "CD68", "nuclear"))


def _packed(radius_px: float, step_px: float, od: float) -> list[tuple[float, float, float, float]]:
    """Bodies in rows like oranges in a crate."""
    rows = np.arange(20, 140, step_px * np.sqrt(0.75))
    return [
        (y, x, radius_px, od)
        for k, y in enumerate(rows)
        for x in np.arange(20 + k % 2 * step_px / 2, 140, step_px)
    ]


@pytest.mark.parametrize("gain", [0.6, 1.0, 1.6])
def test_a_sheet_of_brown_bodies_without_any_blue_is_counted(gain: float) -> None:
    spots = _packed(6.5, 15.0, 0.7 * gain)
    brown = discs((160, 160), spots) + 0.1 * gain
    window = planes(0.02 * brown, brown)
    nuclei = segment_nuclei(window, CD20)
    cells = measure_cells(window, nuclei, CD20).to_pandas()
    truth = np.array([(x, y) for y, x, _, _ in spots])
    assert len(cells) == len(spots)
    assert matched(truth, cells[["centroid_x_px", "centroid_y_px"]].to_numpy(), 3.0) == len(spots)
    assert is_countable(cells, CD20, 0.5).all()
    assert score(cells, CD20).positive.all()


def test_brown_fills_the_place_of_blue_in_a_membrane_marker_only() -> None:
    # a body among blue nuclei: as a macrophage it would be cytoplasm, as a lymphocyte it is the cell
    blue = discs((120, 120), [(y, x, 6.0, 0.6) for y in (25, 60, 95) for x in (25, 95)])
    brown = discs((120, 120), [(60, 60, 7.0, 0.8)])
    window = planes(blue, brown)
    for marker, wanted in ((CD20, 7), (CD68, 6)):
        cells = measure_cells(window, segment_nuclei(window, marker), marker).to_pandas()
        assert int(is_countable(cells, marker, 0.5).sum()) == wanted


def test_each_object_is_cut_by_its_own_share() -> None:
    y, x = np.mgrid[:60, :120]
    labels = np.zeros((60, 120), np.int32)
    for label, left in ((1, 25), (2, 80)):
        for cy, cx, radius in ((30, left, 8), (34, left + 9, 6)):
            labels[(y - cy) ** 2 + (x - cx) ** 2 <= radius**2] = label
    assert split(labels, 0.8, 40).max() == 2
    assert split(labels, 0.95, 40).max() == 4
    both = split(labels, np.array([0.8, 0.95]), 40)
    assert both.max() == 3
    assert (both[labels == 1] == 1).all()
    assert set(np.unique(both[labels == 2])) == {2, 3}


def test_a_phantom_sheet_that_hides_its_nuclei_is_counted() -> None:
    rgb, truth = render_field(
        "CD20", 260.0, 3, mpp=0.5, aggregates=14.0, aggregate_radius_um=130.0, masking=0.4
    )
    window = of_rgb(rgb, white=tuple(float(np.percentile(rgb[..., c], 99)) for c in range(3)))
    cells = measure_cells(window, segment_nuclei(window, CD20), CD20).to_pandas()
    cells = cells[is_countable(cells, CD20, 0.5)]
    positive = cells[score(cells, CD20).positive]
    asked = truth.nuclei[(truth.nuclei.visible == 1) & (truth.nuclei.positive == 1)]
    assert len(asked) > 300
    hits = matched(
        asked[["x_px", "y_px"]].to_numpy() - 0.5,
        positive[["centroid_x_px", "centroid_y_px"]].to_numpy(),
        12.0,
    )
    assert hits >= 0.8 * len(asked)
    assert hits >= 0.9 * len(positive)
