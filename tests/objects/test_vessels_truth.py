"""Vessels drawn with known geometry: number, areas, class, and what must not be a vessel."""

from __future__ import annotations

import math

import cv2
import numpy as np
import pytest

from histoquant.errors import UsageError
from histoquant.objects.planes import Planes
from histoquant.objects.vessels import VesselCore, VesselParams, VesselResult, find_vessels

MPP = 0.5
VECTORS = np.array([[0.650, 0.704, 0.286], [0.268, 0.570, 0.776]], np.float32)  # Ruifrok-Johnston
FINE = 8  # drawn eight times finer, then averaged: edges fall between pixels as in life


class Canvas:
    """Stain amounts drawn in micrometres."""

    def __init__(self, side_um: float = 100.0) -> None:
        self.pixels = round(side_um / MPP)
        self.wall = np.zeros((self.pixels * FINE,) * 2, np.float32)
        self.blue = np.zeros_like(self.wall)

    def _at(self, *xy_um: float) -> tuple[int, ...]:
        return tuple(round(v / MPP * FINE) for v in xy_um)

    def ring(self, x: float, y: float, radius: float, wall: float = 1.5, span: tuple = (0, 360)) -> None:
        middle, thick = radius - wall / 2, round(wall / MPP * FINE)
        cv2.ellipse(self.wall, self._at(x, y), self._at(middle, middle), 0, *span, 1.0, thick)

    def line(self, points: list[tuple[float, float]], wall: float = 1.5) -> None:
        xy = np.array([self._at(*p) for p in points], np.int32)
        cv2.polylines(self.wall, [xy], False, 1.0, round(wall / MPP * FINE))

    def disc(self, x: float, y: float, radius: float, plane: str = "wall") -> None:
        cv2.circle(getattr(self, plane), self._at(x, y), round(radius / MPP * FINE), 1.0, -1)

    def planes(
        self, dab_od: float = 0.8, blur_um: float = 0.35, noise: float = 12.0, seed: int = 0
    ) -> Planes:
        generator = np.random.default_rng(seed)
        # a lens and a pixel average light, not optical density
        density = self.blue[..., None] * 0.6 * VECTORS[0] + self.wall[..., None] * dab_od * VECTORS[1]
        light = cv2.resize(10**-density, (self.pixels,) * 2, interpolation=cv2.INTER_AREA)
        light = cv2.GaussianBlur(light, (0, 0), blur_um / MPP)
        stains = -np.log10(light) @ np.linalg.pinv(VECTORS) * 1000
        stains += generator.normal(0, noise, stains.shape)
        blue, dab = (stains[..., k].round().astype(np.int16) for k in (0, 1))
        total = (0.538 * dab + 0.547 * blue).round().astype(np.int16)
        return Planes(blue, dab, total, np.ones(dab.shape, bool), MPP)


def find(planes: Planes, **rules: float) -> VesselResult:
    height, width = planes.shape
    core = VesselCore(0, 0, height, width, open_edges=(False,) * 4)
    return find_vessels(planes, core, VesselParams(**rules))


def only(result: VesselResult) -> dict[str, object]:
    assert result.table.num_rows == 1
    return result.table.to_pylist()[0]


@pytest.mark.parametrize("radius", [5.0, 8.0, 15.0, 24.0])
@pytest.mark.parametrize("dab_od", [0.5, 0.8, 1.4])
def test_a_ring_has_the_areas_it_was_drawn_with(radius, dab_od):
    canvas = Canvas()
    canvas.ring(50.2, 49.7, radius, wall=1.8)
    row = only(find(canvas.planes(dab_od)))
    assert row["vessel"]
    assert row["lumen_area_um2"] == pytest.approx(math.pi * (radius - 1.8) ** 2, rel=0.08)
    assert row["endothelial_area_um2"] == pytest.approx(math.pi * (radius**2 - (radius - 1.8) ** 2), rel=0.15)
    assert row["equivalent_diameter_um"] == pytest.approx(2 * radius, rel=0.05)
    assert row["perimeter_um"] == pytest.approx(2 * math.pi * radius, rel=0.05)
    assert row["roundness"] == pytest.approx(1, abs=0.06)
    assert row["elongation"] == pytest.approx(1, abs=0.08)
    assert row["centroid_x_px"] == pytest.approx(50.2 / MPP - 0.5, abs=0.6)
    assert row["centroid_y_px"] == pytest.approx(49.7 / MPP - 0.5, abs=0.6)


def test_two_vessels_apart_are_two_and_a_branched_wall_is_one():
    canvas = Canvas()
    canvas.ring(25, 30, 8)
    canvas.ring(60, 30, 8)
    canvas.line([(20, 80), (80, 80)], 2.5)
    canvas.line([(50, 80), (75, 60)], 2.5)
    assert find(canvas.planes()).table["vessel"].to_pylist() == [True, True, True]


