from __future__ import annotations

import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from scipy import ndimage

from histoquant.errors import UsageError
from histoquant.markers import get_marker
from histoquant.objects import (
    Nuclei,
    cell_surroundings,
    is_cap,
    is_countable,
    is_fragment,
    measure_cells,
    nuclear_content,
    outlines,
)
from histoquant.objects.label_runs import LabelRuns

sys.path.insert(0, str(Path(__file__).parent))
from nuclei_fields import planes, split

CD20, CD68, NUCLEAR = (get_marker(name) for name in ("CD20", "CD68", "nuclear"))


def _disc(radius: float, shape: tuple[int, int] = (81, 81), at: tuple[int, int] = (40, 40)) -> np.ndarray:
    y, x = np.mgrid[: shape[0], : shape[1]]
    return np.hypot(y - at[0], x - at[1])


def _measured(labels: np.ndarray, blue: np.ndarray, brown: np.ndarray, marker=CD20, mpp: float = 0.5):
    count = int(labels.max())
    seeds = np.array([np.argwhere(labels == i + 1)[0] for i in range(count)], np.int32).reshape(count, 2)
    return measure_cells(
        planes(blue, brown, mpp),
        Nuclei(labels.shape, seeds, np.full(count, 0.1), LabelRuns.of_all(labels)),
        marker,
    ).to_pandas()


def test_a_disc_has_the_shape_of_a_disc() -> None:
    far = _disc(9)
    cell = _measured((far <= 9).astype(np.int32), np.where(far <= 9, 0.5, 0.0), np.zeros(far.shape)).iloc[0]
    assert cell.nucleus_area_um2 == pytest.approx(np.pi * 4.5**2, rel=0.03)
    assert cell.perimeter_um == pytest.approx(2 * np.pi * 4.5, rel=0.04)
    assert cell.circularity > 0.93
    assert cell.eccentricity < 0.1
    assert cell.major_axis_um == pytest.approx(9.0, rel=0.03)
    assert (cell.centroid_y_px, cell.centroid_x_px) == (40.0, 40.0)
    assert cell.hematoxylin_od == pytest.approx(0.5)


def test_an_ellipse_has_its_axes() -> None:
    y, x = np.mgrid[:81, :81]
    mask = ((y - 40) / 6.0) ** 2 + ((x - 40) / 18.0) ** 2 <= 1
    cell = _measured(mask.astype(np.int32), mask * 0.4, np.zeros(mask.shape)).iloc[0]
    assert (cell.major_axis_um, cell.minor_axis_um) == pytest.approx((18.0, 6.0), rel=0.03)
    assert cell.eccentricity == pytest.approx(np.sqrt(1 - 1 / 9), abs=0.01)


def test_compartments_hold_their_own_stain() -> None:
    far = _disc(9)
    labels = (far <= 9).astype(np.int32)
    brown = np.where(far <= 9, 0.1, np.where(far <= 12.2, 0.6, np.where(far <= 18, 0.3, 0.9)))
    cell = _measured(labels, np.zeros(far.shape), brown).iloc[0]
    assert cell.nucleus_dab_od == pytest.approx(0.1)
    assert cell.ring_dab_od == pytest.approx(0.6, abs=0.01)
    assert cell.ring_dab_p50_od == pytest.approx(0.6, abs=0.006)
    assert 0.3 < cell.cytoplasm_dab_od < 0.6
    assert cell.cytoplasm_dab_p90_od == pytest.approx(0.6, abs=0.006)
    assert cell.nucleus_px == labels.sum()
    stained = (brown >= 0.2) & (far > 9) & (far <= 17)
    assert cell.stained_area_um2 == pytest.approx(stained.sum() * 0.25, rel=0.05)


def test_stain_on_one_side_is_a_neighbours() -> None:
    far = _disc(9)
    labels = (far <= 9).astype(np.int32)
    blue = np.where(far <= 9, 0.4, 0.0)
    x = np.mgrid[:81, :81][1]
    touched = np.where((far > 9) & (x > 49), 0.8, 0.02)
    ringed = np.where(far > 9, 0.8, 0.02)
    assert _measured(labels, blue, touched).around_dab_p50_od[0] < 0.1
    assert _measured(labels, blue, touched).around_dab_p75_od[0] > 0.1
    assert _measured(labels, blue, ringed).around_dab_p25_od[0] > 0.7


def test_blue_that_leaks_into_brown_is_not_brown() -> None:
    far = _disc(9)
    labels = (far <= 9).astype(np.int32)
    blue = np.where(far <= 9, 1.4, 0.05)
    leak = _measured(labels, blue, 0.18 * blue)
    assert leak.nucleus_dab_od[0] > 0.2
    assert leak.around_dab_p50_od[0] < 0.15


