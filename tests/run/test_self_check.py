"""A window that shows too little is noticed, and the declared halo never shows too little."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from histoquant.objects import Planes
from histoquant.objects.stained import find_stained
from histoquant.run import tile as tile_module
from histoquant.run.assemble import assemble
from histoquant.run.job import RunParameters
from histoquant.run.options import RunOptions, marker_with
from histoquant.run.plan import plan_of
from histoquant.run.runner import run_slides
from histoquant.run.self_check import COUNTS, near_open_edge, stained_unclosed
from histoquant.run.tile import batches_of, quantify_tile, sum_tiles
from histoquant.slides import open_slide, working_plane


def test_edges_count_only_where_the_slide_goes_on():
    # at the top, two pixels from the left, two from the bottom, at the right, and in the middle
    boxes = [(0, 10, 1, 11), (10, 2, 11, 3), (17, 15, 18, 16), (10, 29, 11, 30), (10, 15, 11, 16)]
    shape, everywhere = (20, 30), (True,) * 4

    def near(edges: tuple[bool, ...], margin_px: int) -> list[bool]:
        return near_open_edge(np.array(boxes, np.int32).reshape(-1, 4), shape, edges, margin_px).tolist()

    assert near(everywhere, 1) == [True, False, False, True, False]
    assert near(everywhere, 3) == [True, True, True, True, False]
    assert near((False, True, False, False), 3) == [False, True, False, False, False]
    boxes.clear()
    assert near(everywhere, 2) == []


def test_a_cut_object_counts_unless_it_is_long_anyway():
    dab = np.zeros((120, 160), np.int16)
    dab[30:60, 0:25] = 600  # cut on the left, 12 um of it shown
    dab[80:100, 0:140] = 600  # cut as well, but 70 um long
    zeros = np.zeros_like(dab)
    stained = find_stained(Planes(zeros, dab, dab, np.ones(dab.shape, bool), 0.5), 0.2)
    assert len(stained.pixels) == 2
    both = np.array([0, 1, -1])
    assert stained_unclosed(stained, (False, True, False, False), both) == 1
    assert stained_unclosed(stained, (True, False, True, True), both) == 0
    assert stained_unclosed(stained, (True,) * 4, np.array([1, -1])) == 0


@pytest.mark.parametrize("marker", ["CD68", "CD31"])
def test_a_halo_cut_short_is_noticed_and_flagged(slides: Path, marker: str, monkeypatch: pytest.MonkeyPatch):
    definition = marker_with(marker, {})
    parameters = RunParameters(tile_size_px=256)
    with open_slide(slides / f"P01_T1_V1_{marker}.tif") as slide:
        planned = plan_of(slide, definition, 0.5)
        plane = working_plane(slide, 0.5)

        def result() -> object:
            batches = batches_of(planned, parameters)
            return assemble(
                planned, [sum_tiles([quantify_tile(plane, t, planned) for t in b]) for b in batches], "s"
            )

        whole = result()
        assert set(whole.self_check.values()) == {0}
        assert "WINDOW_TOO_SMALL" not in whole.flags
        monkeypatch.setattr(tile_module, "_halo_px", lambda planned: 24)
        cut = result()
    assert cut.self_check["nuclei_unclosed"] > 0
    assert "WINDOW_TOO_SMALL" in cut.flags


def test_the_manifest_holds_the_counts(slides: Path, tmp_path: Path):
    out = tmp_path / "out"
    assert run_slides(RunOptions((slides / "P01_T1_V1_CD68.tif",), out, workers=0, tile_size_px=256)) == 0
    manifest = json.loads((out / "slides" / "P01_T1_V1_CD68" / "manifest.json").read_text())
    assert manifest["self_check"] == {"nuclei_unclosed": 0, "stained_unclosed": 0}
    assert set(manifest["self_check"]) <= set(COUNTS)
