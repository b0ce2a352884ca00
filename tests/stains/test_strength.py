"""Stain strength: a level that follows a factor and not a count, and gates that keep the rest out."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from histoquant.stains.level import level_above
from histoquant.stains.settings import GAIN_UNIT, STANDARD_HEMATOXYLIN_OD, search_gain
from histoquant.stains.strength import StainStrength, strength_of
from histoquant.stains.strength_histogram import StrengthHistogram, _divide, _mean_of_five, clear
from histoquant.stains.threshold import NUCLEUS_SPREADS, PIXEL_SPREADS, WEAK_STAIN, slide_threshold

SIZE, MPP = 400, 0.5


def field(blue_od: float, brown_od: float, nuclei: int = 120, cells: int = 40, seed: int = 1) -> np.ndarray:
    """Haematoxylin and DAB in mOD: soft nuclei on a grid, some places in brown, noise of 5 mOD."""
    rng = np.random.default_rng(seed)
    yy, xx = np.mgrid[:SIZE, :SIZE]
    stains = np.zeros((2, SIZE, SIZE))
    places = rng.permutation([(y, x) for y in range(14, SIZE, 26) for x in range(14, SIZE, 26)])
    for k, (y, x) in enumerate(places[: nuclei + cells]):
        spot = np.exp(-((((yy - y) ** 2 + (xx - x) ** 2) / (2 * 4.0**2)) ** 2))  # flat with a soft edge
        if k < nuclei:
            stains[0] += blue_od * rng.uniform(0.8, 1.2) * spot
        else:
            stains[1] += brown_od * rng.uniform(0.8, 1.2) * spot
    return np.rint(1000 * stains + rng.normal(0.0, 5.0, stains.shape)).astype(np.int16)


def measured(stains: np.ndarray) -> StainStrength:
    mask = np.ones(stains.shape[1:], bool)
    return strength_of(StrengthHistogram.empty().add(stains, mask, MPP))


def test_level_of_a_golden_histogram() -> None:
    counts = np.zeros(1001, np.int64)
    counts[[100, 300, 400, 500]] = [10_000, 10, 11, 10]
    # of all counts above 200 (half of 400) the median is 400; the crowd at 100 is below
    assert level_above(counts, 50, 5) == (400, 31)
    counts[900] = 4
    assert level_above(counts, 50, 5)[0] == 400  # too few at 900 to make a level
    assert level_above(np.zeros(10, np.int64), 50, 1) == (0, 0)


@pytest.mark.parametrize("factor", [2, 3])
def test_a_factor_on_every_value_is_a_factor_on_the_level(factor: int) -> None:
    rng = np.random.default_rng(4)
    values = np.rint(np.concatenate([rng.exponential(40, 5000), rng.normal(400, 60, 300)])).astype(int)
    values = np.clip(values, 0, None)
    once = level_above(np.bincount(values, minlength=4001), 50, 50)[0]
    scaled = level_above(np.bincount(values * factor, minlength=4001), 50, 50)[0]
    assert scaled == pytest.approx(factor * once, abs=factor)


@pytest.mark.parametrize("gain", [0.6, 0.8, 1.25, 1.8])
def test_strengths_follow_a_tone_curve(gain: float) -> None:
    stains = field(0.5, 0.45)
    once, other = measured(stains), measured(np.rint(stains * gain).astype(np.int16))
    assert other.hematoxylin_od == pytest.approx(gain * once.hematoxylin_od, abs=0.004)
    assert other.dab_od == pytest.approx(gain * once.dab_od, abs=0.004)


def test_stronger_stain_never_reads_weaker() -> None:
    levels = [measured(field(od, od)) for od in (0.3, 0.4, 0.5, 0.7, 0.9)]
    blue, brown = [s.hematoxylin_od for s in levels], [s.dab_od for s in levels]
    assert blue == sorted(blue)
    assert brown == sorted(brown)


def test_strength_says_how_dark_and_not_how_many() -> None:
    few, many = measured(field(0.5, 0.45, nuclei=60, cells=15)), measured(field(0.5, 0.45, 140, 80))
    assert few.hematoxylin_od == pytest.approx(many.hematoxylin_od, rel=0.05)
    assert few.dab_od == pytest.approx(many.dab_od, rel=0.1)  # 15 cells of uneven stain


@pytest.mark.parametrize("shape", [(1, 1), (1, 9), (9, 1), (5, 40), (70, 33)])
@pytest.mark.parametrize("mpp", [0.25, 0.5, 2.0])
def test_windows_of_any_shape_are_counted_as_opencv_would(shape: tuple[int, int], mpp: float) -> None:
    rng = np.random.default_rng(8)
    stains = rng.integers(-900, 4600, (2, *shape)).astype(np.int16)
    stains[:, ::3] //= 9  # some of it flat, so that there are peaks and equals
    mask = rng.random(shape) < 0.8
    found = StrengthHistogram.empty().add(stains, mask, mpp)
    box, reach = (max(1, round(um / mpp)) for um in (1.0, 2.0))
    side = 2 * box + 1
    blue, brown = (
        (2 * cv2.boxFilter(plane, cv2.CV_32S, (side, side), normalize=False, borderType=cv2.BORDER_REPLICATE)
        + side**2) // (2 * side**2)
        for plane in stains
    )  # fmt: skip
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * reach + 1, 2 * reach + 1))
    darkest = cv2.dilate(blue.astype(np.int16), disc)
    chosen = (
        mask,
        mask,
        mask & (blue == darkest) & (100 * brown < 50 * blue),
        mask & (100 * brown > 60 * blue),
    )
    held = found.hematoxylin, found.dab, found.peaks, found.brown
    for counts, here, plane in zip(held, chosen, (blue, brown, blue, brown), strict=True):
        expected = np.bincount(np.clip(plane[here], -500, 4000) + 500, minlength=4501)
        np.testing.assert_array_equal(counts, expected)


def test_what_is_not_known_is_cleared_in_both_stains() -> None:
    rng = np.random.default_rng(2)
    stains, known = rng.integers(-900, 4600, (2, 37, 21)).astype(np.int16), rng.random((37, 21)) < 0.7
    expected = stains * known
    clear(stains, known)
    np.testing.assert_array_equal(stains, expected)


def test_order_of_windows_does_not_matter() -> None:
    parts = [field(0.5, 0.4, seed=k) for k in range(3)]
    mask = np.ones((SIZE, SIZE), bool)

    def total(order: list[int]) -> StainStrength:
        found = StrengthHistogram.empty()
        for k in order:
            found = found.add(parts[k], mask, MPP)
        return strength_of(found)

    assert total([0, 1, 2]) == total([2, 0, 1])


def test_only_the_mask_counts() -> None:
    stains, mask = field(0.5, 0.4), np.zeros((SIZE, SIZE), bool)
    assert measured(stains).dab_od is not None
    empty = strength_of(StrengthHistogram.empty().add(stains, mask, MPP))
    assert empty.hematoxylin_od is None
    assert empty.dab_od is None


@pytest.mark.parametrize(
    ("stains", "stain", "said"),
    [
        (field(0.5, 0.0), "dab_od", "DAB: "),
        (field(0.5, 0.1), "dab_od", "0.12 needed"),
        (field(0.5, 0.5, cells=1), "dab_od", "too few stained pixels"),
        (field(0.5, 0.5, nuclei=5), "hematoxylin_od", "0.06 needed"),
        (field(0.05, 0.5), "hematoxylin_od", "0.06 needed"),
    ],
)
def test_gates_say_what_is_missing(stains: np.ndarray, stain: str, said: str) -> None:
    strength = measured(stains)
    assert getattr(strength, stain) is None
    assert said in strength.reason


def test_brown_over_a_dark_nucleus_is_not_stain() -> None:
    stains = field(0.8, 0.0)
    stains[1] += (0.25 * stains[0]).astype(np.int16)  # what unmixing with slightly wrong vectors leaves
    assert measured(stains).dab_od is None


def test_the_search_gain_is_bounded_and_whole() -> None:
    assert search_gain(None) == GAIN_UNIT
    assert search_gain(STANDARD_HEMATOXYLIN_OD) == GAIN_UNIT
    assert search_gain(STANDARD_HEMATOXYLIN_OD / 2) == 2 * GAIN_UNIT
    assert search_gain(0.001) == 6 * GAIN_UNIT
    assert search_gain(4.0) == GAIN_UNIT // 2


def strength(dab_od: float | None, background_od: float = 0.0, blue_od: float = 0.5) -> StainStrength:
    reason = "" if dab_od else "DAB: too few stained pixels in the sample, fewer than 400"
    return StainStrength(blue_od, dab_od, background_od, reason, {})


def test_the_threshold_follows_the_stain() -> None:
    assert slide_threshold(0.2, 0.5, strength(0.5))[:2] == (0.2, "adapted")
    assert slide_threshold(0.2, 0.5, strength(1.0)).od == 0.4
    assert slide_threshold(0.2, 0.5, strength(0.5, background_od=0.05)).od == 0.25  # haze taken off
    rising = [slide_threshold(0.2, 0.5, strength(od)).od for od in (0.2, 0.3, 0.5, 0.8, 1.2)]
    assert rising == sorted(rising)


def test_a_negative_slide_is_never_stretched() -> None:
    none = slide_threshold(0.2, 0.5, strength(None))
    assert none[:2] == (0.2, "default")
    assert "too few" in none.reason
    weak = slide_threshold(0.2, 0.5, strength(0.15))
    assert weak[:2] == (0.2, "default")
    assert weak.flags == (WEAK_STAIN,)
    for od in np.linspace(0.12, 1.5, 60):
        assert slide_threshold(0.2, 0.5, strength(float(od))).od >= 0.1


def test_without_stain_a_darker_haematoxylin_asks_for_more() -> None:
    dark = slide_threshold(0.2, 0.5, strength(None, blue_od=2 * STANDARD_HEMATOXYLIN_OD))
    assert dark[:2] == (0.4, "adapted")
    assert "raised" in dark.reason


def test_a_trace_of_stain_does_not_lower_what_dark_haematoxylin_asks_for() -> None:
    blue = 2 * STANDARD_HEMATOXYLIN_OD
    trace, none = (slide_threshold(0.2, 0.5, strength(od, blue_od=blue)) for od in (0.15, None))
    assert trace.od == none.od == 0.4
    assert trace.flags == (WEAK_STAIN,)


def test_a_threshold_that_was_given_stays() -> None:
    assert slide_threshold(0.33, None, strength(1.2))[:2] == (0.33, "set")


def test_without_stain_a_brown_background_asks_for_more() -> None:
    assert slide_threshold(0.2, 0.5, strength(None, background_od=0.02))[:2] == (0.2, "default")
    hazy = slide_threshold(0.2, 0.5, strength(None, background_od=0.08))
    assert hazy[:2] == (0.25, "adapted")
    assert "background is 0.080 OD" in hazy.reason


def test_a_threshold_lies_beyond_what_unstained_tissue_reaches() -> None:
    told = {"dab_background_spread_od": 0.06}
    clouds = StainStrength(0.5, None, 0.05, "DAB: too few stained pixels", told)
    assert slide_threshold(0.15, 0.5, clouds).od == 0.23
    raised = slide_threshold(0.15, 0.5, clouds, spreads=PIXEL_SPREADS)
    assert raised.od == 0.35
    assert "unstained tissue reaches 0.350 OD" in raised.reason
    assert slide_threshold(0.15, 0.5, clouds, spreads=NUCLEUS_SPREADS).od == 0.17
    stands_out = StainStrength(0.5, 0.5, 0.01, "", told)
    assert slide_threshold(0.15, 0.5, stands_out, spreads=PIXEL_SPREADS).od == 0.16


def test_means_of_five_are_rounded_as_those_of_any_square() -> None:
    every = np.arange(-32768 * 25, 32767 * 25 + 1, dtype=np.int32)
    divided, at_once = np.empty(every.size, np.int16), np.empty(every.size, np.int16)
    _divide(every, 25, divided)
    # one column in five holds the sum, so that each window does
    for k in range(5):
        columns = np.zeros(5 * len(every[k::5]) + 4, np.int32)
        columns[2:-2:5] = every[k::5]
        mean = np.empty(len(columns) - 4, np.int16)
        _mean_of_five(columns, mean)
        at_once[k::5] = mean[::5]
    np.testing.assert_array_equal(at_once, divided)