def test_a_lumen_is_pale_and_a_nucleus_is_not():
    canvas = Canvas()
    canvas.ring(50, 50, 6)
    vessel = only(find(canvas.planes()))
    assert vessel["vessel"]
    assert vessel["lumen_area_um2"] > 0
    canvas.disc(50, 50, 4.6, "blue")
    cell = only(find(canvas.planes()))
    assert not cell["vessel"]
    assert cell["lumen_area_um2"] == 0


def test_a_round_brown_cell_is_set_aside_and_a_collapsed_capillary_is_not():
    canvas = Canvas()
    canvas.disc(25, 25, 6)
    canvas.line([(50, 60), (75, 68)], 3.0)
    rows = find(canvas.planes()).table.to_pylist()
    assert [row["vessel"] for row in rows] == [False, True]
    assert [row["lumen_area_um2"] for row in rows] == [0, 0]


def test_a_clump_of_cells_is_no_vessel():
    canvas = Canvas()
    for x, y in ((40, 50), (51, 50), (46, 59)):
        canvas.disc(x, y, 6.8)
    row = only(find(canvas.planes()))
    assert row["outer_area_um2"] > 350
    assert not row["vessel"]


def test_a_cell_leaning_on_a_vessel_adds_nothing_to_its_wall():
    alone, leaning = Canvas(), Canvas()
    for canvas in (alone, leaning):
        canvas.ring(45, 50, 12)
    leaning.disc(62.5, 50, 6.5)
    lone, row = (only(find(canvas.planes())) for canvas in (alone, leaning))
    assert row["vessel"]
    assert row["lumen_area_um2"] == pytest.approx(lone["lumen_area_um2"], rel=0.02)
    assert row["endothelial_area_um2"] == pytest.approx(lone["endothelial_area_um2"], rel=0.15)


def test_a_faint_stretch_does_not_open_a_ring():
    canvas = Canvas()
    canvas.ring(50, 50, 10, span=(0, 290))
    canvas.wall *= 2.2
    canvas.ring(50, 50, 10, span=(290, 360))
    row = only(find(canvas.planes(dab_od=0.35)))
    assert row["lumen_area_um2"] == pytest.approx(math.pi * 8.5**2, rel=0.1)


def test_haze_between_the_thresholds_joins_nothing_far_away():
    canvas = Canvas()
    canvas.ring(25, 50, 9)
    canvas.ring(75, 50, 9)
    planes = canvas.planes()
    hazy = Planes(planes.hematoxylin, np.maximum(planes.dab, np.int16(160)), planes.total, planes.valid, MPP)
    rows = find(hazy).table.to_pylist()
    assert [row["vessel"] for row in rows] == [True, True]
    for row in rows:
        assert row["lumen_area_um2"] == pytest.approx(math.pi * 7.5**2, rel=0.15)
        assert row["equivalent_diameter_um"] == pytest.approx(18, rel=0.1)


def test_objects_that_do_not_count_are_left_out_at_every_threshold():
    canvas = Canvas()
    canvas.ring(25, 50, 9)
    canvas.ring(75, 50, 9)
    planes = canvas.planes()
    core = VesselCore(0, 0, *planes.shape, open_edges=(False,) * 4)
    left = find_vessels(planes, core, counted=lambda t: t["centroid_x_px"].to_numpy() < 100)
    assert left.table["centroid_x_px"].to_pylist() == pytest.approx([49.5], abs=1)
    assert (left.count_low, left.count_high) == (1, 1)


def test_specks_and_faint_stain_are_nothing():
    canvas = Canvas()
    for x in range(10, 95, 12):
        canvas.disc(x, 30, 1.2)
    assert find(canvas.planes()).table.num_rows == 0
    canvas.ring(50, 60, 10)
    assert find(canvas.planes(dab_od=0.18)).table.num_rows == 0


def test_dark_nuclei_that_leak_into_dab_are_no_wall():
    canvas = Canvas()
    canvas.disc(50, 50, 6, "blue")
    planes = canvas.planes()
    leaked = Planes(
        planes.hematoxylin * 2, (planes.hematoxylin * 0.6).astype(np.int16), planes.total, planes.valid, MPP
    )
    assert leaked.dab.max() > 300
    assert find(leaked).table.num_rows == 0


def test_a_broken_ring_is_one_vessel_with_its_lumen():
    canvas = Canvas()
    canvas.ring(50, 50, 12, span=(10, 170))
    canvas.ring(50, 50, 12, span=(185, 355))
    row = only(find(canvas.planes()))
    assert row["lumen_area_um2"] == pytest.approx(math.pi * 10.5**2, rel=0.15)


