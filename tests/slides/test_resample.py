"""The plane: exact, independent of the window, equal to a plain definition."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from histoquant.errors import UsageError
from histoquant.slides.halving import halve
from histoquant.slides.plane import Plane, working_plane
from histoquant.slides.resample import Axis, box

FACTORS = [1.0, 1.445, 2.0, 2.2, 16.0, 0.5]
SIZE = (173, 131)  # width, height: no multiple of anything


class Array:
    """Level-0 pixels in memory."""

    def __init__(self, rgb: np.ndarray, valid: np.ndarray, mpp: float = 0.25) -> None:
        self.rgb, self.valid = rgb, valid
        self.size_px = (rgb.shape[1], rgb.shape[0])
        self.mpp, self.mpp_xy = mpp, (mpp, mpp)

    def read_level0(self, x: int, y: int, width: int, height: int) -> tuple[np.ndarray, np.ndarray]:
        rgb = np.full((height, width, 3), 255, np.uint8)
        valid = np.zeros((height, width), bool)
        w, h = self.size_px
        left, top, right, bottom = max(x, 0), max(y, 0), min(x + width, w), min(y + height, h)
        if left < right and top < bottom:
            to = (slice(top - y, bottom - y), slice(left - x, right - x))
            rgb[to], valid[to] = self.rgb[top:bottom, left:right], self.valid[top:bottom, left:right]
        return rgb, valid


def _slide(seed: int = 0, holes: bool = True) -> Array:
    rng = np.random.default_rng(seed)
    rgb = rng.integers(0, 256, (SIZE[1], SIZE[0], 3), dtype=np.uint8)
    valid = np.ones(rgb.shape[:2], bool)
    if holes:
        valid[40:77, 50:91] = False
        valid[::13, ::7] = False
        rgb[~valid] = 255
    return Array(rgb, valid)


@pytest.mark.parametrize("factor", FACTORS)
@given(data=st.data())
@settings(max_examples=40, deadline=None)
def test_window_independent(factor: float, data: st.DataObject) -> None:
    plane = Plane.at_factor(_slide(), factor, factor)
    width, height = plane.size_px
    whole, whole_valid = plane.read(0, 0, width, height)
    x = data.draw(st.integers(-5, width + 3))
    y = data.draw(st.integers(-5, height + 3))
    w = data.draw(st.integers(0, width))
    h = data.draw(st.integers(0, height))
    rgb, valid = plane.read(x, y, w, h)
    framed = np.full((height + 10 + h, width + 10 + w, 3), 255, np.uint8)
    framed_valid = np.zeros(framed.shape[:2], bool)
    framed[5 : 5 + height, 5 : 5 + width] = whole
    framed_valid[5 : 5 + height, 5 : 5 + width] = whole_valid
    assert np.array_equal(rgb, framed[y + 5 : y + 5 + h, x + 5 : x + 5 + w])
    assert np.array_equal(valid, framed_valid[y + 5 : y + 5 + h, x + 5 : x + 5 + w])


@pytest.mark.parametrize("factor", FACTORS)
def test_blocks_do_not_show(factor: float, monkeypatch: pytest.MonkeyPatch) -> None:
    plane = Plane.at_factor(_slide(), factor, factor)
    whole = plane.read(0, 0, *plane.size_px)
    monkeypatch.setattr("histoquant.slides.plane.BLOCK_PX", 24)
    parts = plane.read(0, 0, *plane.size_px)
    assert np.array_equal(whole[0], parts[0])
    assert np.array_equal(whole[1], parts[1])


@pytest.mark.parametrize("factor", [1.445, 2.0, 2.2, 3.0, 16.0])
def test_area_average_equals_its_definition(factor: float) -> None:
    slide = _slide()
    plane = Plane.at_factor(slide, factor, factor)
    rgb, valid = plane.read(0, 0, *plane.size_px)
    exact = Fraction(plane.axis_x.step, 1 << 32)
    for x, y in [(0, 0), (3, 5), (plane.size_px[0] - 1, plane.size_px[1] - 1), (4, 4), (7, 2)]:
        weights = {}
        for px in range(int(x * exact), int((x + 1) * exact) + 1):
            for py in range(int(y * exact), int((y + 1) * exact) + 1):
                over_x = min(px + 1, (x + 1) * exact) - max(px, x * exact)
                over_y = min(py + 1, (y + 1) * exact) - max(py, y * exact)
                if over_x > 0 and over_y > 0:
                    weights[px, py] = float(over_x * over_y)
        held = {
            p: w for p, w in weights.items() if p[0] < SIZE[0] and p[1] < SIZE[1] and slide.valid[p[1], p[0]]
        }
        share = sum(held.values()) / sum(weights.values())
        if abs(share - 0.5) > 0.01:
            assert valid[y, x] == (share > 0.5)
        if valid[y, x]:
            mean = sum(w * slide.rgb[p[1], p[0]].astype(float) for p, w in held.items()) / sum(held.values())
            assert np.abs(rgb[y, x] - mean).max() <= 1.0


def test_whole_factors_are_exact_means() -> None:
    rng = np.random.default_rng(3)
    image = rng.integers(0, 256, (48, 60, 3), dtype=np.uint8)
    for factor in (2, 3, 4, 6):
        sums = image.reshape(48 // factor, factor, 60 // factor, factor, 3).astype(int).sum(axis=(1, 3))
        area = factor * factor
        assert np.array_equal(box(image, factor), (2 * sums + area) // (2 * area))


@pytest.mark.parametrize("width", [1, 8, 13, 24])
def test_halves_are_exact_at_every_width_and_in_a_part_of_a_larger_place(width: int) -> None:
    rng = np.random.default_rng(width)
    for pixels in (rng.integers(0, 256, (6, 2 * width, 3), dtype=np.uint8), np.full((6, 2 * width, 3), 255)):
        place = np.full((3, width + 2, 3), 7, np.uint8)
        halve(np.uint8(pixels).reshape(6, -1), place.reshape(3, -1)[:, 3:-3])
        sums = pixels.reshape(3, 2, width, 2, 3).astype(int).sum(axis=(1, 3))
        np.testing.assert_array_equal(place[:, 1:-1], (sums + 2) // 4)
        assert (place[:, [0, -1]] == 7).all()


@pytest.mark.parametrize("factor", [2, 3, 5, 16])
def test_fast_and_weighted_paths_agree(factor: int) -> None:
    """The box path is taken where all is valid, the weighted one beside holes: no seam between them."""
    slide = _slide(holes=False)
    plane = Plane.at_factor(slide, factor, factor)
    w, h = SIZE[0] // factor, SIZE[1] // factor
    fast, _ = plane.read(0, 0, w, h)
    from histoquant.slides import resample

    taps_x, taps_y = plane.axis_x.taps(0, w), plane.axis_y.taps(0, h)
    rgb, valid = slide.read_level0(0, 0, w * factor, h * factor)
    assert np.array_equal(resample.resample(rgb, valid, taps_x, taps_y)[0], fast)
    holed = valid.copy()
    holed[-1, -1] = False
    assert np.array_equal(resample.resample(rgb, holed, taps_x, taps_y)[0][:-1, :-1], fast[:-1, :-1])


def test_constant_stays_constant_and_holes_do_not_bleed() -> None:
    rgb = np.full((90, 90, 3), (200, 120, 60), np.uint8)
    valid = np.ones((90, 90), bool)
    valid[30:60, 30:60] = False
    rgb[~valid] = 255
    for factor in (1.1, 2.0, 2.2, 3.7, 0.4, 0.9):
        plane = Plane.at_factor(Array(rgb, valid), factor, factor)
        out, held = plane.read(0, 0, *plane.size_px)
        assert (out[held] == (200, 120, 60)).all()
        assert (out[~held] == 255).all()
        assert not held.all()


def test_linear_interpolation_follows_a_ramp() -> None:
    ramp = np.repeat(np.arange(0, 200, 4, dtype=np.uint8)[None, :, None], 50, axis=0).repeat(3, axis=2)
    plane = Plane.at_factor(Array(np.ascontiguousarray(ramp), np.ones((50, 50), bool)), 0.5, 0.5)
    out, valid = plane.read(0, 0, *plane.size_px)
    assert plane.size_px == (100, 100)
    assert valid.all()
    x, _ = plane.to_level0(np.arange(1, 99), 0)
    assert np.abs(out[20, 1:99, 0] - 4 * x).max() <= 0.51


@pytest.mark.parametrize(
    ("mpp", "factor"), [(0.499, 1), (0.25, 2), (0.2498, 2), (0.125, 4), (0.5, 1), (0.243, 2), (0.49, 1)]
)
def test_working_plane_takes_whole_factors_when_close(mpp: float, factor: int) -> None:
    slide = Array(np.zeros((64, 64, 3), np.uint8), np.ones((64, 64), bool), mpp)
    assert working_plane(slide).factor_xy == (factor, factor)


@pytest.mark.parametrize("mpp", [0.3461, 0.2271, 0.18, 0.8, 1.1, 0.44])
def test_working_plane_is_half_a_micrometre_otherwise(mpp: float) -> None:
    slide = Array(np.zeros((64, 64, 3), np.uint8), np.ones((64, 64), bool), mpp)
    plane = working_plane(slide)
    assert plane.mpp == pytest.approx(0.5, rel=1e-8)
    assert plane.size_px[0] == round(64 * mpp / 0.5)


def test_axis_edges_do_not_drift() -> None:
    axis = Axis(1 << 20, round(1.445 * 2**32))
    last = axis.size - 1
    taps = axis.taps(last - 3, 4)
    assert abs(taps.first[-1] - last * 1.445) < 1.001
    assert axis.taps(0, axis.size).first[-4:].tolist() == taps.first.tolist()


def test_plane_coordinates_are_pixel_centres() -> None:
    plane = Plane.at_factor(_slide(), 2.0, 2.0)
    x, y = plane.to_level0([0, 10], [0, 3])
    assert x.tolist() == [0.5, 20.5]
    assert y.tolist() == [0.5, 6.5]
    assert plane.index_of(21, 6) == (10, 3)


def test_nonsense_is_refused() -> None:
    slide = _slide()
    with pytest.raises(UsageError, match="positive"):
        Plane.at_mpp(slide, 0)
    with pytest.raises(UsageError, match="positive"):
        working_plane(slide, -1.0)
    with pytest.raises(UsageError, match="limit"):
        Plane.at_mpp(slide, 5000.0)
    with pytest.raises(UsageError, match="window"):
        Plane.at_mpp(slide, 0.5).read(0, 0, -1, 5)
