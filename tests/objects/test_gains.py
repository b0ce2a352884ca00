from __future__ import annotations

import numpy as np
import pytest

from histoquant.objects import NucleiParams, Planes
from histoquant.objects.gains import plane_at_gain
from histoquant.objects.lookup import mix, smooth_share
from histoquant.objects.smoothing import smooth
from histoquant.objects.views import darkness, doubt_of

GAINS = [512, 1023, 1024, 1777, 6144]
EVERY = np.arange(-32768, 32768, dtype=np.int16).reshape(256, 256)


@pytest.mark.parametrize("gain", GAINS)
def test_every_amount_is_rounded_half_up_and_cut_off(gain: int) -> None:
    wanted = np.clip(np.floor(EVERY.astype(float) * gain / 1024 + 0.5), -32768, 32767)
    assert (plane_at_gain(EVERY, gain) == wanted).all()
    assert (plane_at_gain(EVERY[::2, 1::2], gain) == wanted[::2, 1::2]).all()


@pytest.mark.parametrize("gain", GAINS)
def test_what_reads_at_a_gain_reads_what_a_plane_at_that_gain_holds(gain: int) -> None:
    rng = np.random.default_rng(gain)
    compressed = np.arange(4000, dtype=np.int16)
    for shape in ((1, 1), (1, 70), (41, 1), (23, 131)):
        blue, brown = rng.integers(-32768, 32768, (2, *shape)).astype(np.int16)
        made = plane_at_gain(blue, gain), plane_at_gain(brown, gain)
        for sigma in (0.0, 1.6):
            assert (smooth(brown, sigma, gain) == smooth(made[1], sigma)).all()
            assert (smooth_share(brown, 13, sigma, gain) == smooth_share(made[1], 13, sigma)).all()
        for percent in (-30, 45):
            wanted = mix(*made, percent, 20, compressed).copy()
            assert (mix(blue, brown, percent, 20, compressed, gain) == wanted).all()


def test_a_window_at_a_gain_is_seen_as_if_it_held_planes_at_that_gain() -> None:
    rng = np.random.default_rng(7)
    blue, brown = rng.integers(-200, 1500, (2, 40, 50)).astype(np.int16)
    window = Planes(blue, brown, None, np.ones(blue.shape, bool), 0.5)
    scaled, params = window.scaled(1500), NucleiParams()
    made = Planes(scaled.hematoxylin, scaled.dab, None, window.valid, 0.5)
    assert (made.dab == plane_at_gain(brown, 1500)).all()
    assert (darkness(scaled, params) == darkness(made, params)).all()
    assert (doubt_of(scaled, params) == doubt_of(made, params)).all()
    assert (darkness(scaled, params) != darkness(window, params)).any()
    assert window.scaled(1024) is window
    assert scaled.whole
