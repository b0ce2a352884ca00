from __future__ import annotations

import time
from typing import Any

import cv2
import numpy as np
import pytest
from PIL import ImageFont

import histoquant.report.canvas as canvas
from histoquant.report import (
    Caption,
    CellMarks,
    Marks,
    Polygons,
    TissueMarks,
    VesselMarks,
    draw_fields,
    draw_overlay,
    draw_thumbnail,
)
from histoquant.report.fields import FIELD_PX, choose_fields
from histoquant.report.legend import Entry, draw_strip
from histoquant.report.palette import AGGREGATE, NEGATIVE, POSITIVE, VESSEL

CAPTION = Caption("P01_T1_M0_CD68", "CD68")
DAB = (120, 72, 40)


def _near(picture: np.ndarray, color: tuple[int, int, int], tolerance: int = 45) -> np.ndarray:
    return (np.abs(picture.astype(int) - np.asarray(color)).max(axis=2)) <= tolerance


def _disc(x: float, y: float, r: float) -> np.ndarray:
    a = np.linspace(0, 2 * np.pi, 24, endpoint=False)
    return np.stack([x + r * np.cos(a), y + r * np.sin(a)], axis=1)


def _cells(xy: list[tuple[float, float]], positive: list[bool], radius: float | None) -> CellMarks:
    outlines = None if radius is None else Polygons.pack([_disc(x, y, radius) for x, y in xy])
    at = np.array(xy, float)
    return CellMarks(at[:, 0], at[:, 1], np.array(positive), outlines)


@pytest.mark.parametrize("radius", [9.0, None], ids=["outlines", "circles"])
def test_fine_overlay_rings_each_cell_in_its_class_colour(radius: float | None) -> None:
    picture = np.full((1200, 1600, 3), DAB, np.uint8)
    drawn = draw_overlay(
        picture, 0.5, Marks(_cells([(300, 400), (900, 700)], [True, False], radius)), CAPTION
    )
    assert drawn.shape[1] == 1600
    assert drawn.shape[0] > 1200
    for (x, y), color, other in (((300, 400), POSITIVE, NEGATIVE), ((900, 700), NEGATIVE, POSITIVE)):
        around = drawn[y - 14 : y + 15, x - 14 : x + 15]
        assert _near(around, color).sum() > 30
        assert not _near(around, other).any()
    ring = drawn[400, 300 + 7 : 300 + 14].astype(int)
    assert ring.min(axis=1).max() > 130, "no light halo between the outline and the brown"


def test_outline_stays_on_the_cell_border_and_the_nucleus_stays_visible() -> None:
    picture = np.full((1000, 1000, 3), 230, np.uint8)
    drawn = draw_overlay(picture, 0.125, Marks(_cells([(500, 500)], [True], 40.0)), CAPTION)[:1000]
    y, x = np.nonzero(_near(drawn, POSITIVE))
    distance = np.hypot(x - 500, y - 500)
    assert abs(distance.mean() - 40) < 1.0
    assert distance.min() > 35
    assert drawn[500, 500].min() > 190


def test_coarse_positives_are_seen_when_the_whole_picture_is_shown_small() -> None:
    rng = np.random.default_rng(3)
    picture = np.full((3000, 4000, 3), 225, np.uint8)
    xy = np.stack([rng.uniform(50, 3950, 4000), rng.uniform(50, 2950, 4000)], axis=1)
    positive = np.arange(4000) < 60
    drawn = draw_overlay(picture, 2.5, Marks(CellMarks(xy[:, 0], xy[:, 1], positive)), CAPTION)[:3000]
    small = cv2.resize(drawn, (1000, 750), interpolation=cv2.INTER_AREA)
    hits = 0
    for x, y in xy[positive] / 4:
        part = small[max(0, int(y) - 2) : int(y) + 3, max(0, int(x) - 2) : int(x) + 3]
        hits += bool(_near(part, POSITIVE, 60).any())
    assert hits == 60


def test_positives_lie_above_negatives_at_the_same_place() -> None:
    picture = np.full((2000, 2000, 3), 225, np.uint8)
    xy = [(1000, 1000)] * 2
    for order in ([True, False], [False, True]):
        drawn = draw_overlay(picture, 3.0, Marks(_cells(xy, order, None)), CAPTION)
        assert _near(drawn[1000:1001, 1000:1001], POSITIVE).all()


