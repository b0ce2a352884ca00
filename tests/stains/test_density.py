"""Optical density and unmixing: golden values, round trips, fixed point against floating point."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from skimage.color import separate_stains

from histoquant.errors import UsageError
from histoquant.stains import (
    H_DAB,
    H_E,
    StainVectors,
    angle_deg,
    optical_density,
    total_od,
    total_od_mod,
    unmix,
    unmix_mod,
)


def stain(hematoxylin_od: float, dab_od: float, white: float = 240.0) -> np.ndarray:
    """Exact, unrounded colour of two stains on glass."""
    od = hematoxylin_od * H_DAB.matrix[0] + dab_od * H_DAB.matrix[1]
    return white * 10.0**-od


def random_rgb(seed: int, shape: tuple[int, int] = (64, 48)) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (*shape, 3), dtype=np.uint8)


def test_builtin_vectors_are_the_published_ones() -> None:
    assert H_DAB.names == ("hematoxylin", "dab", "residual")
    np.testing.assert_allclose(H_DAB.matrix[0], np.array([0.650, 0.704, 0.286]) / 0.99991, atol=1e-4)
    np.testing.assert_allclose(np.linalg.norm(H_DAB.matrix, axis=1), 1.0)
    assert abs(H_DAB.matrix[2] @ H_DAB.matrix[0]) < 1e-12
    assert H_DAB.angle_deg == pytest.approx(37.1, abs=0.1)
    assert H_E.names[1] == "eosin"


def test_white_read_as_255_costs_the_density_the_design_names() -> None:
    blank = np.full((1, 1, 3), 230, np.uint8)
    od = optical_density(blank, 255.0)
    np.testing.assert_allclose(od, 0.045, atol=5e-4)
    hematoxylin, dab = unmix(blank, H_DAB, 255.0)[:2, 0, 0]
    assert hematoxylin == pytest.approx(0.043, abs=1e-3)
    assert dab == pytest.approx(0.038, abs=1e-3)
    assert np.abs(unmix(blank, H_DAB, 230.0)).max() < 1e-6


@pytest.mark.parametrize("amounts", [(0.0, 0.0), (0.3, 0.0), (0.0, 0.2), (0.5, 0.4), (0.1, 1.2), (1.0, 0.05)])
def test_mixed_stains_come_apart(amounts: tuple[float, float]) -> None:
    colour = stain(*amounts)
    rgb = np.rint(colour).astype(np.uint8)[None, None]
    got = unmix(rgb, H_DAB, 240.0)[:, 0, 0]
    # half a grey level of rounding, amplified by the inverse of the matrix
    rounding = np.log10(colour / np.maximum(colour - 0.5, 1.0))
    allowed = np.abs(np.linalg.inv(H_DAB.matrix)).T @ rounding + 1e-6
    assert (np.abs(got - [*amounts, 0.0]) <= allowed).all()


def test_dab_of_a_fifth_is_a_fifth_where_scikit_image_says_a_thirtieth() -> None:
    rgb = np.rint(stain(0.0, 0.2, white=255.0)).astype(np.uint8)[None, None]
    ours = unmix(rgb, H_DAB, 255.0)[1, 0, 0]
    theirs = separate_stains(rgb, np.linalg.inv(H_DAB.matrix))[0, 0, 1]
    assert ours == pytest.approx(0.2, abs=0.005)
    # science.md: the factor is 6.02, because its logarithm has base 1e-6
    assert ours / theirs == pytest.approx(6.0, abs=0.1)


def test_agrees_with_scikit_image_after_its_scale_where_nothing_is_clipped() -> None:
    rng = np.random.default_rng(3)
    od = rng.uniform(0.05, 0.8, (40, 40, 2)) @ H_DAB.matrix[:2]
    rgb = np.rint(255 * 10.0**-od).astype(np.uint8)
    theirs = separate_stains(rgb, np.linalg.inv(H_DAB.matrix)) * 6.0
    np.testing.assert_allclose(
        np.moveaxis(unmix(rgb, H_DAB, 255.0), 0, -1)[..., :2], theirs[..., :2], atol=1e-5
    )


def test_negatives_are_kept_so_that_noise_on_glass_averages_to_nothing() -> None:
    rng = np.random.default_rng(5)
    glass = np.rint(rng.normal(240, 2, (400, 400, 3))).clip(0, 255).astype(np.uint8)
    planes = unmix(glass, H_DAB, 240.0)
    assert planes.min() < -0.005
    assert np.abs(planes.mean(axis=(1, 2), dtype=np.float64)).max() < 2e-4


@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 999),
    white=st.tuples(*[st.floats(120.0, 255.0)] * 3),
    tilt=st.floats(-0.08, 0.08),
)
def test_fixed_point_is_the_rounded_float(seed: int, white: tuple[float, float, float], tilt: float) -> None:
    rgb = random_rgb(seed)
    vectors = np.array([[0.65 + tilt, 0.70, 0.29], [0.27, 0.57 + tilt, 0.78]])
    exact = unmix(rgb, vectors, white).astype(np.float64) * 1000
    assert np.abs(unmix_mod(rgb, vectors, white) - exact).max() <= 0.51
    assert np.abs(total_od_mod(rgb, white) - total_od(rgb, white) * 1000.0).max() <= 0.51


def test_every_window_gives_the_same_numbers() -> None:
    rgb = random_rgb(11, (97, 131))
    whole = unmix_mod(rgb, H_DAB, (231.5, 240.25, 236.0))
    part = unmix_mod(rgb[13:50, 21:90], H_DAB, (231.5, 240.25, 236.0))
    np.testing.assert_array_equal(part, whole[:, 13:50, 21:90])
    assert whole.dtype == np.int16


def test_as_many_planes_as_stains_given() -> None:
    rgb = random_rgb(1)
    assert unmix(rgb, H_DAB, 240.0).shape == (3, 64, 48)
    assert unmix(rgb, H_DAB.matrix[:2], 240.0).shape == (2, 64, 48)
    assert unmix(rgb, H_DAB.matrix, 240.0).shape == (3, 64, 48)
    np.testing.assert_array_equal(unmix(rgb, H_DAB.matrix[:2] * 7, 240.0), unmix(rgb, H_DAB, 240.0)[:2])


@pytest.mark.parametrize(
    "call",
    [
        lambda: unmix(np.zeros((4, 4), np.uint8), H_DAB, 240.0),
        lambda: unmix(np.zeros((4, 4, 3), np.float32), H_DAB, 240.0),
        lambda: unmix(random_rgb(0), np.eye(3)[:1], 240.0),
        lambda: unmix(random_rgb(0), [[1, 1, 1], [1, 1, 1.0001]], 240.0),
        lambda: unmix(random_rgb(0), [[1, 1, 1], [0, 0, 0]], 240.0),
        lambda: unmix(random_rgb(0), [[1, 1, np.nan], [0, 1, 0]], 240.0),
        lambda: unmix(random_rgb(0), H_DAB, 0.0),
        lambda: unmix(random_rgb(0), H_DAB, (240.0, 240.0)),
        lambda: unmix(random_rgb(0), H_DAB, (240.0, 240.0, float("nan"))),
        lambda: StainVectors(np.eye(3), ("a", "b")),  # type: ignore[arg-type]
    ],
)
def test_bad_input_is_named_not_computed(call) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(UsageError):
        call()


def test_vectors_are_values() -> None:
    same = StainVectors.from_pair((0.65, 0.704, 0.286), (0.268, 0.57, 0.776), ("hematoxylin", "dab"))
    assert same == H_DAB
    assert hash(same) == hash(H_DAB)
    assert same != H_E
    assert angle_deg((1, 0, 0), (2, 0, 0)) == 0.0
    with pytest.raises(ValueError):
        H_DAB.matrix[0, 0] = 1.0
