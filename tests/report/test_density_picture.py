"""The density picture: colours follow the map, glass stays free, the bar is round."""

from __future__ import annotations

import numpy as np
import pytest

from histoquant.metrics.density_map import DensityMap
from histoquant.report import Caption, TissueMarks
from histoquant.report.density_picture import bar_top, draw_density
from histoquant.report.thumbnail import Glance


def drawn(per_mm2: np.ndarray) -> np.ndarray:
    overview = np.full((400, 600, 3), 240, np.uint8)
    tissue = np.zeros((100, 150), bool)
    tissue[10:90, 10:140] = True
    share = np.ones(per_mm2.shape)
    density = DensityMap(per_mm2, share, 32.0, 32.0, 150.0)
    marks = TissueMarks(tissue, np.zeros(tissue.shape, np.uint8), (8.0, 8.0), ())
    return draw_density(Glance.of(overview, 2.0, marks), density, Caption("P01", "CD31"), "vessels")


@pytest.mark.parametrize(
    ("highest", "top"), [(0, 1), (0.7, 1), (101, 200), (200, 200), (201, 500), (960, 1000)]
)
def test_the_bar_ends_at_a_round_number(highest, top):
    assert bar_top(highest) == pytest.approx(top)


def test_dense_is_bright_sparse_is_dark_and_glass_is_free():
    ramp = np.tile(np.linspace(0, 100, 38), (25, 1))
    picture = drawn(ramp).astype(int)
    assert picture.shape[1] > 600
    assert picture.shape[0] > 400
    assert (picture[5:30, 5:30].max(axis=2) - picture[5:30, 5:30].min(axis=2)).max() <= 2
    brightness = picture[200, 60:540].mean(axis=1)
    assert brightness[-50:].mean() > brightness[:50].mean() + 40
    assert np.isin(picture[10:390, 605:].reshape(-1, 3), [255]).all(axis=1).mean() < 1


def test_unknown_places_are_not_painted():
    half = np.full((25, 38), 50.0)
    half[:, 20:] = np.nan
    picture = drawn(half).astype(int)
    spread = np.ptp(picture[200, 100:500], axis=1)
    assert spread[:150].min() > 20
    assert spread[-100:].max() <= 2
