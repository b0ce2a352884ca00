"""Every kind of artefact is left out by name, and its area known."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from histoquant.phantoms import Artefact, render_field
from histoquant.stains import H_DAB
from histoquant.tiling.tissue_map import TissueMap

SIDE_UM = 520.0


def drawn(*artefacts: Artefact, appearance: str = "normal", marker: str = "CD68"):  # type: ignore[no-untyped-def]
    rgb, truth = render_field(marker, SIDE_UM, 9, appearance, fragments=1, artefacts=artefacts)
    return rgb, truth.summary


def under(found: TissueMap, artefact: Artefact) -> np.ndarray:
    """Map pixels whose centre lies under an artefact."""
    rows, columns = found.tissue.shape
    x = (np.arange(columns)[None, :] + 0.5) * found.mpp_xy[0]
    y = (np.arange(rows)[:, None] + 0.5) * found.mpp_xy[1]
    return artefact.covers(x, y)


def caught(found: TissueMap, artefact: Artefact) -> float:
    """Share of the tissue under an artefact that is excluded for any reason."""
    there = under(found, artefact) & found.tissue
    return float((found.excluded[there] > 0).mean())


@pytest.mark.parametrize("ink", ["blue", "green", "black"])
def test_pen_over_tissue_and_glass(mapper, ink: str) -> None:  # type: ignore[no-untyped-def]
    stroke = Artefact("pen", ((180.0, -20.0), (190.0, 540.0)), 55.0, ink=ink, seed=3)
    rgb, truth = drawn(stroke)
    found = mapper(rgb)
    assert caught(found, stroke) > 0.9
    assert found.tissue_mm2 == pytest.approx(truth["tissue_mm2"], rel=0.03)
    assert found.excluded_by_reason_mm2["pen"] == pytest.approx(truth["excluded_mm2"], rel=0.25)
    # ink on glass is neither tissue nor excluded tissue
    assert not found.tissue[:2].any()


def test_red_pen(painter, mapper) -> None:  # type: ignore[no-untyped-def]
    section = painter(1600, 1280)
    section.od[:, 700:820] += np.array([0.05, 0.9, 0.7])
    found = mapper(section.photograph())
    assert (found.excluded[20:60, 45:50] == 4).all()
    lost = section.tissue[:, 700:820].sum() * 0.25e-6
    assert found.tissue_mm2 == pytest.approx(section.tissue_mm2 - lost, rel=0.03)


@pytest.mark.parametrize(("appearance", "sigma"), [("normal", 2.4), ("pale", 2.4), ("noisy", 3.0)])
def test_tissue_out_of_focus(mapper, appearance: str, sigma: float) -> None:  # type: ignore[no-untyped-def]
    patch = Artefact("defocus", ((250.0, 260.0),), 120.0, strength=sigma, seed=4)
    rgb, _ = drawn(patch, appearance=appearance)
    found = mapper(rgb)
    assert caught(found, patch) > 0.75
    # beside the patch, where its drawn blur has faded to nothing
    wide = cv2.dilate(under(found, patch).astype(np.uint8), np.ones((3, 3), np.uint8)).astype(bool)
    assert (found.excluded[found.tissue & ~wide] > 0).mean() < 0.03
    assert found.excluded_by_reason_mm2["blur"] > 0.8 * found.excluded_mm2


@pytest.mark.parametrize("appearance", ["blurred", "noisy", "strong"])
def test_a_soft_or_noisy_scanner_is_not_out_of_focus(mapper, appearance: str) -> None:  # type: ignore[no-untyped-def]
    assert mapper(drawn(appearance=appearance)[0]).excluded_mm2 == 0.0


def test_fold(mapper) -> None:  # type: ignore[no-untyped-def]
    fold = Artefact("fold", ((170.0, 180.0), (260.0, 250.0), (350.0, 340.0)), 16.0, seed=5)
    rgb, truth = drawn(fold)
    found = mapper(rgb)
    assert caught(found, fold) > 0.7
    assert found.excluded_by_reason_mm2["fold"] > 0.7 * truth["excluded_mm2"]
    off = found.tissue & ~cv2.dilate(under(found, fold).astype(np.uint8), np.ones((3, 3))).astype(bool)
    assert (found.excluded[off] > 0).mean() < 0.005
    assert found.tissue_mm2 == pytest.approx(truth["tissue_mm2"], rel=0.03)


@pytest.mark.parametrize("half_width", [16.0, 28.0, 45.0])
def test_a_wide_fold_through_b_cell_sheets(mapper, half_width: float) -> None:  # type: ignore[no-untyped-def]
    fold = Artefact("fold", ((200.0, 90.0), (300.0, 300.0), (330.0, 520.0)), half_width, seed=7)
    rgb, truth = render_field("CD20", 600.0, 3, aggregates=6.0, b_cells=420.0, artefacts=(fold,))
    found = mapper(rgb)
    assert caught(found, fold) > (0.6 if half_width < 20 else 0.85)
    off = found.tissue & ~cv2.dilate(under(found, fold).astype(np.uint8), np.ones((5, 5))).astype(bool)
    assert (found.excluded[off] > 0).mean() < 0.02
    assert found.tissue_mm2 == pytest.approx(truth.summary["tissue_mm2"], rel=0.03)


@pytest.mark.parametrize(
    "scene",
    [{"crypts": 60.0}, {"aggregates": 10.0, "b_cells": 800.0}, {"t_cells": 3600.0, "macrophages": 420.0}],
    ids=["crypts", "aggregates", "crowded"],
)
def test_dark_structures_are_no_artefact(mapper, scene: dict[str, float]) -> None:  # type: ignore[no-untyped-def]
    for marker in ("CD20", "CD31"):
        rgb, truth = render_field(marker, 600.0, 12, **scene)
        found = mapper(rgb)
        assert found.excluded_mm2 <= 0.005 * found.tissue_mm2
        # lumens and tears of at most 2000 um2 are part of the section
        assert found.tissue_mm2 == pytest.approx(truth.summary["tissue_mm2"], rel=0.015)


@pytest.mark.parametrize("radius", [36.0, 60.0])
def test_air_bubble(mapper, radius: float) -> None:  # type: ignore[no-untyped-def]
    bubble = Artefact("bubble", ((250.0, 260.0),), radius, seed=6)
    rgb, truth = drawn(bubble)
    found = mapper(rgb)
    assert caught(found, bubble) > 0.9
    assert found.excluded_by_reason_mm2["bubble"] == pytest.approx(truth["excluded_mm2"], rel=0.3)


def test_air_bubble_on_glass_is_no_tissue(painter, mapper) -> None:  # type: ignore[no-untyped-def]
    section = painter(1600, 1280)
    clean = mapper(section.photograph())
    ring = np.zeros(section.tissue.shape, np.uint8)
    cv2.circle(ring, (130, 130), 90, 1, 14)
    section.od += 0.9 * ring[..., None]
    found = mapper(section.photograph())
    np.testing.assert_array_equal(found.quantifiable, clean.quantifiable)


def test_pigment_clumps_but_not_the_dab_beside_them(painter, mapper) -> None:  # type: ignore[no-untyped-def]
    section = painter(1600, 1280).cells(80, 0.3, 1.6, radius_px=9)
    positive = section.photograph()
    assert mapper(positive).excluded_mm2 == 0.0
    grains = np.zeros(section.tissue.shape, np.uint8)
    rng = np.random.default_rng(8)
    free = [
        (x, y)
        for y in range(400, 900, 50)
        for x in range(500, 1100, 50)
        if section.od[y - 45 : y + 45, x - 45 : x + 45, 2].max() < 0.8  # no positive cell near
    ]
    spots = free[:: max(1, len(free) // 4)][:4]
    assert len(spots) == 4
    for x, y in spots:
        for dx, dy in rng.integers(-12, 13, (40, 2)).tolist():
            cv2.circle(grains, (x + dx, y + dy), 2, 1, -1)
    section.od += 1.0 * grains[..., None] * np.array([0.9, 1.0, 1.05])
    found = mapper(section.photograph())
    for x, y in spots:
        part = found.excluded[y // 16 - 1 : y // 16 + 2, x // 16 - 1 : x // 16 + 2]
        assert (part == 3).any()
    assert 0.0 < found.excluded_by_reason_mm2["pigment"] < 0.004
    assert found.excluded_mm2 == found.excluded_by_reason_mm2["pigment"]


def test_dark_dab_over_haematoxylin_is_no_pigment(painter, mapper) -> None:  # type: ignore[no-untyped-def]
    section = painter(1600, 1280).cells(300, 0.9, 1.5, radius_px=8)
    assert mapper(section.photograph()).excluded_mm2 == 0.0


def test_negative_control_and_hazy_slides_lose_nothing(mapper) -> None:  # type: ignore[no-untyped-def]
    for appearance in ("hazy", "vector-shifted"):
        rgb, truth = drawn(appearance=appearance)
        found = mapper(rgb)
        assert found.excluded_mm2 == 0.0
        assert found.tissue_mm2 == pytest.approx(truth["tissue_mm2"], rel=0.03)


def test_a_brown_band_is_no_fold(painter, mapper) -> None:  # type: ignore[no-untyped-def]
    section = painter(1600, 1280)
    section.od[600:640, 500:1100] += 0.35 * H_DAB.matrix[1]
    section.od[700:740, 500:1100] += 0.35 * H_DAB.matrix[0]
    assert mapper(section.photograph()).excluded_mm2 == 0.0


def _with_piled_dab(section, dab_od: float, deep_px: int):  # type: ignore[no-untyped-def]
    """DAB over everything along the left half of the border, gone ``deep_px`` inside."""
    depth = cv2.distanceTransform(section.tissue.astype(np.uint8), cv2.DIST_L2, 5)
    amount = np.clip(1.0 - depth / deep_px, 0.0, 1.0) * (section.tissue & (np.arange(1600) < 800))
    section.od += dab_od * amount[..., None] * H_DAB.matrix[1]
    return (depth > 0) & (depth < deep_px / 2) & (np.arange(1600) < 760)


def test_dab_piled_up_along_the_border(painter, mapper) -> None:  # type: ignore[no-untyped-def]
    section = painter(1600, 1280).cells(120, 0.3, 1.2, radius_px=9)
    rim = _with_piled_dab(section, 0.5, 120)
    found = mapper(section.photograph())
    edge = (found.excluded == 6).astype(np.uint8).repeat(16, axis=0).repeat(16, axis=1)[:1280, :1600] > 0
    assert edge[rim].mean() > 0.8
    assert not edge[:, 860:].any()
    assert found.excluded_mm2 == found.excluded_by_reason_mm2["edge_dab"]


def test_a_sheet_of_positive_cells_along_the_border_is_no_edge_effect(painter, mapper) -> None:  # type: ignore[no-untyped-def]
    section = painter(1600, 1280)
    depth = cv2.distanceTransform(section.tissue.astype(np.uint8), cv2.DIST_L2, 5)
    rng = np.random.default_rng(5)
    sheet, nuclei = np.zeros(depth.shape, np.float32), np.zeros(depth.shape, np.uint8)
    sheet[(depth > 0) & (depth < 130)] = 1.0
    for y in range(0, 1280, 24):
        for x in range(0, 1600, 24):
            at = (x + int(rng.integers(-4, 5)), y + int(rng.integers(-4, 5)))
            cv2.circle(nuclei, at, 7, 1, -1)
    # macrophages side by side: brown cytoplasm without a gap, and a blue nucleus in each
    inside = (nuclei > 0) & (sheet > 0)
    section.od[sheet > 0] += 0.6 * H_DAB.matrix[1]
    section.od[inside] = 0.7 * H_DAB.matrix[0]
    assert mapper(section.photograph()).excluded_by_reason_mm2["edge_dab"] == 0.0


def test_brown_all_over_is_no_edge_effect(painter, mapper) -> None:  # type: ignore[no-untyped-def]
    section = painter(1600, 1280)
    section.od += 0.2 * section.tissue[..., None] * H_DAB.matrix[1]
    assert mapper(section.photograph()).excluded_mm2 == 0.0


@pytest.mark.parametrize(("marker", "appearance"), [("CD68", "normal"), ("CD20", "pale")])
def test_a_crushed_patch_but_not_the_stroma_around_it(mapper, marker: str, appearance: str) -> None:  # type: ignore[no-untyped-def]
    patch = Artefact("crush", ((250.0, 260.0), (300.0, 280.0)), 105.0, seed=16)
    rgb, _ = render_field(marker, SIDE_UM, 9, appearance, artefacts=(patch,))
    found = mapper(rgb)
    assert caught(found, patch) > 0.7
    off = found.tissue & ~under(found, patch)
    # the border fades over 22 um
    assert (found.excluded[off] > 0).mean() < 0.04
    assert found.excluded_by_reason_mm2["crush"] > 0.9 * found.excluded_mm2


@pytest.mark.parametrize("seed", [3, 4])
def test_stroma_that_swirls_and_runs_one_way_is_not_crushed(mapper, seed: int) -> None:  # type: ignore[no-untyped-def]
    rgb, _ = render_field("CD31", SIDE_UM, seed, fibroblasts=1600.0)
    assert mapper(rgb).excluded_mm2 == 0.0


def test_crypts_and_the_stroma_between_them_are_not_crushed(mapper) -> None:  # type: ignore[no-untyped-def]
    from skimage.data import immunohistochemistry

    found = mapper(np.ascontiguousarray(immunohistochemistry()))
    assert found.excluded_by_reason_mm2["crush"] == 0.0
