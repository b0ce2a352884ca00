from __future__ import annotations

import csv
import sys
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest

from histoquant.errors import UsageError
from histoquant.markers import get_marker
from histoquant.objects import (
    NucleiParams,
    Planes,
    measure_cells,
    nuclei_halo_px,
    outlines,
    outlines_of,
    segment_nuclei,
)
from histoquant.phantoms import render_field

sys.path.insert(0, str(Path(__file__).parent))
from nuclei_fields import DATA, cut, discs, halved, matched, of_rgb, planes

NUCLEAR, CD20, CD68, HE = (get_marker(name) for name in ("nuclear", "CD20", "CD68", "HE"))


def _cells(window: Planes, marker, y0: int = 0, x0: int = 0, core=None) -> pd.DataFrame:
    nuclei = segment_nuclei(window, marker, core=core)
    table = measure_cells(window, nuclei, marker).to_pandas()
    shapes, found = outlines(nuclei.labels), outlines_of(nuclei.runs, nuclei.shape)
    assert np.array_equal(shapes.corners, found.corners)
    assert np.array_equal(shapes.offsets, found.offsets)
    corner = np.array([x0, y0])
    table["polygon"] = [(shapes.polygon(i) + corner).tobytes() for i in range(len(table))]
    for axis, offset in (("y", y0), ("x", x0)):
        table[f"seed_{axis}_px"] += offset
        table[f"centroid_{axis}_px"] += offset
    return table


