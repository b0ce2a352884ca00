"""Light: Beer-Lambert, blur and noise where physics puts them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from histoquant.errors import UsageError
from histoquant.phantoms.appearance import (
    APPEARANCES,
    DAB,
    HEMATOXYLIN,
    SCANNERS,
    Appearance,
    Scanner,
    turned,
)
from histoquant.phantoms.camera import blur, collect, expose, gaussian_taps, transmit

CLEAN = replace(
    APPEARANCES["normal"],
    uneven=0.0,
    scanner=Scanner(electrons=1e12, read_noise=0.0, glare=0.0, blur_um=0.0),
)


def test_optical_densities_of_two_stains_add():
    rng = np.random.default_rng(1)
    stains = rng.uniform(0.0, 1.2, (3, 20, 30)).astype(np.float32)
    vectors, gains = CLEAN.vectors("CD68"), np.ones(3)
    alone = [
        transmit(stains * np.eye(3, dtype=np.float32)[k][:, None, None], vectors, gains) for k in range(3)
    ]
    both = transmit(stains, vectors, gains)
    np.testing.assert_allclose(both, np.prod(alone, axis=0), rtol=1e-5)
    od = -np.log10(both)
    np.testing.assert_allclose(od, np.einsum("shw,sc->chw", stains, vectors), atol=1e-5)


def test_twice_the_stain_is_the_square_of_the_light():
    stains = np.full((3, 4, 4), 0.3, np.float32)
    vectors = CLEAN.vectors("CD68")
    once, twice = (transmit(stains, vectors, np.full(3, g)) for g in (1.0, 2.0))
    np.testing.assert_allclose(twice, once**2, rtol=1e-5)


def test_blur_averages_light_and_not_optical_density():
    light = np.ones((3, 21, 21), np.float32)
    light[:, :, 10:] = 0.01
    soft = blur(light, gaussian_taps(2.0))
    edge = soft[0, 10, 9:11].mean()
    assert edge == pytest.approx(0.505, abs=0.01)  # the mean of OD 0 and OD 2 would transmit 0.1
    assert soft.mean() == pytest.approx(light.mean(), rel=0.02)


def test_camera_pixels_average_exactly_what_they_cover():
    rng = np.random.default_rng(2)
    light = rng.uniform(0.0, 1.0, (3, 40, 40)).astype(np.float32)
    twos = collect(light, 2.0, 0.0, 0.0, (20, 20), 0)
    np.testing.assert_allclose(twos, light.reshape(3, 20, 2, 20, 2).mean((2, 4)), rtol=1e-5)
    factor = 0.3461 / 0.25
    odd = collect(light, factor, 0.0, 0.0, (20, 20), 0)
    side = 20 * factor
    inner = light[:, :27, :27].sum()
    assert odd.sum() * factor**2 == pytest.approx(inner, rel=0.05)
    assert side > 27.0
    np.testing.assert_array_equal(collect(light, factor, 0.0, 0.0, (20, 5), 7), odd[:, 7:12])


def test_photon_noise_grows_with_the_root_of_light():
    noisy = replace(CLEAN, white_point=(200.0, 200.0, 200.0), scanner=replace(CLEAN.scanner, electrons=400.0))
    field = np.ones((300, 300), np.float32)
    spread = []
    for share in (1.0, 0.25):
        light = np.full((3, 300, 300), share, np.float32)
        spread.append(expose(light, noisy, field, np.random.default_rng(3)).std())
    assert spread[0] == pytest.approx(200.0 / 20.0, rel=0.03)
    assert spread[1] == pytest.approx(spread[0] / 2.0, rel=0.03)


def test_clear_glass_has_the_white_point():
    glass = np.ones((3, 8, 8), np.float32)
    rgb = expose(glass, CLEAN, np.ones((8, 8), np.float32), np.random.default_rng(4))
    assert np.abs(rgb.astype(float) - CLEAN.white_point).max() <= 0.5


def test_turned_vector_is_off_by_the_angle_asked_for():
    moved = np.array(turned(HEMATOXYLIN, (1.0, 0.0, 0.0), 6.0))
    cosine = moved @ np.array(HEMATOXYLIN) / np.linalg.norm(HEMATOXYLIN)
    assert np.degrees(np.arccos(cosine)) == pytest.approx(6.0, abs=1e-6)


def test_vectors_are_unit_rows_and_dab_is_the_second_of_a_marker():
    vectors = Appearance().vectors("CD20")
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1.0)
    np.testing.assert_allclose(vectors[1], np.array(DAB) / np.linalg.norm(DAB))


def test_scanners_differ_in_what_they_should():
    assert [s.mpp for s in SCANNERS.values()] == [0.5, 0.3461, 0.2271]
    seen = APPEARANCES["normal"].with_scanner(SCANNERS["B"])
    assert seen.white_point[2] < APPEARANCES["normal"].white_point[2]


def test_impossible_scanner_is_refused():
    with pytest.raises(UsageError, match="mpp"):
        Scanner(mpp=0.0)


@pytest.mark.parametrize("gamma", [0.75, 1.55])
def test_a_tone_curve_multiplies_every_optical_density(gamma):
    light = np.repeat(np.array([0.2, 0.5, 0.9], np.float32)[None, None], 3, axis=0) * np.ones((3, 8, 3))
    field, white = np.ones((8, 3), np.float32), np.array(CLEAN.white_point)
    look = replace(CLEAN, scanner=replace(CLEAN.scanner, gamma=gamma))
    rgb = expose(light.astype(np.float32), look, field, np.random.default_rng(1))
    seen = -np.log10(rgb[0].T / white[:, None])
    np.testing.assert_allclose(seen, -gamma * np.log10(light[:, 0]), atol=0.006)  # half a grey level


def test_a_colour_matrix_leaves_grey_grey_and_compression_leaves_a_plain_field():
    look = replace(
        CLEAN, scanner=replace(SCANNERS["C"], electrons=1e12, read_noise=0.0, glare=0.0, gamma=1.0)
    )
    assert np.allclose(np.sum(look.scanner.colours, axis=1), 1.0)
    rgb = expose(
        np.full((3, 32, 32), 0.5, np.float32), look, np.ones((32, 32), np.float32), np.random.default_rng(1)
    )
    assert np.abs(rgb.astype(float) - 0.5 * np.array(CLEAN.white_point)).max() <= 2.0


@pytest.mark.parametrize("change", [{"gamma": 0.1}, {"jpeg": 101}])
def test_an_impossible_scanner_is_refused(change):
    with pytest.raises(UsageError):
        Scanner(**change)
