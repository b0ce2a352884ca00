"""The survey: exact, whatever the windows it is read in, and honest about invalid pixels."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from histoquant.errors import UsageError
from histoquant.tiling.survey import SCALE_PX, Survey, survey

FIELDS = (
    *("sums", "counted", "black", "grey", "brown", "light", "relief", "haze", "least_rgb"),
    "cell_colours",
)


def assert_same(a: Survey, b: Survey) -> None:
    for name in FIELDS:
        np.testing.assert_array_equal(getattr(a, name), getattr(b, name), err_msg=name)


@settings(max_examples=12, deadline=None)
@given(
    width=st.integers(1, 150),
    height=st.integers(1, 150),
    block=st.sampled_from([16, 32, 48, 112]),
    seed=st.integers(0, 99),
)
def test_windows_do_not_change_a_bit(plane_of, width, height, block, seed) -> None:  # type: ignore[no-untyped-def]
    rng = np.random.default_rng(seed)
    rgb = rng.integers(0, 256, (height, width, 3), dtype=np.uint8)
    rgb[rng.random((height, width)) < 0.1] = 3
    plane = plane_of(rgb, valid=rng.random((height, width)) < 0.97)
    assert_same(survey(plane, block_px=block), survey(plane))


def test_sums_and_counts_are_those_of_numpy(plane_of) -> None:  # type: ignore[no-untyped-def]
    rng = np.random.default_rng(2)
    rgb = rng.integers(20, 256, (64, 96, 3), dtype=np.uint8)
    found = survey(plane_of(rgb))
    blocks = rgb.reshape(4, 16, 6, 16, 3).astype(np.int64)
    np.testing.assert_array_equal(found.sums, blocks.sum(axis=(1, 3)))
    assert (found.counted == 256).all()
    cells = rgb[..., 1].reshape(16, 4, 24, 4).astype(np.int64).sum(axis=(1, 3))
    np.testing.assert_array_equal(found.light, cells // 16)
    np.testing.assert_array_equal(
        found.mean_rgb()[1, 2], (blocks[1, :, 2].mean(axis=(0, 1))).astype(np.float32)
    )
    assert found.cell_colours[:, 0].sum() == cells.size
    np.testing.assert_array_equal(found.cell_colours[:, 1:].sum(axis=0), rgb.sum(axis=(0, 1), dtype=np.int64))


def test_relief_is_the_squared_laplacian_and_needs_its_neighbours(plane_of) -> None:  # type: ignore[no-untyped-def]
    rng = np.random.default_rng(3)
    rgb = rng.integers(20, 256, (48, 48, 3), dtype=np.uint8)
    g = rgb[..., 1].astype(np.int64)
    laplacian = 4 * g[1:-1, 1:-1] - g[:-2, 1:-1] - g[2:, 1:-1] - g[1:-1, :-2] - g[1:-1, 2:]
    found = survey(plane_of(rgb))
    assert found.relief[1, 1] == (laplacian[15:31, 15:31] ** 2).sum()
    assert found.relief[0].sum() == 0  # its upper neighbours lie outside the plane
    valid = np.ones((48, 48), bool)
    valid[15, 20] = False
    assert survey(plane_of(rgb, valid=valid)).relief[1, 1] == 0


def test_invalid_pixels_are_neither_tissue_nor_background(plane_of) -> None:  # type: ignore[no-untyped-def]
    rgb = np.full((32, 32, 3), 100, np.uint8)
    valid = np.ones((32, 32), bool)
    valid[:, 16:] = False
    found = survey(plane_of(rgb, valid=valid))
    assert found.counted.tolist() == [[256, 0], [256, 0]]
    assert found.sums[:, 1].sum() == 0
    assert (found.light[:, 4:] == 255).all()
    assert np.isnan(found.mean_rgb()[0, 1]).all()


@pytest.mark.parametrize(
    ("colour", "name"),
    [
        ((0, 0, 0), "black"),
        ((8, 8, 8), "black"),
        ((40, 38, 35), "grey"),
        ((95, 33, 16), "brown"),
        ((199, 160, 140), "brown"),
    ],
)
def test_colours_fall_into_their_classes(plane_of, colour, name) -> None:  # type: ignore[no-untyped-def]
    found = survey(plane_of(np.full((16, 16, 3), colour, np.uint8)))
    for other in ("black", "grey", "brown"):
        assert getattr(found, other)[0, 0] == (256 if other == name else 0)


@pytest.mark.parametrize(
    "colour", [(54, 47, 124), (36, 17, 40), (200, 170, 190), (120, 60, 120), (240, 240, 240)]
)
def test_stained_tissue_is_neither_grey_nor_brown(plane_of, colour) -> None:  # type: ignore[no-untyped-def]
    found = survey(plane_of(np.full((16, 16, 3), colour, np.uint8)))
    assert found.grey[0, 0] == found.brown[0, 0] == found.black[0, 0] == 0


def test_map_pixels_know_their_size(plane_of) -> None:  # type: ignore[no-untyped-def]
    found = survey(plane_of(np.full((33, 50, 3), 200, np.uint8), mpp=0.499))
    assert found.shape == (3, 4)
    assert found.map_mpp_xy == (0.499 * SCALE_PX, 0.499 * SCALE_PX)
    assert found.counted.sum() == 33 * 50


@pytest.mark.parametrize("band", [0, -16, 100])
def test_windows_off_the_grid_are_refused(plane_of, band: int) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(UsageError, match="multiples of 16"):
        survey(plane_of(np.zeros((16, 16, 3), np.uint8)), block_px=band)
