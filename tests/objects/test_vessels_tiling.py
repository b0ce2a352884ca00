"""The same vessels, to the last bit, for every tile size and halo."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from histoquant.objects import vessels_grow
from histoquant.objects.planes import Planes
from histoquant.objects.vessels import (
    VesselCore,
    VesselParams,
    find_vessels,
    vessels_cap_halo_px,
    vessels_halo_px,
)
from histoquant.objects.vessels_grow import find_whole_vessels
from histoquant.phantoms import APPEARANCES, render_field
from histoquant.stains import H_DAB


def phantom_planes(seed: int, size_um: float = 320.0, **scene: float) -> Planes:
    rgb, _ = render_field("CD31", size_um, seed, "noisy", **scene)
    white = APPEARANCES["noisy"].white_point
    return Planes.from_rgb(rgb, None, H_DAB, white, 0.5)


def tangle(seed: int, side: int = 500) -> Planes:
    """Random curves that touch, cross and run on for hundreds of micrometres: worse than any tissue."""
    generator = np.random.default_rng(seed)
    dab = generator.normal(40, 15, (side, side))
    for _ in range(40):
        at, angle = generator.uniform(0, side, 2), generator.uniform(0, 6.3)
        for _ in range(int(generator.integers(10, 260))):
            angle += generator.normal(0, 0.15)
            at = at + np.array([np.sin(angle), np.cos(angle)])
            y, x = at.astype(int)
            if 1 <= y < side - 1 and 1 <= x < side - 1 and generator.random() < 0.93:
                dab[y - 1 : y + 2, x - 1 : x + 2] = generator.normal(450, 150)
    mod = dab.round().astype(np.int16)
    blue = generator.normal(40, 15, (side, side)).round().astype(np.int16)
    return Planes(blue, mod, (mod // 2).astype(np.int16), np.ones(mod.shape, bool), 0.5)


def run(planes: Planes, tile: int, halo: int, params: VesselParams) -> tuple[pa.Table, int, int, bool]:
    """All tiles of a plane, looking further while vessels are undecided."""
    height, width = planes.shape
    cap = vessels_cap_halo_px(planes.mpp, params)

    def read(box: tuple[int, int, int, int], reach: int) -> tuple[Planes, VesselCore]:
        assert reach <= cap
        y0, x0, y1, x1 = box
        top, left = max(0, y0 - reach), max(0, x0 - reach)
        bottom, right = min(height, y1 + reach), min(width, x1 + reach)
        part = (slice(top, bottom), slice(left, right))
        names = ("hematoxylin", "dab", "total", "valid")
        window = Planes(*(getattr(planes, name)[part] for name in names), planes.mpp)
        edges = (top > 0, left > 0, bottom < height, right < width)
        return window, VesselCore(y0 - top, x0 - left, y1 - top, x1 - left, edges, (top, left))

    tables, low, high, oversize = [], 0, 0, False
    for y in range(0, height, tile):
        for x in range(0, width, tile):
            box = (y, x, min(y + tile, height), min(x + tile, width))
            result = find_whole_vessels(read, box, planes.mpp, params, halo_px=halo)
            assert not len(result.unclosed), "the cap must decide every vessel"
            tables.append(result.table)
            low, high = low + result.count_low, high + result.count_high
            oversize |= result.oversize
    order = [("first_y_px", "ascending"), ("first_x_px", "ascending")]
    return pa.concat_tables(tables).sort_by(order).combine_chunks(), low, high, oversize


@pytest.mark.parametrize("seed", [1, 2])
@pytest.mark.parametrize(("tile", "halo"), [(64, 20), (100, 40), (173, 114), (320, 57)])
def test_phantom_vessels_do_not_depend_on_the_tiling(seed, tile, halo):
    planes = phantom_planes(seed, vessels=400.0)
    whole = run(planes, 10_000, 1, VesselParams())
    assert whole[0].num_rows > 10
    tiled = run(planes, tile, halo, VesselParams())
    assert tiled[0].equals(whole[0])
    assert tiled[1:] == whole[1:]


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize(("tile", "halo"), [(90, 20), (130, 35)])
def test_a_tangle_is_cut_alike_by_every_tiling(seed, tile, halo):
    """Short limits make joins, drops and the cap all happen within 250 um."""
    planes = tangle(seed)
    params = VesselParams(max_extent_um=60.0, join_extent_um=25.0)
    whole = run(planes, 10_000, 1, params)
    assert whole[0].num_rows > 5
    assert whole[3]
    tiled = run(planes, tile, halo, params)
    assert tiled[0].equals(whole[0])
    assert tiled[1:] == whole[1:]


@pytest.mark.parametrize("halo", [20, 35])
def test_a_large_box_is_looked_at_in_parts(monkeypatch, halo):
    planes, params = tangle(1), VesselParams(max_extent_um=60.0, join_extent_um=25.0)
    whole = run(planes, 10_000, halo, params)
    looked: list[tuple[int, int, int, int]] = []

    def counted(window, core, *arguments, **named):
        looked.append((core.y0, core.x0, core.y1, core.x1))
        return find_vessels(window, core, *arguments, **named)

    monkeypatch.setattr(vessels_grow, "_MOST_PX", planes.dab.size // 4)
    monkeypatch.setattr(vessels_grow, "find_vessels", counted)
    parts = run(planes, 10_000, halo, params)
    assert parts[0].equals(whole[0])
    assert parts[1:] == whole[1:]
    assert len(looked) >= 4
    assert max((y1 - y0) * (x1 - x0) for y0, x0, y1, x1 in looked) <= planes.dab.size // 4


def test_a_vessel_that_leaves_the_window_is_reported_not_guessed():
    planes = phantom_planes(1)
    table = find_vessels(planes, VesselCore(0, 0, *planes.shape, (False,) * 4)).table
    box = max(table.to_pylist(), key=lambda row: row["box_y1_px"] - row["box_y0_px"])
    bottom = (box["box_y0_px"] + box["box_y1_px"]) // 2
    part = slice(0, bottom)
    window = Planes(planes.hematoxylin[part], planes.dab[part], planes.total[part], planes.valid[part], 0.5)
    core = VesselCore(0, 0, bottom, planes.shape[1], (False, False, True, False))
    result = find_vessels(window, core)
    first = [box["first_y_px"], box["first_x_px"]]
    assert first in result.unclosed.tolist()
    assert first[0] not in result.table["first_y_px"].to_pylist()


def test_halos():
    assert vessels_halo_px(0.5) < vessels_cap_halo_px(0.5)
    assert vessels_halo_px(0.25) > vessels_halo_px(0.5)
