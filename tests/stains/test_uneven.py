"""The map of uneven background: found in clouds of haze, not in real stain, the same in every window."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import histoquant as hq
from histoquant.errors import StoreError
from histoquant.phantoms import render_field
from histoquant.phantoms.writer import write_slide
from histoquant.run.job import RunParameters
from histoquant.run.options import marker_with
from histoquant.run.plan import Planned, plan_of
from histoquant.run.quantify import Quantified
from histoquant.stains.uneven import UNEVEN_BACKGROUND, HazeMap, _at_rank, _levels, without_haze

SIZE_UM = 320.0


def drawn(folder: Path, marker: str, seed: int = 2, **scene: float) -> Path:
    rgb, truth = render_field(marker, SIZE_UM, seed, **scene)
    path = folder / f"{marker}-{'-'.join(f'{k}{v}' for k, v in scene.items())}.tif"
    write_slide(path, rgb, float(truth.summary["mpp"]))
    return path


def planned(path: Path, marker: str) -> Planned:
    with hq.open_slide(path) as slide:
        return plan_of(slide, marker_with(marker, {}), 0.5)


def quantified(path: Path, marker: str, tile_size_px: int = 1024) -> Quantified:
    with hq.open_slide(path) as slide:
        return hq.quantify(slide, marker, parameters=RunParameters(tile_size_px=tile_size_px))


@pytest.fixture(scope="module")
def hazy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return drawn(tmp_path_factory.mktemp("uneven"), "CD31", haze=5.0)


@settings(deadline=None)
@given(
    st.integers(0, 2**32 - 1),
    st.integers(-80, 200),
    st.integers(-80, 200),
    st.integers(1, 90),
    st.integers(1, 90),
)
def test_every_window_interpolates_the_same(seed: int, x: int, y: int, width: int, height: int) -> None:
    nodes = np.random.default_rng(seed).integers(0, 250, (3, 4)).astype(np.int16)
    whole = HazeMap(nodes, 64).window(-80, -80, 400, 400)
    part = HazeMap(nodes, 64).window(x, y, width, height)
    np.testing.assert_array_equal(part, whole[y + 80 : y + 80 + height, x + 80 : x + 80 + width])
    assert nodes.min() <= part.min()
    assert part.max() <= nodes.max()


def test_nodes_keep_their_value_and_the_middle_is_their_mean() -> None:
    window = HazeMap(np.array([[0, 100], [40, 200]], np.int16), 64).window(0, 0, 65, 65)
    assert [window[0, 0], window[0, 64], window[64, 0], window[64, 64]] == [0, 100, 40, 200]
    assert window[0, 32] == 50
    assert window[32, 32] == 85


def test_taking_haze_off_never_leaves_less_than_nothing() -> None:
    dab = np.array([-20, 0, 30, 300], np.int16)
    np.testing.assert_array_equal(without_haze(dab, np.full(4, 90, np.int16)), [-20, 0, 0, 210])


def test_a_stored_map_is_the_map() -> None:
    haze = HazeMap(np.arange(12, dtype=np.int16).reshape(3, 4))
    again = HazeMap.from_arrays(haze.to_arrays())
    assert again.digest() == haze.digest()
    assert again.step_px == haze.step_px
    assert replace(haze, step_px=32).digest() != haze.digest()
    with pytest.raises(StoreError, match="haze_step_px"):
        HazeMap.from_arrays({"haze_excess_mod": haze.excess_mod})


def test_clouds_of_haze_are_mapped_and_the_plan_says_how_much(hazy: Path) -> None:
    found = planned(hazy, "CD31")
    assert found.haze is not None
    assert found.haze.digest() == found.plan.background_sha256
    assert UNEVEN_BACKGROUND in found.plan.flags
    assert "taken off" in found.plan.background_reason
    told = found.plan.background_diagnostics
    assert told["cloud_od"] - told["clean_od"] > 0.05
    assert told["cloud_mm2"] > 0.02


@pytest.mark.parametrize(
    ("marker", "scene"),
    [
        ("CD20", {"aggregates": 9.0, "aggregate_radius_um": 150.0, "b_cells": 300.0, "masking": 0.4}),
        ("CD68", {"macrophages": 1100.0, "t_cells": 700.0}),
        ("CD68", {"macrophages": 420.0, "foamy": 0.5, "clumps": 0.7}),
        ("CD31", {}),
        ("CD68", {"stain": 0.0}),
    ],
)
def test_real_stain_is_no_haze(tmp_path: Path, marker: str, scene: dict[str, float]) -> None:
    found = planned(drawn(tmp_path, marker, **scene), marker)
    assert found.haze is None
    assert found.plan.background_sha256 == ""
    assert found.plan.background_reason.startswith("background: even")


def test_a_negative_slide_under_clouds_stays_negative(tmp_path: Path) -> None:
    result = quantified(drawn(tmp_path, "CD68", stain=0.0, haze=5.0), "CD68")
    assert UNEVEN_BACKGROUND in result.flags
    assert result.metrics["positive"] == 0


def test_vessels_under_clouds_are_those_of_the_clean_section(tmp_path: Path, hazy: Path) -> None:
    clean, cloudy = quantified(drawn(tmp_path, "CD31"), "CD31"), quantified(hazy, "CD31")
    assert clean.metrics["vessels"] >= 8
    assert abs(cloudy.metrics["vessels"] - clean.metrics["vessels"]) <= 2
    lumen = [one.metrics["lumen_area_percent"] for one in (clean, cloudy)]
    assert lumen[1] == pytest.approx(lumen[0], rel=0.25)


def test_tables_do_not_depend_on_tiles(hazy: Path) -> None:
    small, large = quantified(hazy, "CD31", 256), quantified(hazy, "CD31", 4096)
    for name in ("cells", "vessels"):
        left, right = getattr(small, name), getattr(large, name)
        assert left.to_json() == right.to_json()


def test_a_rank_is_what_sorting_gives() -> None:
    rng = np.random.default_rng(2)
    for size in (1, 2, 3, 50, 101):
        for most in (1, 4, 400):
            values = rng.integers(-most, most, size).astype(np.int32)
            found = [int(_at_rank(values.copy(), rank)) for rank in range(size)]
            assert found == sorted(values.tolist())


def test_levels_are_medians_of_the_smallest_square_that_holds_enough() -> None:
    rng = np.random.default_rng(3)
    for _ in range(40):
        height, width = (int(side) for side in rng.integers(1, 40, 2))
        mean = rng.integers(-50, 300, (height, width)).astype(np.int32)
        tissue = rng.random((height, width)) < rng.random()
        flat = tissue & (rng.random((height, width)) < rng.random())
        reach = int(rng.integers(2, 6))
        level = np.full((-(-height // 4) + 1, -(-width // 4) + 1), -32768, np.int32)
        near = np.zeros(level.shape, np.bool_)
        _levels(mean, flat, tissue, reach, level, near)
        for (j, i), found in np.ndenumerate(level):
            expected, first = -32768, False
            for widening in range(3):
                half = reach << widening
                here = np.s_[max(0, 4 * j - half) : 4 * j + half, max(0, 4 * i - half) : 4 * i + half]
                held = np.sort(mean[here][flat[here]])
                if tissue[here].any() and held.size >= 8 and 4 * held.size >= tissue[here].sum():
                    expected, first = int(held[(held.size - 1) // 2]), widening == 0
                    break
                if not tissue[here].any():
                    break
            assert (found, near[j, i]) == (expected, first)
