"""What napari is handed: lazy levels, layers of a results folder in micrometres, numbers of a threshold."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import histoquant as hq
from histoquant.slides import Plane
from histoquant.viewer.cell_words import CellFinder
from histoquant.viewer.class_picture import ClassPicture
from histoquant.viewer.layers import find_slide
from histoquant.viewer.slide_levels import SlideLevel, slide_levels
from histoquant.viewer.slide_overlay import load_overlay, softened
from histoquant.viewer.thresholds import ScoredCells, ThresholdTrial

pytest.importorskip("napari", reason="napari is not installed: pip install 'histoquant[napari]'")
from histoquant.viewer.reader import get_reader, results_of

CD68, CD31 = "P01_T1_V1_CD68", "P01_T1_V1_CD31"


def test_levels_halve_and_show_the_slide(finished_slides: Path) -> None:
    with hq.open_slide(finished_slides / f"{CD68}.tif") as slide:
        levels = slide_levels(slide)
        width, height = slide.size_px
        assert levels[0].shape == (height, width, 3)
        assert levels[1].shape == (-(-height // 2), -(-width // 2), 3)
        assert max(levels[-1].shape) <= 512
        for step, level in enumerate(levels):
            seen = np.asarray(level[10:60, 20:90])
            exact, _ = Plane.at_factor(slide, float(2**step), float(2**step)).read(20, 10, 70, 50)
            # the file's own smaller levels are JPEG again; level 0 is byte for byte
            assert np.abs(seen.astype(int) - exact).mean() < (6.0 if step else 1e-9)
            alone = SlideLevel(slide, 2**step, None)[10:60, 20:90, 0:3]
            np.testing.assert_array_equal(alone, exact)


def test_layers_lie_on_the_slide(finished_slides: Path, finished_results: Path) -> None:
    overlay = load_overlay(finished_results, CD68)
    kinds = {told["name"]: (data, told) for data, told, _ in overlay.layers()}
    assert {"cells", "tissue", "density per mm2"} <= set(kinds)
    levels, told = kinds["cells"]
    outlined = np.asarray(levels[0])
    picture = np.asarray(ClassPicture(overlay.rings, overlay.classes, overlay.objects.plane_size_px))
    assert 0 < np.count_nonzero(outlined) < np.count_nonzero(picture)
    np.testing.assert_array_equal(picture[outlined > 0], outlined[outlined > 0])
    cells = hq.load_results(finished_results).cells(CD68)
    row = ((cells["y_um"] - told["translate"][0]) / told["scale"][0]).round().astype(int)
    column = ((cells["x_um"] - told["translate"][1]) / told["scale"][1]).round().astype(int)
    expected = np.where(cells["positive"], 2, 1)
    # the middle of a crescent lies beside it
    assert (picture[row, column] == expected).mean() > 0.95
    assert get_reader(str(finished_results)) is not None
    assert results_of(finished_results / "slides" / CD68) == (finished_results, CD68)
    assert get_reader(str(finished_slides / f"{CD68}.tif")) is not None
    assert get_reader(str(finished_slides)) is None
    assert get_reader("notes.txt") is None


def test_the_runs_own_threshold_changes_nothing_and_a_lower_one_counts_what_the_table_says(
    finished_results: Path,
) -> None:
    overlay = load_overlay(finished_results, CD68)
    before = overlay.classes.copy()
    trial = ThresholdTrial(ScoredCells.of(overlay))
    same = trial.move(trial.machine_od)
    np.testing.assert_array_equal(overlay.classes, before)
    row = hq.load_results(finished_results).slides.set_index("slide_id").loc[CD68]
    assert same.positive == row["positive"]
    assert same.per_mm2 == pytest.approx(row["positive_per_mm2"])
    assert same.per_mm2_low == pytest.approx(row["positive_per_mm2_low"], rel=1e-6)
    cells = hq.load_results(finished_results).cells(CD68)
    half_od = float(cells["dab_od"].median())
    lower = trial.move(half_od)
    assert lower.positive == row["positive"] + int(((cells["dab_od"] >= half_od) & ~cells["positive"]).sum())
    assert lower.positive > same.positive
    assert (overlay.classes == 2).sum() == (cells["dab_od"] >= half_od).sum()


def test_a_marker_of_vessels_shows_vessels_and_scores_no_cell(finished_results: Path) -> None:
    overlay = load_overlay(finished_results, CD31)
    assert not overlay.has_classes
    levels, _ = next((data, told) for data, told, _ in overlay.layers() if told["name"] == "vessels")
    vessels = hq.load_results(finished_results).vessels(CD31)
    assert set(np.unique(np.asarray(levels[0]))) - {0} == {1 if v else 2 for v in vessels["vessel"]}


def test_the_cell_under_the_cursor_is_the_one_that_is_there(finished_results: Path) -> None:
    cells = load_overlay(finished_results, CD68).objects.cells
    finder = CellFinder(cells)
    for row in (0, 7, 40):
        assert finder.at(*finder.xy_um[row]) == row
        words = dict(finder.words(row, "positive"))
        assert words["DAB, scored"] == f"{cells['dab_od'][row].as_py():.3g} OD"
    assert finder.at(-500.0, -500.0) is None


def test_the_slide_is_found_beside_its_results(tmp_path: Path) -> None:
    (tmp_path / "slides").mkdir()
    slide = tmp_path / "slides" / "a.tif"
    slide.touch()
    assert find_slide(tmp_path / "results", "a.tif", None) == slide
    assert find_slide(tmp_path / "results", "a.tif", tmp_path) == slide
    assert find_slide(tmp_path / "results", "b.tif", None) is None


def test_steps_of_the_map_are_rounded_and_nowhere_left(finished_results: Path) -> None:
    stairs = np.array([[0, 0], [0, 64], [8, 64], [8, 56], [16, 56], [16, 48], [64, 48], [64, 0]], float)
    soft = softened(stairs)
    dense = np.concatenate(
        [np.linspace(a, b, 40) for a, b in zip(stairs, np.roll(stairs, -1, axis=0), strict=True)]
    )
    away = np.sqrt(((soft[:, None] - dense[None]) ** 2).sum(-1)).min(axis=1)
    assert away.max() < 8.0
    edges = np.diff(np.vstack([soft, soft[:1]]), axis=0)
    turns = np.arctan2(edges[:, 1], edges[:, 0])
    turned = np.abs(np.angle(np.exp(1j * (np.roll(turns, -1) - turns))))
    assert turned.max() < np.pi / 3, "no right angle is left"
    overlay = load_overlay(finished_results, CD68)
    tissue = next(data for data, told, _ in overlay.layers() if told["name"] == "tissue")
    assert len(tissue) >= 1