def test_a_nucleus_without_surroundings_has_no_ring_and_says_so() -> None:
    labels = np.ones((20, 20), np.int32)
    cell = _measured(labels, np.full((20, 20), 0.5), np.full((20, 20), 0.5)).iloc[0]
    assert cell.ring_px == 0
    for name in ("ring_dab_od", "ring_dab_p50_od", "cytoplasm_dab_od"):
        assert np.isnan(cell[name])
    assert cell.nucleus_dab_od == pytest.approx(0.5)


def test_outlines_enclose_exactly_the_pixels() -> None:
    rng = np.random.default_rng(1)
    blobs = cv2.GaussianBlur(rng.normal(0, 1, (120, 130)), (0, 0), 3) > 0.05
    labels, count = ndimage.label(blobs)
    labels = labels.astype(np.int32)
    shapes = outlines(labels)
    for i in range(count):
        polygon = shapes.polygon(i).astype(int)
        x, y = polygon[:, 0], polygon[:, 1]
        shoelace = 0.5 * abs(int(np.dot(x, np.roll(y, -1)) - np.dot(y, np.roll(x, -1))))
        assert shoelace == ndimage.binary_fill_holes(labels == i + 1).sum()
        steps = np.abs(np.diff(np.vstack([polygon, polygon[:1]]), axis=0))
        assert ((steps == 0).sum(axis=1) == 1).all()


def test_outlines_need_coordinates_that_fit() -> None:
    with pytest.raises(UsageError, match="32767"):
        outlines(np.zeros((1, 40000), np.int32))
    assert len(outlines(np.zeros((5, 5), np.int32)).offsets) == 1


def _union(*centres: tuple[int, int], radius: float = 8) -> np.ndarray:
    mask = np.zeros((60, 80), bool)
    for at in centres:
        mask |= _disc(radius, (60, 80), at) <= radius
    return mask.astype(np.int32)


def test_necks_are_cut_and_convex_shapes_are_not() -> None:
    pair = split(_union((30, 25), (30, 39)), 0.75, 40)
    assert pair.max() == 2
    # the cut is at the neck, wherever it runs
    assert np.bincount(pair.ravel())[1:].min() > 0.4 * (pair > 0).sum()
    slanted = split(_union((22, 30), (32, 40)), 0.75, 40)
    assert np.bincount(slanted.ravel())[1:].min() > 0.4 * (slanted > 0).sum()
    assert split(_union((30, 20), (30, 34), (30, 48)), 0.75, 40).max() == 3
    assert split(_union((30, 40)), 0.75, 40).max() == 1
    y, x = np.mgrid[:60, :80]
    spindle = (((y - 30) / 4.0) ** 2 + ((x - 40) / 25.0) ** 2 <= 1).astype(np.int32)
    assert split(spindle, 0.75, 40).max() == 1


def test_a_cut_loses_no_pixel_and_makes_no_crumbs() -> None:
    clump = _union((30, 20), (30, 34), (22, 44), radius=8)
    clump[30, 5:14] = 1
    parts = split(clump, 0.75, 40)
    assert ((parts > 0) == (clump > 0)).all()
    assert np.bincount(parts.ravel())[1:].min() >= 40
    assert (split(clump, 0.0, 40) == clump).all()


def test_caps_are_told_by_what_the_slide_shows() -> None:
    cells = {
        "hematoxylin_od": np.array([0.5] * 8 + [0.1]),
        "nucleus_area_um2": np.array([30.0] * 8 + [10.0]),
        "nucleus_dab_od": np.array([0.0] * 8 + [1.0]),
        "edge_od": np.full(9, 0.1),
        "around_dab_p50_od": np.zeros(9),
    }
    assert is_cap(cells, CD68).tolist() == [False] * 8 + [True]
    assert not is_cap(cells, NUCLEAR).any()
    pale = cells | {"hematoxylin_od": cells["hematoxylin_od"] / 3}
    assert (is_cap(pale, CD68) == is_cap(cells, CD68)).all()
    assert nuclear_content(cells, NUCLEAR)[-1] == pytest.approx(5.0)
    assert is_cap({name: np.zeros(0) for name in cells}, CD68).shape == (0,)