def test_pieces_in_line_are_joined_and_pieces_side_by_side_are_not():
    line = Canvas()
    line.line([(20, 50), (47.0, 52)], 2.5)
    line.line([(53.0, 52.4), (80, 54)], 2.5)
    assert find(line.planes()).table.num_rows == 1
    beside = Canvas()
    beside.line([(20, 46), (80, 46)], 2.5)
    beside.line([(20, 52.5), (80, 52.5)], 2.5)
    assert find(beside.planes()).table.num_rows == 2
    far = Canvas()
    far.line([(20, 50), (45, 50)], 2.5)
    far.line([(56, 50), (80, 50)], 2.5)
    assert find(far.planes()).table.num_rows == 2


def test_a_large_enclosed_area_is_tissue_not_lumen():
    canvas = Canvas(160)
    canvas.ring(80, 80, 35)
    row = only(find(canvas.planes()))
    assert row["lumen_area_um2"] == 0
    assert row["outer_area_um2"] == pytest.approx(math.pi * (35**2 - 33.5**2), rel=0.35)
    wide = only(find(canvas.planes(), lumen_max_um2=5000.0))
    assert wide["lumen_area_um2"] == pytest.approx(math.pi * 33.5**2, rel=0.03)


def test_an_object_beyond_the_longest_vessel_is_dropped_and_told():
    canvas = Canvas(160)
    canvas.line([(10, 80), (150, 80)], 2.5)
    canvas.ring(80, 30, 8)
    result = find(canvas.planes(), max_extent_um=100.0)
    assert result.oversize
    assert result.table.num_rows == 1
    assert not find(canvas.planes()).oversize


def test_counts_at_shifted_thresholds():
    canvas = Canvas()
    canvas.ring(30, 50, 9)
    strong = find(canvas.planes(dab_od=0.9))
    assert (strong.count_low, strong.table.num_rows, strong.count_high) == (1, 1, 1)
    peak = find(canvas.planes(dab_od=0.9, noise=0)).table["dab_od"][0].as_py()
    assert 0.4 < peak < 0.9
    brink = find(canvas.planes(dab_od=0.32, noise=0))
    assert brink.count_low == 1
    assert brink.count_high == 0


def test_nuclei_are_counted_by_their_seeds():
    canvas = Canvas()
    canvas.ring(50, 50, 12)
    planes = canvas.planes()
    core = VesselCore(0, 0, *planes.shape, open_edges=(False,) * 4)
    seeds = np.array([[100, 100], [100, 110], [20, 20], [100, 199]])
    assert find_vessels(planes, core, nuclei_yx=seeds).table["nuclei"].to_pylist() == [2]
    assert find_vessels(planes, core).table["nuclei"].to_pylist() == [None]


def test_outlines_enclose_their_areas():
    canvas = Canvas()
    canvas.ring(50, 50, 12)
    row = only(find(canvas.planes()))
    outer = np.array(row["outer_xy_px"], np.int32).reshape(-1, 2)
    lumen = np.array(row["lumens_xy_px"][0], np.int32).reshape(-1, 2)
    # a polygon through pixel centres misses half a pixel all around
    assert cv2.contourArea(outer) * MPP**2 == pytest.approx(row["outer_area_um2"], rel=0.06)
    assert cv2.contourArea(lumen) * MPP**2 == pytest.approx(row["lumen_area_um2"], rel=0.06)
    assert (row["box_x0_px"], row["box_y0_px"]) == tuple(outer.min(axis=0))
    assert (row["box_x1_px"], row["box_y1_px"]) == tuple(outer.max(axis=0) + 1)


def test_blank_and_tiny_windows_hold_nothing():
    for side in (1, 3, 40):
        zero = np.zeros((side, side), np.int16)
        result = find(Planes(zero, zero, zero, np.ones((side, side), bool), MPP))
        assert result.table.num_rows == 0
        assert len(result.unclosed) == 0


def test_pixels_without_image_are_unstained():
    canvas = Canvas()
    canvas.ring(50, 50, 12)
    planes = canvas.planes()
    invalid = Planes(planes.hematoxylin, planes.dab, planes.total, np.zeros(planes.shape, bool), MPP)
    assert find(invalid).table.num_rows == 0


@pytest.mark.parametrize("change", [{"threshold_od": 0.0}, {"low_fraction": 1.2}, {"join_um": 0.5}])
def test_impossible_rules_are_refused(change):
    with pytest.raises(UsageError, match="vessel rule"):
        VesselParams(**change)
