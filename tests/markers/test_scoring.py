from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
import pytest
from pydantic import ValidationError

from histoquant.errors import UsageError
from histoquant.markers import MARKERS, MarkerDefinition, get_marker, registry, score, stain_od
from histoquant.markers.definition import SPATIAL_READOUTS
from histoquant.objects import Planes, is_countable, measure_cells, segment_nuclei
from histoquant.phantoms import render_field
from histoquant.stains import H_DAB

FEATURES = (
    "around_dab_p25_od",
    "around_dab_p50_od",
    "nucleus_dab_od",
    "nucleus_area_um2",
    "hematoxylin_od",
    *(f"cytoplasm_dab_p{p}_od" for p in (25, 50, 75, 90)),
)


def _cells(count: int = 50, seed: int = 0) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    table = pd.DataFrame({name: rng.uniform(0, 0.6, count) for name in FEATURES})
    quantiles = [f"cytoplasm_dab_p{p}_od" for p in (25, 50, 75, 90)]
    table[quantiles] = np.sort(table[quantiles].to_numpy(), axis=1)
    return table


@pytest.mark.parametrize("name", ["CD68", "cd68", " Cd68 "])
def test_markers_are_found_in_any_case(name: str) -> None:
    assert get_marker(name).name == "CD68"


def test_all_promised_markers_exist() -> None:
    assert set(MARKERS) == {"CD68", "CD20", "CD31", "HE", "nuclear", "membrane", "cytoplasmic"}
    for name, marker in MARKERS.items():
        assert marker.name == name
        assert len(stain_od(_cells(), marker)) == 50


def test_every_scored_marker_tells_whether_its_cells_gather() -> None:
    for name in set(MARKERS) - {"HE", "CD31"}:
        assert set(SPATIAL_READOUTS) <= set(MARKERS[name].readouts)


def test_an_unknown_marker_is_refused_with_the_known_ones() -> None:
    with pytest.raises(UsageError, match="CD68, CD20"):
        get_marker("CD8")


@pytest.mark.parametrize("name", ["CD68", "CD20", "nuclear", "membrane", "cytoplasmic"])
def test_the_threshold_moves_without_pixels(name: str) -> None:
    cells, marker = _cells(), get_marker(name)
    stain = stain_od(cells, marker)
    counts = [int(score(cells, marker, t).positive.sum()) for t in (0.05, 0.1, 0.2, 0.3, 0.5)]
    assert counts == sorted(counts, reverse=True)
    assert counts[0] > counts[-1]
    assert (score(cells, marker).positive == (stain >= marker.threshold_od)).all()


@pytest.mark.parametrize("name", ["CD68", "CD20", "nuclear", "membrane", "cytoplasmic"])
def test_what_was_not_measured_is_neither_positive_nor_silent(name: str) -> None:
    cells = _cells()
    cells.iloc[::5] = np.nan
    scored = score(cells, get_marker(name))
    assert scored.unscorable.tolist() == [i % 5 == 0 for i in range(50)]
    assert not (scored.positive & scored.unscorable).any()


@pytest.mark.parametrize("name", ["HE", "CD31"])
def test_slides_without_scored_cells_have_no_positives(name: str) -> None:
    scored = score(_cells(), get_marker(name))
    assert scored.unscorable.all()
    assert not scored.positive.any()


def test_a_threshold_at_the_stain_is_positive() -> None:
    cells = _cells(1).assign(nucleus_dab_od=0.2, hematoxylin_od=0.3)
    assert score(cells, get_marker("nuclear"), 0.2).positive.all()


def test_what_unmixing_leaves_of_dark_blue_is_not_brown() -> None:
    marker = get_marker("nuclear")
    brown = _cells(3).assign(nucleus_dab_od=[0.15, 0.15, 0.3], hematoxylin_od=[0.2, 0.8, 0.8])
    assert score(brown, marker).positive.tolist() == [True, False, True]
    assert stain_od(brown, marker) == pytest.approx([0.15, 0.15 * 0.15 / 0.24, 0.3])
    pale = _cells(2).assign(nucleus_dab_od=[0.2, -0.03], hematoxylin_od=[-0.01, 0.0])
    assert stain_od(pale, marker) == pytest.approx([0.2, -0.03])


@pytest.mark.parametrize("threshold", [0.0, -0.1, float("nan"), float("inf")])
def test_a_senseless_threshold_is_refused(threshold: float) -> None:
    with pytest.raises(UsageError, match="threshold"):
        score(_cells(), get_marker("CD68"), threshold)


