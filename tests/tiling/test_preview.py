"""The preview: mean colours of squares, whatever the windows, never larger than is good for memory."""

from __future__ import annotations

import numpy as np
import pytest

from histoquant.tiling.preview import Preview
from histoquant.tiling.survey import survey


def test_squares_are_averaged_and_what_is_not_there_is_white(plane_of) -> None:  # type: ignore[no-untyped-def]
    rng = np.random.default_rng(4)
    rgb = rng.integers(0, 256, (90, 130, 3), dtype=np.uint8)
    found = survey(plane_of(rgb), block_px=48).preview
    assert found.scale_px == 2
    assert found.rgb.shape == (45, 65, 3)
    mean = rgb.reshape(45, 2, 65, 2, 3).mean(axis=(1, 3))
    assert np.abs(found.rgb - mean).max() <= 0.5
    np.testing.assert_array_equal(found.rgb, survey(plane_of(rgb)).preview.rgb)


def test_a_last_odd_row_fades_into_white(plane_of) -> None:  # type: ignore[no-untyped-def]
    found = survey(plane_of(np.zeros((33, 32, 3), np.uint8))).preview
    assert found.rgb.shape == (17, 16, 3)
    assert (found.rgb[:-1] == 0).all()
    assert np.isin(found.rgb[-1], (127, 128)).all()


@pytest.mark.parametrize(("edge", "scale"), [(1, 2), (8192, 2), (8193, 4), (30000, 8), (200_000, 16)])
def test_a_large_slide_is_kept_more_coarsely(edge: int, scale: int) -> None:
    found = Preview.blank((edge, 16))
    assert found.scale_px == scale
    assert found.rgb.shape == (-(-16 // scale), -(-edge // scale), 3)
