"""The preview: mean colours of squares, whatever the windows, never larger than is good for memory."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from histoquant.slides.pieces import Piece
from histoquant.tiling.preview import Preview
from histoquant.tiling.survey import survey
from histoquant.tiling.survey_blocks import Ledger


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


@pytest.mark.parametrize("edge", [4000, 16_000, 32_000, 60_000])
def test_means_are_rounded_as_opencv_does(edge: int) -> None:
    ledger = Ledger((edge, 64))
    found = ledger.preview
    rng = np.random.default_rng(6)
    # noise, and steps of one level in squares, which lie at halves again and again
    steps = np.kron(rng.integers(90, 92, (128, 16, 3), np.uint8), np.ones((2, 2, 1), np.uint8))
    for blocks in (rng.integers(0, 256, (4, 64, 32, 3), np.uint8), steps.reshape(4, 64, 32, 3)):
        ledger.take(Piece(32, 0, blocks, None))
        side_by_side = np.concatenate(list(blocks), axis=1)
        size = 128 // found.scale_px, 64 // found.scale_px
        expected = cv2.resize(side_by_side, size, interpolation=cv2.INTER_AREA)
        left = 32 // found.scale_px
        np.testing.assert_array_equal(found.rgb[:, left : left + size[0]], expected)
        assert (found.rgb[:, :left] == 255).all()
