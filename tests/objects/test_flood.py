from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import pytest
from scipy import ndimage

from histoquant.objects import flood, ground
from histoquant.objects.choosing import score_of
from histoquant.objects.edge_words import edge_words
from histoquant.objects.flood import Lowest, Seen, TooManyError, label, tell, walk_over
from histoquant.objects.nuclei_params import NucleiParams
from histoquant.objects.score_rules import ScoreRules
from histoquant.objects.steep_zone import give_up_far

SIDES = ((-1, 0), (1, 0), (0, -1), (0, 1))


def _label_best(
    labels: np.ndarray, last: int, seen: Seen, rules: ScoreRules, lowest: Lowest | None = None
) -> int:
    """One pass, as the search makes it."""
    return label(labels, last, walk_over(tell(seen, rules), rules), lowest)


def _case(seed: int) -> tuple[np.ndarray, ...]:
    """Levels, darkness, doubt, blocked: a field of blobs with a taken bar through it."""
    rng = np.random.default_rng(seed)
    image = cv2.GaussianBlur(rng.normal(0, 1, (60, 53)), (0, 0), 3.0)
    image /= image.std()
    levels = np.clip(image * 5 + 3, 0, 255).astype(np.uint8)
    dark = (np.clip(image, 0, None) * 200 + rng.integers(0, 60, levels.shape)).astype(np.int32)
    doubt = rng.integers(0, 50, levels.shape).astype(np.int32)
    blocked = np.zeros(levels.shape, np.uint8)
    blocked[10:16, 5:40] = 1
    return levels, dark, doubt, blocked


def _regions(levels: np.ndarray) -> list[tuple[int, np.ndarray]]:
    """All regions by thresholding, each once with the highest level that shows it, the largest first."""
    seen: dict[bytes, tuple[int, np.ndarray]] = {}
    for level in range(1, int(levels.max()) + 1):
        labels, count = ndimage.label(levels >= level)
        for i in range(1, count + 1):
            mask = labels == i
            seen[mask.tobytes()] = level, mask
    return sorted(seen.values(), key=lambda region: -int(region[1].sum()))


def _row(mask, dark, doubt, blocked, reach) -> np.ndarray:
    """Sums over a region and over its boundary, edge by edge."""
    h, w = mask.shape
    ys, xs = np.nonzero(mask)
    free = taken = step = 0
    for y, x in zip(ys, xs, strict=True):
        for dy, dx in SIDES:
            yo, xo = y + dy, x + dx
            if not (0 <= yo < h and 0 <= xo < w) or mask[yo, xo]:
                continue
            if blocked[yo, xo]:
                taken += 1
                continue
            free += 1
            inner = dark[np.clip(y - reach * dy, 0, h - 1), np.clip(x - reach * dx, 0, w - 1)]
            outer = dark[np.clip(yo + reach * dy, 0, h - 1), np.clip(xo + reach * dx, 0, w - 1)]
            step += int(inner) - int(outer) - int(doubt[yo, xo])
    sums = [len(xs), xs.sum(), ys.sum(), (xs * xs).sum(), (ys * ys).sum(), (xs * ys).sum()]
    return np.array([*sums, free, taken, step], np.int64)


def _chosen(regions: list[np.ndarray], scores: list[int], regrowth: float) -> list[np.ndarray]:
    """The best choice by going through all regions, the smallest first."""
    taken: list[tuple[int, np.ndarray]] = []
    for mask, score in sorted(zip(regions, scores, strict=True), key=lambda pair: int(pair[0].sum())):
        inside = [(value, other) for value, other in taken if (other & mask).any()]
        cover = sum(int(other.sum()) for _, other in inside)
        credit = (int(mask.sum()) / cover) ** regrowth if cover else 1.0
        if score > 0 and score >= sum(value for value, _ in inside) * credit:
            taken = [pair for pair in taken if not (pair[1] & mask).any()] + [(score, mask)]
    return [mask for _, mask in taken]


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("reach", [0, 1, 2])
def test_the_flood_finds_what_thresholding_and_trying_all_choices_finds(seed: int, reach: int) -> None:
    assert _found_is_wanted(*_case(seed), reach, 20.0) > 2


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("length_um", [3.0, 5.5, 8.0])
def test_what_is_too_long_hides_nothing_beside_it(seed: int, length_um: float) -> None:
    levels, dark, _, _ = _case(seed)
    nothing = np.zeros(levels.shape, np.int32)
    assert _found_is_wanted(levels, dark, nothing, nothing.astype(np.uint8), 1, length_um) > 0
    # the last level is both a level and the mark of pixels given up
    saturated = np.where(levels > 6, np.uint8(255), levels)
    assert _found_is_wanted(saturated, dark, nothing, nothing.astype(np.uint8), 1, length_um) >= 0


