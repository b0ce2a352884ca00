"""The count with artefacts left in is the count of a run that leaves nothing out, exactly."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import histoquant as hq
from histoquant.markers import get_marker
from histoquant.run.assemble import SlideResult, assemble
from histoquant.run.job import RunParameters
from histoquant.run.plan import Planned, plan_of
from histoquant.run.tile import batches_of, quantify_tile, sum_tiles
from histoquant.slides import working_plane


def _run(slide: hq.Slide, planned: Planned, tile_size_px: int = 1024) -> SlideResult:
    plane = working_plane(slide, 0.5)
    batches = batches_of(planned, RunParameters(tile_size_px=tile_size_px))
    return assemble(planned, [sum_tiles([quantify_tile(plane, t, planned) for t in b]) for b in batches], "s")


@pytest.mark.parametrize(("marker", "column"), [("CD68", "positive"), ("CD31", "vessels")])
def test_nothing_excluded_and_excluded_but_told(slides: Path, marker: str, column: str) -> None:
    with hq.open_slide(slides / f"P01_T1_V1_{marker}.tif") as slide:
        planned = plan_of(slide, get_marker(marker), 0.5)
        whole = replace(planned.tissue, excluded=np.zeros_like(planned.tissue.excluded))
        cut = whole.excluded.copy()
        cut[8:25, 5:30] = 1
        part = replace(whole, excluded=np.where(whole.tissue, cut, 0).astype(np.uint8))
        everything = _run(slide, planned.model_copy(update={"tissue": whole})).metrics
        results = [
            _run(slide, planned.model_copy(update={"tissue": part}), size).metrics for size in (1024, 256)
        ]
    assert results[0] == results[1]
    found = results[0]
    assert found[column] < everything[column]
    assert found["positive_per_mm2_unexcluded"] == pytest.approx(everything["positive_per_mm2"], rel=1e-12)
    assert everything["positive_per_mm2_unexcluded"] == everything["positive_per_mm2"]
    assert everything["exclusion_effect_percent"] == 0.0
    assert found["excluded_by_kind"] == f"fold={found['excluded_mm2']:.4f}"
    assert found["exclusion_effect_percent"] == pytest.approx(
        100 * (everything["positive_per_mm2"] / found["positive_per_mm2"] - 1)
    )
