from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from histoquant.run.core_size import largest_core_px


def _planned(width_px: int, height_px: int, segmenter: object = None) -> Any:
    return SimpleNamespace(plan=SimpleNamespace(plane_size_px=(width_px, height_px)), segmenter=segmenter)


@pytest.mark.parametrize(
    ("size_px", "core_px"),
    [
        ((512, 512), 3456),
        ((8192, 8192), 3456),
        ((16384, 16384), 3456),
        ((280_000, 1000), 3456),
        ((280_001, 1000), 2880),
        ((40000, 40000), 2880),
    ],
)
def test_the_larger_a_slide_the_smaller_its_cores(size_px: tuple[int, int], core_px: int) -> None:
    assert largest_core_px(_planned(*size_px)) == core_px
    assert largest_core_px(_planned(*size_px[::-1])) == core_px


def test_a_segmenter_is_given_no_larger_windows_than_the_largest_slides() -> None:
    assert largest_core_px(_planned(4096, 4096, object())) <= largest_core_px(_planned(40000, 40000))
