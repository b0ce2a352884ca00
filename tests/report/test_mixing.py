"""A colour is mixed as the formula says, pixel by pixel."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from histoquant.report.canvas import blend
from histoquant.report.palette import RGB

channel = st.integers(0, 255)


@settings(deadline=None, max_examples=50)
@given(
    seed=st.integers(0, 2**32),
    shape=st.tuples(st.integers(1, 40), st.integers(1, 200)),
    color=st.tuples(channel, channel, channel),
    alpha=st.floats(0, 1),
    covered=st.floats(0, 1),
)
def test_a_colour_is_mixed_by_its_weight(
    seed: int, shape: tuple[int, int], color: RGB, alpha: float, covered: float
) -> None:
    generator = np.random.default_rng(seed)
    image = generator.integers(0, 256, (*shape, 3), dtype=np.uint8)
    mask = generator.integers(0, 256, shape, dtype=np.uint8) * (generator.random(shape) < covered).astype(
        np.uint8
    )
    share = mask[..., None].astype(np.float32) * np.float32(alpha / 255.0)
    old = image.astype(np.float32)
    expected = np.rint(old + (np.asarray(color, np.float32) - old) * share).astype(np.uint8)
    expected[mask == 0] = image[mask == 0]
    part = image[:, ::-1][:, ::-1]
    blend(part, mask, color, alpha)
    assert np.array_equal(image, expected)


def test_a_mask_in_pieces_is_taken_as_well() -> None:
    image = np.zeros((9, 21, 3), np.uint8)
    mask = np.full((21, 9), 255, np.uint8).T
    blend(image, mask, (10, 20, 30), 1.0)
    assert (image == (10, 20, 30)).all()


def test_a_cut_out_is_refused() -> None:
    image = np.zeros((9, 21, 3), np.uint8)
    with pytest.raises(ValueError, match="contiguous"):
        blend(image[:, :10], np.full((9, 10), 255, np.uint8), (10, 20, 30), 1.0)
