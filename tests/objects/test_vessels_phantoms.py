"""Vessels of phantoms against their truth, over seeds and appearances."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import pandas as pd
import pytest
from scipy.optimize import linear_sum_assignment

from histoquant.objects.planes import Planes
from histoquant.objects.vessels import VesselCore, VesselParams, find_vessels
from histoquant.phantoms import APPEARANCES, Truth, render_field
from histoquant.stains import H_DAB

SIDE_UM = 600.0
SEED = 3


@lru_cache(maxsize=16)
def quantified(seed: int, appearance: str) -> tuple[pd.DataFrame, Truth]:
    rgb, truth = render_field("CD31", SIDE_UM, seed, appearance)
    planes = Planes.from_rgb(rgb, None, H_DAB, APPEARANCES[appearance].white_point, 0.5)
    result = find_vessels(planes, VesselCore(0, 0, *planes.shape, (False,) * 4))
    return result.table.to_pandas(), truth


def inner(table: pd.DataFrame) -> pd.DataFrame:
    """Objects that do not leave the field; truth describes vessels in full."""
    side = SIDE_UM / 0.5
    inside = (table.box_y0_px > 2) & (table.box_x0_px > 2)
    return table[inside & (table.box_y1_px < side - 2) & (table.box_x1_px < side - 2)]


def within(truth: pd.DataFrame, margin_um: float = 25.0) -> pd.DataFrame:
    """True vessels that the field holds in full."""
    x, y = truth.x_px * 0.5, truth.y_px * 0.5
    inside = (x > margin_um) & (y > margin_um) & (x < SIDE_UM - margin_um) & (y < SIDE_UM - margin_um)
    return truth[inside]


def matched(found: pd.DataFrame, truth: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """One-to-one pairs of vessels whose centres lie within 0.8 of the true diameter, at least 6 um."""
    dx = truth.x_px.to_numpy()[:, None] - found.centroid_x_px.to_numpy()
    dy = truth.y_px.to_numpy()[:, None] - found.centroid_y_px.to_numpy()
    cost = np.hypot(dx, dy) * 0.5 / np.maximum(6, 0.8 * truth.diameter_um.to_numpy())[:, None]
    i, j = linear_sum_assignment(np.minimum(cost, 2))
    near = cost[i, j] < 1
    return found.iloc[j[near]], truth.iloc[i[near]]


@pytest.mark.parametrize("appearance", ["normal", "pale", "strong", "blurred"])
def test_vessels_are_found_and_counted(appearance):
    table, truth = quantified(SEED, appearance)
    vessels = table[table.vessel]
    whole = inner(vessels)
    assert len(truth.vessels) >= 25
    assert len(matched(vessels, truth.vessels)[0]) >= 0.93 * len(truth.vessels)
    assert len(matched(whole, truth.vessels)[0]) >= 0.9 * len(whole)


@pytest.mark.parametrize(
    ("appearance", "lumen_error", "wall_error"),
    [("normal", 0.06, 0.1), ("pale", 0.06, 0.1), ("strong", 0.06, 0.16), ("blurred", 0.1, 0.2)],
)
def test_areas_are_those_of_the_truth(appearance, lumen_error, wall_error):
    table, truth = quantified(SEED, appearance)
    found, true = matched(table[table.vessel], within(truth.vessels))
    errors = {"lumen_area_um2": lumen_error, "endothelial_area_um2": wall_error}
    for name, error in errors.items():
        assert found[name].sum() / true[name].sum() == pytest.approx(1, abs=error)
    ratio = found.equivalent_diameter_um.to_numpy() / true.diameter_um.to_numpy()
    assert np.median(ratio) == pytest.approx(1, abs=0.06)


def test_stained_single_cells_are_set_aside():
    rgb, truth = render_field("CD31", SIDE_UM, SEED, "normal", decoys=160.0)
    planes = Planes.from_rgb(rgb, None, H_DAB, APPEARANCES["normal"].white_point, 0.5)
    table = find_vessels(planes, VesselCore(0, 0, *planes.shape, (False,) * 4)).table.to_pandas()
    vessels = table[table.vessel]
    spare = vessels.drop(matched(vessels, truth.vessels)[0].index)
    decoys = truth.extras[truth.extras.kind == "nonvascular"]
    wrong = 0
    for decoy in decoys.itertuples():
        distance = np.hypot(spare.centroid_x_px - decoy.x_px, spare.centroid_y_px - decoy.y_px)
        wrong += bool((distance * 0.5 < 6).any())
    assert len(decoys) >= 30
    assert wrong <= 0.1 * len(decoys)


def test_a_negative_control_has_no_vessels():
    rgb, _ = render_field("CD31", 400.0, SEED, "strong", stain=0.0)
    planes = Planes.from_rgb(rgb, None, H_DAB, APPEARANCES["strong"].white_point, 0.5)
    result = find_vessels(planes, VesselCore(0, 0, *planes.shape, (False,) * 4))
    assert result.table["vessel"].to_pylist().count(True) == 0
    assert result.count_low <= 1


def test_no_wall_grows_into_what_unstained_tissue_reaches() -> None:
    clean = VesselParams(threshold_od=0.3)
    assert clean.over(0.1) is clean
    hazy = clean.over(0.21)
    assert hazy.low_fraction == pytest.approx(0.7)
    assert hazy.wall_mean_share == 1.0
    assert clean.over(0.9).low_fraction == 1.0
