"""Backgrounds from the preview show what reading the slide again would show, at the same place."""

from __future__ import annotations

import numpy as np
import pytest

from histoquant.run.backgrounds import Backgrounds, Frame
from histoquant.tiling.preview import Preview
from histoquant.tiling.tissue_map import TissueMap


def tissue_of(rows: slice, columns: slice, shape: tuple[int, int]) -> TissueMap:
    tissue = np.zeros(shape, bool)
    tissue[rows, columns] = True
    return TissueMap(tissue, np.zeros(shape, np.uint8), np.full(shape, 256, np.uint16), (8.0, 8.0))


def waves(height: int, width: int, step: float) -> np.ndarray:
    """A pattern wide enough to survive shrinking, sampled at centres of squares of ``step`` plane px."""
    y, x = ((np.arange(edge) + 0.5) * step for edge in (height, width))
    red = 128 + 100 * np.sin(x / 60)[None, :] * np.cos(y / 45)[:, None]
    return np.rint(np.stack([red, 255 - red, red / 2], axis=-1)).astype(np.uint8)


@pytest.mark.parametrize(
    ("scale", "columns", "shrink"), [(2, 480, 2), (2, 600, 3), (4, 600, 3), (8, 1200, 5)]
)
def test_the_frame_lies_where_its_marks_are_drawn(scale: int, columns: int, shrink: int) -> None:
    preview = Preview(waves(1280 // scale, 20480 // scale, scale), scale)
    tissue = tissue_of(slice(20, 60), slice(30, 30 + columns), (80, 1280))
    frame = Frame.around(tissue)
    assert (frame.shrink, frame.left, frame.top) == (shrink, 22, 12)
    rgb = Backgrounds.of(preview, tissue, 0.5).frame_rgb
    assert rgb is not None
    step = 16 / shrink
    assert abs(rgb.shape[1] - (frame.right - frame.left) * step) <= 0.5
    height, width = rgb.shape[0], rgb.shape[1]
    y, x = (np.arange(edge) + 0.5 for edge in (height, width))
    x, y = (x + frame.left * step) * shrink, (y + frame.top * step) * shrink
    expected = 128 + 100 * np.sin(x / 60)[None, :] * np.cos(y / 45)[:, None]
    # half a pixel off would be up to 4 levels at shrink 5
    assert np.abs(rgb[..., 0] - expected).mean() < 1.0


def test_what_would_look_blurred_or_is_drawn_at_full_size_is_read_again() -> None:
    small = tissue_of(slice(10, 30), slice(10, 200), (80, 1280))
    assert Backgrounds.of(Preview.blank((20480, 1280)), small, 0.5).frame_rgb is None
    wide = tissue_of(slice(10, 30), slice(10, 700), (80, 1280))
    assert Backgrounds.of(Preview(np.zeros((80, 1280, 3), np.uint8), 16), wide, 0.5).frame_rgb is None


def test_the_overview_is_a_thumbnail_of_known_scale_or_read_again() -> None:
    tissue = tissue_of(slice(2, 8), slice(2, 8), (20, 250))
    found = Backgrounds.of(Preview.blank((4000, 320)), tissue, 0.5)
    assert found.overview_rgb is not None
    assert found.overview_rgb.shape == (80, 1000, 3)
    assert found.overview_um == 2.0
    assert Backgrounds.of(Preview.blank((1990, 320)), tissue, 0.5).overview_rgb is None


@pytest.mark.parametrize("columns", [100, 600])
def test_stored_backgrounds_come_back(columns: int) -> None:
    preview = Preview(waves(640, 10240, 2.0), 2)
    found = Backgrounds.of(preview, tissue_of(slice(20, 60), slice(30, 30 + columns), (80, 1280)), 0.5)
    back = Backgrounds.from_arrays(found.to_arrays())
    assert back.overview_um == found.overview_um
    for name in ("overview_rgb", "frame_rgb"):
        np.testing.assert_array_equal(getattr(back, name), getattr(found, name))