def _tiled(window: Planes, marker, core: int) -> pd.DataFrame:
    halo = nuclei_halo_px(window.mpp, marker)
    parts = []
    for y in range(0, window.shape[0], core):
        for x in range(0, window.shape[1], core):
            y0, x0 = max(0, y - halo), max(0, x - halo)
            y1, x1 = (min(side, at + core + halo) for side, at in zip(window.shape, (y, x), strict=True))
            inner = (y - y0, x - x0, y - y0 + core, x - x0 + core)
            cells = _cells(cut(window, y0, y1, x0, x1), marker, y0, x0, inner)
            owned = (cells.seed_y_px // core == y // core) & (cells.seed_x_px // core == x // core)
            parts.append(cells[owned])
    table = pd.concat(parts).sort_values(["seed_y_px", "seed_x_px"], ignore_index=True)
    assert not table.duplicated(["seed_y_px", "seed_x_px"]).any()
    return table


def _noise() -> Planes:
    """Worse than any tissue: blobs of all sizes that touch everywhere."""
    rng = np.random.default_rng(5)
    blue, brown = (
        cv2.GaussianBlur(rng.normal(0, 1, (700, 620)), (0, 0), s) * k for s, k in ((4, 3.0), (3, 2.0))
    )
    return planes(np.clip(blue + 0.25, -0.2, 2.5), np.clip(brown + 0.1, -0.1, 1.5))


@pytest.mark.parametrize("core", [256, 300, 512, 700])
@pytest.mark.parametrize("scene", ["noise", "phantom"])
def test_windows_do_not_change_a_single_number(scene: str, core: int) -> None:
    if scene == "noise":
        window = _noise()
    else:
        rgb, _ = render_field("CD20", 330.0, 7, mpp=0.5, aggregates=12.0)
        window = of_rgb(rgb)
    whole = _cells(window, CD20)
    assert len(whole) > 300
    pd.testing.assert_frame_equal(whole, _tiled(window, CD20, core), check_exact=True)


def test_a_shifted_window_gives_shifted_nuclei() -> None:
    window = _noise()
    halo = nuclei_halo_px(0.5, CD68)
    inner = _cells(cut(window, 37, 700, 53, 620), CD68, 37, 53)
    whole = _cells(window, CD68)
    keep = [
        table[
            table.seed_y_px.between(37 + halo, 700 - halo) & table.seed_x_px.between(53 + halo, 620 - halo)
        ].reset_index(drop=True)
        for table in (whole, inner)
    ]
    assert len(keep[0]) > 100
    pd.testing.assert_frame_equal(*keep, check_exact=True)


@pytest.mark.parametrize("mpp", [0.25, 0.5, 0.75, 1.0])
def test_discs_are_found_at_every_resolution(mpp: float) -> None:
    rng = np.random.default_rng(2)
    spots = [
        (y / mpp, x / mpp, rng.uniform(2.6, 4.5) / mpp, rng.uniform(0.25, 1.0))
        for y in range(10, 90, 12)
        for x in range(10, 90, 12)
    ]
    shape = (round(100 / mpp), round(100 / mpp))
    cells = _cells(planes(discs(shape, spots, 0.5 / mpp), mpp=mpp), CD20)
    truth = np.array([(x, y) for y, x, _, _ in spots])
    assert len(cells) == len(spots)
    assert matched(truth, cells[["centroid_x_px", "centroid_y_px"]].to_numpy(), 1.0 / mpp) == len(spots)
    radius = np.sort(np.sqrt(cells.nucleus_area_um2 / np.pi))
    wanted = np.sort([r * mpp for _, _, r, _ in spots])
    # the outline lies within the blurred edge
    assert ((radius > wanted - 0.3) & (radius < wanted + 0.9)).all()
    assert abs(np.median(radius - wanted)) < 0.6


def test_touching_nuclei_are_told_apart() -> None:
    pair = discs((80, 80), [(40, 33, 6.5, 0.6), (40, 45.5, 6.5, 0.6)])
    trio = discs((80, 80), [(34, 33, 6.5, 0.6), (34, 45, 6.5, 0.5), (45, 39, 6.5, 0.7)])
    assert len(_cells(planes(pair), CD20)) == 2
    assert len(_cells(planes(trio), CD20)) == 3


def test_a_pale_nucleus_beside_a_dark_one_is_found() -> None:
    both = discs((80, 80), [(40, 32, 6.5, 1.2), (40, 46, 6.5, 0.3)])
    assert len(_cells(planes(both), CD20)) == 2


def test_chromatin_does_not_break_a_nucleus_up() -> None:
    rng = np.random.default_rng(3)
    disc = discs((90, 90), [(45, 45, 13, 0.5)])
    texture = cv2.GaussianBlur(rng.normal(0, 1, disc.shape), (0, 0), 1.2) * 0.25
    assert len(_cells(planes(np.clip(disc * (1 + texture), 0, None)), HE)) == 1


def test_a_slender_fibroblast_nucleus_stays_whole() -> None:
    y, x = np.mgrid[:80, :80]
    spindle = cv2.GaussianBlur(0.5 * (((y - 40) / 3.0) ** 2 + ((x - 40) / 16.0) ** 2 <= 1), (0, 0), 1.0)
    cells = _cells(planes(spindle), CD68)
    assert len(cells) == 1
    assert cells.major_axis_um[0] > 3 * cells.minor_axis_um[0]


def test_nuclei_hidden_by_nuclear_brown_are_found() -> None:
    brown = discs((60, 100), [(30, 30, 7, 0.9)])
    blue = discs((60, 100), [(30, 70, 7, 0.4)])
    cells = _cells(planes(blue, brown), NUCLEAR)
    assert len(cells) == 2
    assert cells.nucleus_dab_od[cells.centroid_x_px.idxmin()] > 0.6


@pytest.mark.parametrize(("inner", "outer"), [(0.45, 0.15), (0.9, 0.2)])
def test_the_nucleus_of_a_brown_cell_is_the_nucleus(inner: float, outer: float) -> None:
    y, x = np.mgrid[:80, :80]
    far = np.hypot(y - 40, x - 40)
    blue = cv2.GaussianBlur(np.where(far < 7, inner, np.where(far < 16, outer, 0.02)), (0, 0), 1.0)
    brown = cv2.GaussianBlur(np.where((far >= 7) & (far < 16), 0.7, np.where(far < 7, 0.3, 0.0)), (0, 0), 1.0)
    cells = _cells(planes(blue, brown), CD68)
    assert len(cells) == 1
    assert cells.nucleus_area_um2[0] == pytest.approx(np.pi * 3.5**2, rel=0.4)
    assert cells.around_dab_p50_od[0] > 0.4


def test_faint_shadows_and_flat_tissue_are_no_nuclei() -> None:
    flat = np.full((120, 120), 0.15)
    shadow = flat + discs((120, 120), [(60, 60, 12, 0.03)], 3.0)
    assert len(_cells(planes(flat), CD68)) == 0
    assert len(_cells(planes(shadow), CD68)) == 0


def test_nothing_is_found_where_the_slide_has_no_pixels() -> None:
    blue = discs((60, 60), [(30, 30, 7, 0.6)])
    blind = planes(blue)
    blind.valid[:] = False
    nuclei = segment_nuclei(blind, CD68)
    assert nuclei.seeds.shape == (0, 2)
    assert measure_cells(blind, nuclei, CD68).num_rows == 0


def test_seeds_lie_in_their_nuclei_in_raster_order() -> None:
    nuclei = segment_nuclei(_noise(), CD20)
    assert (
        nuclei.labels[nuclei.seeds[:, 0], nuclei.seeds[:, 1]] == np.arange(1, len(nuclei.seeds) + 1)
    ).all()
    order = np.lexsort((nuclei.seeds[:, 1], nuclei.seeds[:, 0]))
    assert (order == np.arange(len(order))).all()


def test_more_nuclei_than_narrow_labels_are_the_same_nuclei(monkeypatch: pytest.MonkeyPatch) -> None:
    window = _noise()
    wanted = segment_nuclei(window, CD20)
    assert len(wanted.seeds) > 255
    monkeypatch.setattr("histoquant.objects.nuclei._FEW", np.uint8)
    found = segment_nuclei(window, CD20)
    assert (found.labels == wanted.labels).all()
    assert np.array_equal(found.edge_od, wanted.edge_od, equal_nan=True)


def test_rules_are_checked() -> None:
    with pytest.raises(UsageError, match="area_min_um2"):
        NucleiParams(area_min_um2=500.0)
    with pytest.raises(UsageError, match="dab_weight"):
        NucleiParams(dab_weight=2.0)
    with pytest.raises(UsageError, match="dab_doubt"):
        NucleiParams(dab_doubt=1.5)
    with pytest.raises(UsageError, match="um/px"):
        planes(np.zeros((9, 9)), mpp=5.0)
    # kernels look at the first and last pixel of a row
    for shape in ((9, 0), (0, 9)):
        with pytest.raises(UsageError, match="shows nothing"):
            planes(np.zeros(shape))


@pytest.mark.parametrize(("name", "least"), [("Bladder1", 0.80), ("Lung1", 0.85)])
def test_annotated_nuclei_are_found(name: str, least: float) -> None:
    folder = DATA / "ihc-annotated"
    if not folder.exists():
        pytest.skip("annotated images are not beside this checkout (../shared/data/ihc-annotated)")
    rgb = halved(folder / f"{name}.png")
    white = tuple(float(np.percentile(rgb[..., c], 99)) for c in range(3))
    cells = _cells(of_rgb(rgb, 0.5, white), NUCLEAR)
    with (folder / f"{name}.csv").open() as file:
        truth = np.array(
            [(float(r["x_px"]) / 2 - 0.25, float(r["y_px"]) / 2 - 0.25) for r in csv.DictReader(file)]
        )
    hits = matched(truth, cells[["centroid_x_px", "centroid_y_px"]].to_numpy(), 12.0)
    assert 2 * hits / (len(truth) + len(cells)) >= least


@pytest.mark.parametrize(("grain", "between"), [(0.9, 0.2), (1.6, 0.35)])
def test_a_coarse_brown_nucleus_is_one(grain: float, between: float) -> None:
    y, x = np.mgrid[:80, :80]
    inside = ((y - 40) / 13.0) ** 2 + ((x - 40) / 17.0) ** 2 <= 1
    grains = (x // 10 % 2 == 0) & (y // 10 % 2 == 0)
    brown = cv2.GaussianBlur(np.where(inside, np.where(grains, grain, between), 0.0), (0, 0), 1.2)
    window = planes(0.1 * inside, brown)
    assert len(segment_nuclei(window, NUCLEAR).seeds) == 1
    trusting = replace(NucleiParams.of_marker(NUCLEAR), dab_doubt=0.0)
    assert len(segment_nuclei(window, NUCLEAR, trusting).seeds) == 4


def test_a_tinted_fibre_is_no_brown_nucleus() -> None:
    fibre = np.zeros((60, 120))
    fibre[27:33, 40:75] = 1.0
    fibre = cv2.GaussianBlur(fibre, (0, 0), 1.0)
    window = planes(0.1 + 0.04 * fibre, 0.12 * fibre)
    assert len(segment_nuclei(window, NUCLEAR).seeds) == 0
    tinted = replace(NucleiParams.of_marker(NUCLEAR), dab_floor_od=0.0)
    assert len(segment_nuclei(window, NUCLEAR, tinted).seeds) == 1