def test_vessels_and_aggregates_are_drawn_and_counted_in_the_legend() -> None:
    picture = np.full((1000, 1000, 3), 235, np.uint8)
    vessels = VesselMarks(Polygons.pack([_disc(300, 300, 40)]), Polygons.pack([_disc(300, 300, 25)]))
    marks = Marks(None, vessels, Polygons.pack([_disc(700, 700, 120)]))
    drawn = draw_overlay(picture, 0.5, marks, Caption("s", "CD31"))
    assert _near(drawn[250:350, 250:350], VESSEL).sum() > 200
    lumen, outside = drawn[300, 300].astype(int), drawn[500, 500].astype(int)
    assert lumen[2] < outside[2] - 40, "lumen is not filled"
    assert _near(drawn[560:840, 560:840], AGGREGATE).sum() > 1000
    assert not _near(drawn[:500, :240], AGGREGATE).any()


def test_small_fields_are_enlarged_and_marks_follow() -> None:
    picture = np.full((256, 256, 3), 230, np.uint8)
    drawn = draw_overlay(picture, 0.25, Marks(_cells([(64, 200)], [True], 15.0)), CAPTION)
    assert drawn.shape[1] == 1024
    y, x = np.nonzero(_near(drawn[:1024], POSITIVE))
    assert abs(x.mean() - (64.5 * 4 - 0.5)) < 1.5
    assert abs(y.mean() - (200.5 * 4 - 0.5)) < 1.5


def test_input_picture_is_left_alone_and_bytes_repeat() -> None:
    picture = np.random.default_rng(0).integers(0, 255, (1100, 1000, 3)).astype(np.uint8)
    before = picture.copy()
    marks = Marks(_cells([(100, 100), (500, 500)], [True, False], 8.0))
    first, second = (draw_overlay(picture, 0.5, marks, CAPTION) for _ in range(2))
    assert (picture == before).all()
    assert (first == second).all()


@pytest.mark.parametrize(
    "marks",
    [
        Marks(),
        Marks(CellMarks(np.zeros(0), np.zeros(0), np.zeros(0, bool))),
        Marks(CellMarks(np.zeros(0), np.zeros(0), None, Polygons.pack([]))),
        Marks(CellMarks(np.array([-500.0, 9e6]), np.array([5.0, -9e6]), np.array([True, False]))),
        Marks(None, VesselMarks(Polygons.pack([]))),
        Marks(_cells([(5.0, 5.0)], [True], None), None, Polygons.pack([np.zeros((0, 2)), [[1, 1]]])),
    ],
    ids=["nothing", "no cells", "no nuclei", "off the picture", "no vessels", "degenerate polygons"],
)
@pytest.mark.parametrize(("size", "mpp"), [((40, 30), 0.5), ((1500, 1200), 4.0)])
def test_empty_and_degenerate_marks_draw(marks: Marks, size: tuple[int, int], mpp: float) -> None:
    drawn = draw_overlay(np.full((size[1], size[0], 3), 240, np.uint8), mpp, marks, CAPTION)
    assert drawn.dtype == np.uint8
    assert drawn.shape[2] == 3


def test_wrong_pictures_and_unequal_marks_are_named() -> None:
    with pytest.raises(ValueError, match="uint8"):
        draw_overlay(np.zeros((10, 10), np.uint8), 0.5, Marks(), CAPTION)
    with pytest.raises(ValueError, match="positive has 1 entries for 2 cells"):
        CellMarks(np.zeros(2), np.zeros(2), np.zeros(1, bool))