def test_what_hides_the_nucleus_of_a_lymphocyte_stands_for_it() -> None:
    cells = {
        "hematoxylin_od": np.array([0.4] * 9 + [0.02]),
        "nucleus_area_um2": np.full(10, 30.0),
        "nucleus_dab_od": np.array([0.1] * 9 + [0.7]),
        "edge_od": np.full(10, np.nan),
        "around_dab_p50_od": np.array([0.1] * 9 + [0.7]),
    }
    assert not is_cap(cells, CD20).any()
    assert is_cap(cells, CD68).tolist() == [False] * 9 + [True]
    assert nuclear_content(cells, CD20)[[0, 9]] == pytest.approx([12.0, 21.6])


def test_a_shadow_is_told_by_an_edge_faint_beside_the_slides_sharp_ones() -> None:
    cells = {
        "hematoxylin_od": np.full(9, 0.3),
        "nucleus_area_um2": np.full(9, 30.0),
        "nucleus_dab_od": np.zeros(9),
        "edge_od": np.array([0.2] * 6 + [np.nan, 0.06, 0.02]),
        "around_dab_p50_od": np.zeros(9),
    }
    assert is_cap(cells, CD68).tolist() == [False] * 8 + [True]
    # a brown membrane hides the edge of its nucleus; other brown does not
    brown = cells | {"around_dab_p50_od": np.full(9, 0.5)}
    assert not is_cap(brown, CD20).any()
    # unless it stands alone and is smaller than a lymphocyte cut beside its nucleus
    for alone, gone in ((np.full(9, 20.0), True), (np.full(9, 45.0), False), (np.full(9, np.nan), False)):
        assert is_cap(brown | {"stain_object_um2": alone}, CD20).tolist() == [False] * 8 + [gone]
    assert is_cap(brown, CD68).any()
    assert is_cap(brown, NUCLEAR).any()
    # a pale slide keeps what a strong one keeps, and a slide of faint nuclei only keeps them all
    assert (is_cap(cells | {"edge_od": cells["edge_od"] / 4}, CD68) == is_cap(cells, CD68)).all()
    assert not is_cap(cells | {"edge_od": np.full(9, 0.02)}, CD68).any()
    assert not is_cap(cells | {"edge_od": np.full(9, np.nan)}, CD68).any()


def _stained(places: list[tuple[float, float]], inside: list[float]) -> dict[str, np.ndarray]:
    count = len(places)
    return {
        "centroid_y_px": np.array([y for y, _ in places]),
        "centroid_x_px": np.array([x for _, x in places]),
        "around_dab_p50_od": np.full(count, 0.6),
        "nucleus_dab_od": np.array(inside),
        "hematoxylin_od": np.full(count, 0.4),
        "nucleus_area_um2": np.full(count, 30.0),
        "edge_od": np.full(count, 0.1),
    }


def test_a_brown_fragment_beside_the_nucleus_of_its_cell_is_not_another_cell() -> None:
    cells = _stained([(50, 50), (50, 62), (50, 90), (200, 200)], [0.3, 0.58, 0.62, 0.6])
    assert is_fragment(cells, CD68, 0.5).tolist() == [False, True, False, False]
    assert is_countable(cells, CD68, 0.5).tolist() == [True, False, True, True]
    # the same pixels at twice the size: the second lies 12 um away
    assert not is_fragment(cells, CD68, 1.0).any()
    assert not is_fragment(cells, CD20, 0.5).any()
    unstained = cells | {"around_dab_p50_od": np.full(4, 0.05), "nucleus_dab_od": np.full(4, 0.06)}
    assert not is_fragment(unstained, CD68, 0.5).any()
    with pytest.raises(UsageError, match="um per pixel"):
        is_fragment(cells, CD68, float("nan"))


def test_some_of_the_cells_are_measured_as_all_of_them() -> None:
    rng = np.random.default_rng(9)
    blue, brown = rng.uniform(0, 0.8, (2, 90, 110))
    labels = np.zeros((90, 110), np.int32)
    for i, (y, x) in enumerate([(4, 3), (9, 40), (30, 8), (33, 20), (60, 60), (80, 100)]):
        labels[_disc(5.0, labels.shape, (y, x)) <= 5] = i + 1
    seeds = np.array([np.argwhere(labels == i)[0] for i in range(1, 7)], np.int32)
    nuclei = Nuclei(labels.shape, seeds, rng.uniform(0, 1, 6), LabelRuns.of_all(labels))
    window, rows = planes(blue, brown), np.array([0, 3, 4])
    some = measure_cells(window, nuclei, CD68, rows, cell_surroundings(window, nuclei, CD68, rows))
    whole = measure_cells(window, nuclei, CD68)
    assert some.equals(whole.take(rows))
    lines, all_lines = outlines(labels, rows), outlines(labels)
    for k, row in enumerate(rows):
        assert (lines.polygon(k) == all_lines.polygon(row)).all()