@pytest.mark.parametrize("at_once", [1, 7])
def test_it_is_the_same_how_many_regions_are_scored_at_once(
    at_once: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    case = _case(5)
    rules = ScoreRules.of(NucleiParams(area_min_um2=1.0, ellipse_min=0.6, edge_min_od=0.005), 0.5)
    wanted = _labels(*case, 1, rules)
    monkeypatch.setattr(ground, "_AT_ONCE", at_once)
    assert (_labels(*case, 1, rules) == wanted).all()
    assert wanted.max() > 3


@pytest.mark.parametrize("regrowth", [0.0, 0.5, 1.0, 1.7])
def test_credit_for_lost_area_is_a_power(regrowth: float) -> None:
    levels, dark, doubt, blocked = _case(2)
    assert _found_is_wanted(levels, dark, doubt, blocked, 1, 20.0, regrowth) > 2


@pytest.mark.parametrize("shape", [(1, 1), (1, 40), (40, 1), (2, 9), (14, 17)])
def test_noise_in_windows_of_any_shape(shape: tuple[int, int]) -> None:
    # walks that give up meet what others gave up in many ways
    rng = np.random.default_rng(sum(shape))
    for _ in range(150):
        levels = rng.integers(0, rng.integers(3, 8), shape).astype(np.uint8)
        dark = rng.integers(0, 300, shape).astype(np.int16)
        blocked = (rng.random(shape) < 0.05).astype(np.uint8)
        length_um = float(rng.choice([1.0, 1.5, 2.0, 3.0]))
        assert _found_is_wanted(levels, dark, np.zeros_like(dark), blocked, 1, length_um) >= 0


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("reach", [0, 1])
def test_only_what_is_at_steep_edges_is_walked_and_no_region_is_missed(
    seed: int, reach: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    rng = np.random.default_rng(seed)
    image = cv2.GaussianBlur(rng.normal(0, 1, (75, 90)), (0, 0), 2.0)
    levels = np.clip(image / image.std() * 4 + 2, 0, 255).astype(np.uint8)
    # only here and there darkness falls where levels do
    steep = cv2.GaussianBlur(rng.normal(0, 1, levels.shape), (0, 0), 9.0)
    dark = np.where(steep > 1.5 * steep.std(), levels * 60, 100 - levels).astype(np.int16)
    doubt, blocked = np.zeros_like(dark), (rng.random(levels.shape) < 0.01).astype(np.uint8)
    left_out = []

    def give_up(unmet: np.ndarray, *rest: Any) -> None:
        give_up_far(unmet, *rest)
        left_out.append((unmet[1:76, 1:91][levels > 0] == 255).mean())

    monkeypatch.setattr(flood, "give_up_far", give_up)
    found = _found_is_wanted(levels, dark, doubt, blocked, reach, 5.0, edge_min_od=0.05)
    assert found > 0
    assert 0.04 < max(left_out) < 1.0


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("doubted", [False, True])
def test_what_touches_a_box_is_found_as_without_it(seed: int, doubted: bool) -> None:
    rng = np.random.default_rng(seed)
    image = cv2.GaussianBlur(rng.normal(0, 1, (80, 95)), (0, 0), 2.0)
    levels = np.clip(image / image.std() * 4 + 2, 0, 255).astype(np.uint8)
    dark = (levels * rng.choice([5, 20, 30], levels.shape)).astype(np.int16)
    doubt, blocked = np.zeros_like(dark), (rng.random(levels.shape) < 0.01).astype(np.uint8)
    seen = Seen(levels, dark, doubt if doubted else None, blocked, 1)
    params = NucleiParams(area_min_um2=1.0, ellipse_min=0.6, edge_min_od=0.03, length_max_um=6.0)
    rules, fewer = ScoreRules.of(params, 0.5), 0
    whole = np.zeros(levels.shape, np.int32)
    last = _label_best(whole, 0, seen, rules)
    for _ in range(20):
        (y0, y1), (x0, x1) = (np.sort(rng.integers(-5, size + 5, 2)) for size in levels.shape)
        labels = np.zeros_like(whole)
        fewer += _label_best(labels, 0, seen._replace(box=(y0, x0, y1, x1)), rules) < last
        within = np.s_[max(y0, 0) : max(y1, 0), max(x0, 0) : max(x1, 0)]
        wanted, found = (np.unique(of[within][of[within] > 0]) for of in (whole, labels))
        # in the same order, too
        assert len(wanted) == len(found)
        for a, b in zip(wanted, found, strict=True):
            assert ((whole == a) == (labels == b)).all()
    assert fewer > 10


def _found_is_wanted(levels, dark, doubt, blocked, reach, length_um, regrowth=0.5, edge_min_od=0.005) -> int:
    """How many regions label and choice by going through all of them have in common: all."""
    params = NucleiParams(
        area_min_um2=1.0,
        area_max_um2=90.0,
        ellipse_min=0.6,
        edge_min_od=edge_min_od,
        length_max_um=length_um,
        regrowth=regrowth,
    )
    rules = ScoreRules.of(params, 0.5)
    regions = _regions(np.where(blocked > 0, np.uint8(0), levels))
    scores = []
    for _, mask in regions:
        ys, xs = np.nonzero(mask)
        small = max(np.ptp(ys), np.ptp(xs)) < rules.length_px
        fits = rules.least_px <= mask.sum() <= rules.most_px
        scores.append(score_of(_row(mask, dark, doubt, blocked, reach), rules) if small and fits else 0)
    wanted = _chosen([mask for _, mask in regions], scores, params.regrowth)
    labels = _labels(levels, dark, doubt, blocked, reach, rules)
    assert len(wanted) == labels.max()
    found = {(labels == i).tobytes() for i in range(1, labels.max() + 1)}
    assert found == {mask.tobytes() for mask in wanted}
    return len(wanted)


def _labels(levels, dark, doubt, blocked, reach, rules):
    labels = np.zeros(levels.shape, np.int32)
    # of the pass's own levels and of others
    for of in (levels, levels[::-1]):
        labels[:], lowest = 0, Lowest(of, [], of is levels)
        assert (
            _label_best(labels, 0, Seen(levels, dark, doubt, blocked, reach), rules, lowest) == labels.max()
        )
        (known,) = lowest.found
        assert known.tolist() == [of[labels == label].min() for label in range(1, labels.max() + 1)]
    return labels


@pytest.mark.parametrize("seed", range(4))
def test_a_walk_asks_nothing_of_what_edges_were_told_from(seed: int) -> None:
    levels, dark, doubt, blocked = _case(seed)
    rules = ScoreRules.of(NucleiParams(area_min_um2=4.0, ellipse_min=0.5, edge_min_od=0.001), 0.5)
    wanted = _labels(levels, dark, doubt, blocked, 1, rules)
    gone = [plane.copy() for plane in (levels, dark, doubt, blocked)]
    told = tell(Seen(*gone, 1), rules)
    for plane in gone:
        plane[:] = 77
    labels = np.zeros_like(wanted)
    assert label(labels, 0, walk_over(told, rules)) == wanted.max() > 0
    assert (labels == wanted).all()


def test_labels_are_numbered_by_level_then_by_last_pixel() -> None:
    levels, dark, _, _ = _case(3)
    rules = ScoreRules.of(NucleiParams(area_min_um2=4.0, ellipse_min=0.5, edge_min_od=0.001), 0.5)
    labels = _labels(levels, dark, None, None, 1, rules)
    keys = []
    for i in range(1, labels.max() + 1):
        lowest = levels[labels == i].min()
        keys.append((lowest, -np.flatnonzero(labels == i)[-1]))
    assert len(keys) > 5
    assert keys == sorted(keys)


@pytest.mark.parametrize("kind", [np.int16, np.int32])
@pytest.mark.parametrize("reach", [0, 1, 3])
def test_words_sum_to_the_boundary_of_any_region(reach: int, kind: type) -> None:
    levels, dark, doubt, blocked = _case(1)
    dark, doubt = dark.astype(kind), doubt.astype(kind)
    free = np.where(blocked > 0, np.uint8(0), levels)
    words = edge_words(np.pad(free, 1), dark, doubt, blocked, reach)[1:-1, 1:-1]
    for _, mask in _regions(free)[::7]:
        held = words[mask].astype(np.int64)
        sums = ((held & 15) - 8).sum(), ((held >> 4) & 15).sum(), (held >> 8).sum()
        assert sums == tuple(_row(mask, dark, doubt, blocked, reach)[6:])


def test_no_doubt_and_nothing_blocked_are_zeros() -> None:
    levels, dark, _, _ = _case(2)
    rules = ScoreRules.of(NucleiParams(area_min_um2=4.0, edge_min_od=0.001), 0.5)
    zeros = np.zeros(levels.shape, np.int32)
    given = _labels(levels, dark, zeros, zeros.astype(np.uint8), 1, rules)
    assert (_labels(levels, dark, None, None, 1, rules) == given).all()
    assert given.max() > 0
    assert _labels(np.zeros_like(levels), dark, None, None, 1, rules).max() == 0


def test_a_further_pass_numbers_on_and_leaves_what_is_taken() -> None:
    levels, dark, doubt, blocked = _case(4)
    rules = ScoreRules.of(NucleiParams(area_min_um2=4.0, edge_min_od=0.001), 0.5)
    alone = _labels(levels, dark, doubt, blocked, 1, rules)
    labels = np.where(blocked > 0, np.int32(7), np.int32(0))
    assert _label_best(labels, 7, Seen(levels, dark, doubt, blocked, 1), rules) == 7 + alone.max() > 8
    assert (labels == np.where(blocked > 0, 7, np.where(alone > 0, alone + 7, 0))).all()


def test_numbers_that_do_not_reach_are_told_before_anything_is_labelled() -> None:
    levels, dark, doubt, blocked = _case(4)
    rules = ScoreRules.of(NucleiParams(area_min_um2=4.0, edge_min_od=0.001), 0.5)
    seen, count = (
        Seen(levels, dark, doubt, blocked, 1),
        int(_labels(levels, dark, doubt, blocked, 1, rules).max()),
    )
    labels, wide = np.zeros(levels.shape, np.uint8), np.zeros(levels.shape, np.int32)
    with pytest.raises(TooManyError, match="uint8"):
        _label_best(labels, 256 - count, seen, rules)
    assert not labels.any()
    assert _label_best(labels, 255 - count, seen, rules) == _label_best(wide, 255 - count, seen, rules) == 255
    assert (labels == wide).all()