def test_words_that_come_again_are_not_drawn_again(monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: list[str] = []
    draw = ImageFont.FreeTypeFont.getmask2

    def noted(face: ImageFont.FreeTypeFont, text: str, *more: Any, **named: Any) -> Any:
        drawn.append(text)
        return draw(face, text, *more, **named)

    monkeypatch.setattr(ImageFont.FreeTypeFont, "getmask2", noted)
    entries = [Entry("tissue edge, seen once", "line", (1, 2, 3))]
    first = draw_strip(700, 0.5, entries, Caption("P77_T1", "CD31"))
    assert "tissue edge, seen once" in drawn
    drawn.clear()
    assert np.array_equal(draw_strip(700, 0.5, entries, Caption("P77_T1", "CD31")), first)
    assert not drawn
    assert not np.array_equal(draw_strip(700, 0.5, entries, Caption("P78_T1", "CD31")), first)
    assert drawn == ["P78_T1"]


def test_hostile_ids_do_not_break_the_strip() -> None:
    for name in ("<img onerror=x>" * 40, "\x00\n\t", "", "$x^2$", "患者\U0001f600"):
        draw_overlay(np.full((300, 300, 3), 240, np.uint8), 0.5, Marks(), Caption(name, name))


def test_exclusions_are_hatched_where_the_map_says() -> None:
    tissue = np.zeros((100, 100), bool)
    tissue[10:90, 10:90] = True
    excluded = np.zeros((100, 100), np.uint8)
    excluded[40:60, 20:40] = 1
    maps = TissueMarks(tissue, excluded, (8.0, 8.0), {1: "fold"})
    overview = np.full((400, 400, 3), 200, np.uint8)
    drawn = draw_thumbnail(overview, 2.0, maps, CAPTION)[:400].astype(int)
    changed = np.abs(drawn - 200).max(axis=2) > 20
    assert changed[165:235, 85:155].mean() > 0.5
    assert not changed[165:235, 200:300].any()
    assert changed[200, 36:45].any(), "no tissue edge at 40 px"
    assert not changed[:30].any()


def test_fields_are_chosen_by_count_and_hold_what_was_counted() -> None:
    rng = np.random.default_rng(5)
    x, y = rng.uniform(0, 2000, 6000), rng.uniform(0, 1600, 6000)
    share = np.where((x < 399) & (y < 399), 0.9, np.where((x >= 1599) & (y >= 1199), 0.0, 0.2))
    positive = rng.random(6000) < share
    marks = Marks(CellMarks(x, y, positive))
    fields = choose_fields((2000, 1600), 0.5, marks)
    assert [f.role for f in fields] == ["most", "median", "least"]
    assert (fields[0].x_px, fields[0].y_px) == (0, 0)
    assert (fields[2].x_px, fields[2].y_px) == (1600, 1200)
    assert fields[2].positive == 0
    for f in fields:
        inside = (np.floor((x + 0.5) / FIELD_PX) * FIELD_PX == f.x_px) & (
            np.floor((y + 0.5) / FIELD_PX) * FIELD_PX == f.y_px
        )
        assert (f.cells, f.positive) == (int(inside.sum()), int((inside & positive).sum()))
    shuffled = rng.permutation(6000)
    again = Marks(CellMarks(x[shuffled], y[shuffled], positive[shuffled]))
    assert choose_fields((2000, 1600), 0.5, again) == fields


def test_fields_show_raw_pixels_above_the_marked_ones() -> None:
    plane = np.random.default_rng(1).integers(100, 255, (900, 900, 3)).astype(np.uint8)
    marks = Marks(_cells([(100, 100), (600, 600)], [True, False], 8.0))
    asked: list[tuple[int, int, int, int]] = []

    def read(x: int, y: int, width: int, height: int) -> np.ndarray:
        asked.append((x, y, width, height))
        return plane[y : y + height, x : x + width]

    sheet = draw_fields(read, (900, 900), 0.5, marks, CAPTION)
    assert sheet is not None
    x, y, w, h = asked[0]
    head = 28
    assert (sheet[head : head + h, :w] == plane[y : y + h, x : x + w]).all()
    assert _near(sheet[head + h :, :w], POSITIVE).sum() > 30
    assert draw_fields(read, (900, 900), 0.5, Marks(), CAPTION) is None


def test_three_hundred_thousand_cells_take_seconds() -> None:
    rng = np.random.default_rng(2)
    n = 300_000
    xy = rng.uniform(0, 4000, (n, 2))
    ring = _disc(0, 0, 5.0)[::2]
    points = (xy[:, None] + ring).reshape(-1, 2).astype(np.float32)
    outlines = Polygons(points, np.arange(n + 1, dtype=np.int64) * len(ring))
    marks = Marks(CellMarks(xy[:, 0], xy[:, 1], rng.random(n) < 0.2, outlines))
    started = time.process_time()
    draw_overlay(np.full((4000, 4000, 3), 230, np.uint8), 0.5, marks, CAPTION)
    assert time.process_time() - started < 15


def test_many_thick_outlines_look_like_few(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(5)
    angle = np.linspace(0, 2 * np.pi, 24, endpoint=False)
    ring = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    rings = Polygons.pack(
        [rng.uniform(20, 380, 2) + rng.uniform(5, 12) * ring for _ in range(60)],
    )
    drawn = []
    for many in (10**9, 0):
        monkeypatch.setattr(canvas, "_MANY_CORNERS", many)
        image = np.full((400, 400, 3), 128, np.uint8)
        canvas.stroke(image, rings, (255, 48, 0), 2, halo=(255, 255, 255))
        drawn.append(image.astype(int))
    few, all_ = drawn
    painted = [np.count_nonzero((image != 128).any(axis=2)) for image in drawn]
    whole = [np.count_nonzero((image == (255, 48, 0)).all(axis=2)) for image in drawn]
    assert painted[1] == pytest.approx(painted[0], rel=0.05)
    # edges are softer in one pixel of five; nowhere is a line pale
    assert whole[0] <= whole[1] <= 1.4 * whole[0]
    assert np.count_nonzero(np.abs(few - all_).max(axis=2) > 128) < 0.02 * painted[0]
