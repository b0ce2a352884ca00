"""Tissue area against truth, debris, padding, fields, storage and look-up."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from histoquant.errors import StoreError
from histoquant.phantoms import render_field
from histoquant.stains import H_DAB, white_point
from histoquant.tiling.survey import survey
from histoquant.tiling.tissue_map import EXCLUSIONS, TissueMap, map_tissue

DATA = Path(__file__).resolve().parents[3] / "shared" / "data"


def test_area_is_pixels_times_their_size() -> None:
    tissue = np.ones((32, 32), bool)
    area = np.full((32, 32), 256, np.uint16)
    found = TissueMap(tissue, np.zeros((32, 32), np.uint8), area, (8.0, 8.0))
    # science.md section 8: 512 x 512 px at 0.5 um
    assert found.tissue_mm2 == pytest.approx(0.065536, abs=1e-12)
    doubled = TissueMap(tissue, found.excluded, area, (16.0, 16.0))
    assert doubled.tissue_mm2 == pytest.approx(4 * 0.065536, abs=1e-12)


def test_a_field_that_is_no_multiple_of_sixteen_has_its_exact_area(mapper) -> None:  # type: ignore[no-untyped-def]
    rng = np.random.default_rng(1)
    rgb = rng.normal(150, 20, (333, 501, 3)).clip(0, 255).astype(np.uint8)
    assert mapper(rgb).tissue_mm2 == pytest.approx(333 * 501 * 0.25e-6, rel=1e-12)


@pytest.mark.parametrize("tint_od", [0.03, 0.05, 0.10, 0.25])
def test_pale_and_strong_tissue_within_three_percent(painter, mapper, tint_od: float) -> None:  # type: ignore[no-untyped-def]
    section = painter(1600, 1280, tint_od=tint_od)
    found = mapper(section.photograph())
    assert found.tissue_mm2 == pytest.approx(section.tissue_mm2, rel=0.03)
    assert found.excluded_mm2 == 0.0


@pytest.mark.parametrize(
    ("marker", "appearance"),
    [("CD68", "pale"), ("CD20", "noisy"), ("CD31", "white-shifted"), ("HE", "normal")],
)
def test_drawn_slides_within_three_percent(mapper, marker: str, appearance: str) -> None:  # type: ignore[no-untyped-def]
    rgb, truth = render_field(marker, 560.0, 4, appearance, fragments=1)
    found = mapper(rgb)
    assert found.tissue_mm2 == pytest.approx(truth.summary["tissue_mm2"], rel=0.03)
    assert found.excluded_mm2 <= 0.01 * found.tissue_mm2


def test_holes_of_glass_are_not_tissue(painter, mapper) -> None:  # type: ignore[no-untyped-def]
    section = painter(1600, 1280)
    hole = np.zeros_like(section.tissue)
    hole[560:720, 700:900] = True
    section.od[hole] = 0.0
    found = mapper(section.photograph())
    assert found.tissue_mm2 == pytest.approx(section.tissue_mm2 - hole.sum() * 0.25e-6, rel=0.03)
    assert not found.contains(800, 640)


def test_specks_fibres_and_edges_on_glass_are_not_tissue(painter, mapper) -> None:  # type: ignore[no-untyped-def]
    section = painter(1600, 1280)
    clean = mapper(section.photograph())
    marks = np.zeros(section.od.shape[:2], np.uint8)
    for x, y, r in [(80, 80, 20), (1500, 120, 50), (120, 1180, 30)]:
        cv2.circle(marks, (x, y), r, 1, -1)
    cv2.line(marks, (20, 300), (190, 1270), 1, 30)  # edge of a coverslip, 15 um wide and 490 um long
    cv2.polylines(marks, [np.array([[1300, 60], [1400, 200], [1560, 260], [1580, 420]])], False, 1, 12)
    section.od += 0.5 * marks[..., None]
    found = mapper(section.photograph())
    np.testing.assert_array_equal(found.quantifiable, clean.quantifiable)


def test_a_blank_slide_has_exactly_no_tissue(mapper) -> None:  # type: ignore[no-untyped-def]
    rng = np.random.default_rng(7)
    for rgb in (
        np.full((700, 900, 3), 243, np.uint8),
        rng.normal(238, 2.5, (700, 900, 3)).clip(0, 255).astype(np.uint8),
        np.zeros((700, 900, 3), np.uint8),
        render_field("CD68", 300.0, 1, fragments=-1)[0],
    ):
        found = mapper(rgb)
        assert found.tissue_mm2 == 0.0
        assert found.excluded_mm2 == 0.0
        assert found.outlines() == {"tissue": []}


def test_a_wholly_invalid_plane_is_no_tissue(mapper) -> None:  # type: ignore[no-untyped-def]
    found = mapper(np.full((100, 100, 3), 90, np.uint8), valid=np.zeros((100, 100), bool))
    assert found.tissue_mm2 == 0.0


@pytest.mark.parametrize("kind", ["black", "transparent"])
def test_padding_changes_nothing(painter, plane_of, kind: str) -> None:  # type: ignore[no-untyped-def]
    rgb = painter(1008, 800).photograph()
    pad = 5008  # a whole number of map pixels; other offsets move the grid by a part of 8 um
    wide = np.zeros((800 + pad, 1008 + pad, 3), np.uint8)
    wide[pad // 2 :, :][:800, pad // 2 : pad // 2 + 1008] = 0
    y = x = (pad // 2) // 16 * 16
    wide[y : y + 800, x : x + 1008] = rgb
    valid = np.ones(wide.shape[:2], bool)
    if kind == "transparent":
        valid[:] = False
        valid[y : y + 800, x : x + 1008] = True
    small, large = survey(plane_of(rgb)), survey(plane_of(wide, valid=valid))
    assert white_point(large) == white_point(small)
    a, b = map_tissue(small, white_point(small)), map_tissue(large, white_point(large))
    here = np.s_[y // 16 : y // 16 + 50, x // 16 : x // 16 + 63]
    np.testing.assert_array_equal(b.quantifiable[here], a.quantifiable)
    assert b.tissue_mm2 == a.tissue_mm2
    assert b.excluded_mm2 == a.excluded_mm2


def test_padding_that_shifts_the_grid_moves_area_by_less_than_a_percent(painter, mapper) -> None:  # type: ignore[no-untyped-def]
    rgb = painter(1000, 800).photograph()
    wide = np.zeros((1807, 2003, 3), np.uint8)
    wide[503:1303, 501:1501] = rgb
    assert mapper(wide).tissue_mm2 == pytest.approx(mapper(rgb).tissue_mm2, rel=0.01)


def test_missing_tiles_take_their_area_away(painter, plane_of) -> None:  # type: ignore[no-untyped-def]
    section = painter(1600, 1280)
    rgb = section.photograph()
    valid = np.ones(rgb.shape[:2], bool)
    valid[512:768, 512:768] = False
    found = survey(plane_of(rgb, valid=valid))
    tissue = map_tissue(found, white_point(found))
    assert tissue.tissue_mm2 == pytest.approx(section.tissue_mm2 - 256 * 256 * 0.25e-6, rel=0.03)
    assert not tissue.contains(np.arange(512, 768), np.full(256, 640)).any()


def real(name: str) -> tuple[np.ndarray, float]:
    folder = "ihc-lymphoid" if name.startswith("ROI") else "ihc-annotated"
    path = DATA / folder / f"{name}.png"
    if not path.exists():
        pytest.skip(f"real images are not beside this checkout ({folder} absent)")
    rgb = np.asarray(Image.open(path).convert("RGB"))
    h, w = rgb.shape[0] // 2 * 2, rgb.shape[1] // 2 * 2
    half = rgb[:h, :w].reshape(h // 2, 2, w // 2, 2, 3).mean(axis=(1, 3)).round().astype(np.uint8)
    return half, (h // 2) * (w // 2) * 0.25e-6


@pytest.mark.parametrize("name", ["Bladder1", "Lung1", "ROI_1"])
def test_real_fields_without_glass_are_all_tissue(mapper, name: str) -> None:  # type: ignore[no-untyped-def]
    rgb, area = real(name)
    found = mapper(rgb)
    assert found.tissue_mm2 > 0.99 * area
    assert found.excluded_mm2 == 0.0


def test_a_real_infiltrate_in_fat_loses_the_fat_and_nothing_else(mapper) -> None:  # type: ignore[no-untyped-def]
    rgb, area = real("ROI_7")
    found = mapper(rgb)
    assert 0.6 * area < found.tissue_mm2 < 0.8 * area
    assert found.excluded_mm2 == 0.0


def test_look_up_is_by_pixel_and_false_outside(painter, mapper) -> None:  # type: ignore[no-untyped-def]
    found = mapper(painter(800, 640).photograph())
    y, x = np.indices((640, 800))
    inside = found.contains(x, y)
    np.testing.assert_array_equal(inside, np.kron(found.quantifiable, np.ones((16, 16), bool)))
    assert not found.contains([-1, 800, 400, 400], [320, 320, -1, 640]).any()
    assert found.contains(400.7, 320.2)
    assert (found.reason([-1, 400], [5, 320]) == 0).all()


def test_storing_loses_nothing(painter, mapper) -> None:  # type: ignore[no-untyped-def]
    found = mapper(painter(800, 640).photograph())
    again = TissueMap.from_arrays(found.to_arrays())
    np.testing.assert_array_equal(again.tissue, found.tissue)
    np.testing.assert_array_equal(again.excluded, found.excluded)
    assert again.tissue_mm2 == found.tissue_mm2
    assert again.excluded_by_reason_mm2 == found.excluded_by_reason_mm2
    assert again.mpp_xy == found.mpp_xy
    assert all(array.dtype != object for array in found.to_arrays().values())
    broken = found.to_arrays()
    del broken["excluded"]
    with pytest.raises(StoreError, match="lacks excluded"):
        TissueMap.from_arrays(broken)
    with pytest.raises(StoreError, match="different shapes"):
        TissueMap.from_arrays(found.to_arrays() | {"area_px": np.zeros((2, 2), np.uint16)})


def test_outlines_enclose_the_area_they_outline() -> None:
    tissue = np.zeros((20, 30), bool)
    tissue[3:15, 4:25] = True
    tissue[6:9, 10:14] = False
    tissue[17, 2] = True
    excluded = np.zeros((20, 30), np.uint8)
    excluded[10:12, 15:20] = 4
    found = TissueMap(tissue, excluded, np.full((20, 30), 256, np.uint16), (8.0, 8.0))
    outlines = found.outlines()
    assert set(outlines) == {"tissue", "pen"}
    areas = sorted(cv2.contourArea(polygon) for polygon in outlines["tissue"])
    assert areas == [1.0, 12.0, 252.0]
    assert [cv2.contourArea(polygon) for polygon in outlines["pen"]] == [10.0]


def test_every_reason_has_a_number_even_when_none_occurs(painter, mapper) -> None:  # type: ignore[no-untyped-def]
    found = mapper(painter(800, 640).photograph())
    assert found.excluded_by_reason_mm2 == dict.fromkeys(EXCLUSIONS.values(), 0.0)


def test_dense_and_dark_tissue_is_kept(painter, mapper) -> None:  # type: ignore[no-untyped-def]
    section = painter(1600, 1280)
    y, x = np.indices(section.tissue.shape)
    aggregate = (x - 650) ** 2 + (y - 560) ** 2 < 140**2
    sheet = (x - 1000) ** 2 + (y - 720) ** 2 < 130**2
    rng = np.random.default_rng(3)
    nuclei = np.zeros(section.tissue.shape, np.float32)
    for cy, cx in np.argwhere(aggregate)[rng.integers(0, aggregate.sum(), 900)].tolist():
        cv2.circle(nuclei, (cx, cy), 6, 1.0, -1)
    section.od += 0.9 * nuclei[..., None] * H_DAB.matrix[0]
    section.od[sheet] += 1.3 * rng.uniform(0.7, 1.0, (int(sheet.sum()), 1)) * H_DAB.matrix[1]
    found = mapper(section.photograph())
    assert found.excluded_mm2 == 0.0
    assert found.tissue_mm2 == pytest.approx(section.tissue_mm2, rel=0.03)
