from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from histoquant.markers import get_marker
from histoquant.run.core_size import largest_core_px


def _planned(width_px: int, height_px: int, segmenter: object = None, marker: str = "CD68") -> Any:
    plan = SimpleNamespace(plane_size_px=(width_px, height_px), marker=get_marker(marker))
    return SimpleNamespace(plan=plan, segmenter=segmenter)


@pytest.mark.parametrize(
    ("size_px", "core_px"),
    [
        ((512, 512), 4096),
        ((8192, 8192), 4096),
        ((16384, 16384), 4096),
        ((280_000, 1000), 4096),
        ((280_001, 1000), 3456),
        ((30_000, 40_000), 3456),
        ((40000, 40000), 3072),
    ],
)
def test_the_larger_a_slide_the_smaller_its_cores(size_px: tuple[int, int], core_px: int) -> None:
    assert largest_core_px(_planned(*size_px)) == core_px
    assert largest_core_px(_planned(*size_px[::-1])) == core_px


def test_a_segmenter_is_given_smaller_windows_than_any_slide() -> None:
    assert largest_core_px(_planned(4096, 4096, object())) < largest_core_px(_planned(40000, 40000))


@pytest.mark.parametrize("marker", ["CD20", "CD31"])
@pytest.mark.parametrize("side_px", [8192, 40000])
def test_what_searches_more_has_smaller_cores(marker: str, side_px: int) -> None:
    assert largest_core_px(_planned(side_px, side_px, marker=marker)) < largest_core_px(
        _planned(side_px, side_px)
    )