def test_a_table_without_the_features_is_refused() -> None:
    with pytest.raises(UsageError, match="around_dab_p50_od"):
        score({"x": np.zeros(3)}, get_marker("CD68"))


def test_definitions_are_frozen_and_checked() -> None:
    marker = get_marker("CD20")
    with pytest.raises(ValidationError):
        marker.threshold_od = 0.3  # type: ignore[misc]
    for wrong in (
        {"threshold_od": 9.0},
        {"nucleus_min_um2": 90.0, "nucleus_max_um2": 60.0},
        {"ring_um": 4.5, "cytoplasm_um": 3.0},
        {"name": "CD 20"},
        {"surprise": 1},
    ):
        with pytest.raises(ValidationError):
            MarkerDefinition.model_validate({**marker.model_dump(), **wrong})


@pytest.mark.parametrize("name", ["CD20", "membrane"])
def test_a_ring_is_even_and_more_than_what_a_blue_nucleus_leaves(name: str) -> None:
    marker = get_marker(name)
    t = marker.threshold_od
    # ring at the threshold, half ring of a neighbour, ring as weak beside a nucleus that shines through
    half, most, blue = [1.001 * t, 2.0 * t, 1.1 * t], [1.0 * t, 0.5 * t, 1.1 * t], [1.8 * t, 1.8 * t, 8.0 * t]
    cells = pd.DataFrame({"around_dab_p50_od": half, "around_dab_p25_od": most, "hematoxylin_od": blue})
    assert stain_od(cells, marker)[0] == pytest.approx(1.001 * t, rel=0.01)
    assert score(cells, marker).positive.tolist() == [True, False, False]
    # stain and threshold measured twice as strong say the same
    assert score(2.0 * cells, marker, 2.0 * t).positive.tolist() == [True, False, False]


def test_a_share_that_was_not_stored_is_refused() -> None:
    marker = get_marker("cytoplasmic").model_copy(update={"min_stained_fraction": 0.95})
    with pytest.raises(UsageError, match="min_stained_fraction"):
        score(_cells(), marker)
    third = get_marker("cytoplasmic").model_copy(update={"min_stained_fraction": 0.375})
    cells = _cells(1).assign(
        around_dab_p25_od=2.0, around_dab_p50_od=2.0, cytoplasm_dab_p50_od=0.1, cytoplasm_dab_p75_od=0.3
    )
    assert stain_od(cells, third)[0] == pytest.approx(0.2)


@dataclass
class _Entry:
    name: str
    loaded: object
    value: str = "somewhere:MARKER"

    def load(self) -> object:
        return self.loaded


def test_a_plugin_brings_its_marker_and_rule(monkeypatch: pytest.MonkeyPatch) -> None:
    cd3 = MarkerDefinition(name="CD3", compartment="membrane", rule="cd3", threshold_od=0.15)
    pair = (cd3, lambda cells, definition: np.asarray(cells["nucleus_dab_od"]))
    monkeypatch.setattr(registry, "entry_points", lambda group: [_Entry("CD3", pair)])
    assert get_marker("cd3") is cd3
    cells = _cells()
    assert (score(cells, cd3).positive == (cells.nucleus_dab_od >= 0.15)).all()


def test_a_broken_plugin_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "entry_points", lambda group: [_Entry("CD3", ("no", "pair"))])
    with pytest.raises(UsageError, match="CD3"):
        get_marker("CD3")
    monkeypatch.setattr(registry, "entry_points", lambda group: [])
    orphan = MarkerDefinition(name="CD3", compartment="membrane", rule="cd3")
    with pytest.raises(UsageError, match="no scoring rule 'cd3'"):
        score(_cells(), orphan)


@pytest.mark.parametrize(("name", "seed", "more"), [("CD68", 11, {}), ("CD20", 12, {"b_cells": 600.0})])
def test_positive_cells_of_a_phantom_are_counted(name: str, seed: int, more: dict[str, float]) -> None:
    rgb, truth = render_field(name, 600.0, seed, mpp=0.5, **more)
    marker = get_marker(name)
    white = tuple(float(np.percentile(rgb[..., c], 99)) for c in range(3))
    window = Planes.from_rgb(rgb, None, H_DAB, white, 0.5)
    cells = measure_cells(window, segment_nuclei(window, marker), marker).to_pandas()
    cells = cells[is_countable(cells, marker, 0.5)]
    found = int(score(cells, marker).positive.sum())
    truth_cells = truth.nuclei[(truth.nuclei.positive == 1) & (truth.nuclei.excluded == 0)]
    wanted = int(truth_cells.visible.sum())
    assert wanted >= 40
    assert abs(found - wanted) <= 0.12 * wanted
