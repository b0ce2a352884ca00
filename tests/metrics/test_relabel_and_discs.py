"""Deals are NumPy's permutations; what lies in a disc is what its formula says."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from histoquant.metrics import pcg_lanes
from histoquant.metrics.discs import pixels_inside, points_inside
from histoquant.metrics.relabel import labels_in_fields


def by_permutation(
    inside: NDArray[np.bool_], number: int, generator: np.random.Generator, times: int
) -> NDArray[np.int64]:
    found = np.zeros((times, len(inside)), np.int64)
    for deal in range(times):
        labelled = np.zeros(inside.shape[1], bool)
        labelled[generator.permutation(inside.shape[1])[:number]] = True
        found[deal] = np.count_nonzero(inside & labelled, axis=1)
    return found


@settings(deadline=None, max_examples=60)
@given(
    seed=st.integers(0, 2**32),
    objects=st.integers(1, 300),
    fields=st.integers(1, 70),
    share=st.floats(0, 1),
    drawn_before=st.integers(0, 9),
    data=st.data(),
)
def test_deals_are_those_of_numpy(
    seed: int, objects: int, fields: int, share: float, drawn_before: int, data: st.DataObject
) -> None:
    number = data.draw(st.integers(0, objects))
    inside = np.random.default_rng(seed).random((fields, objects)) < share
    own, plain = (np.random.Generator(np.random.PCG64(seed)) for _ in range(2))
    for generator in (own, plain):
        generator.permutation(drawn_before)  # may leave half a random word
    found = labels_in_fields(inside, number, own, 5)
    assert np.array_equal(found, by_permutation(inside, number, plain, 5))


def test_random_numbers_that_end_within_a_deal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pcg_lanes, "_WORDS", 64)
    inside = np.random.default_rng(1).random((4, 100)) < 0.3
    own, plain = (np.random.Generator(np.random.PCG64(7)) for _ in range(2))
    assert np.array_equal(labels_in_fields(inside, 31, own, 9), by_permutation(inside, 31, plain, 9))


def test_points_on_the_rim_are_inside() -> None:
    x, y = np.array([3.0, 3.0, 0.0, 5.0]), np.array([4.0, 4.001, 0.0, 0.0])
    centres = np.array([[0.0, 0.0], [10.0, 0.0]])
    assert points_inside(x, y, centres, 5.0).tolist() == [
        [True, False, True, True],
        [False, False, False, True],
    ]


@settings(deadline=None, max_examples=60)
@given(
    seed=st.integers(0, 2**32),
    shape=st.tuples(st.integers(1, 60), st.integers(1, 60)),
    pixel=st.tuples(st.sampled_from([1.0, 0.7, 3.1]), st.sampled_from([1.0, 0.9])),
    radius=st.sampled_from([0.3, 1.0, 5.0, 12.5, 200.0]),
)
def test_pixels_in_discs_are_counted_one_by_one(
    seed: int, shape: tuple[int, int], pixel: tuple[float, float], radius: float
) -> None:
    generator = np.random.default_rng(seed)
    mask = generator.random(shape) < generator.random()
    across, down = generator.uniform(-5, 65, 4), np.append(generator.uniform(-5, 65, 3), 0.5)
    row, column = np.nonzero(mask)
    x, y = (column + 0.5) * pixel[0], (row + 0.5) * pixel[1]
    expected = [[np.count_nonzero((x - a) ** 2 + (y - b) ** 2 <= radius**2) for a in across] for b in down]
    assert pixels_inside(mask, pixel, across, down, radius).tolist() == expected


@given(seed=st.integers(0, 2**64 - 1), before=st.integers(0, 5))
@settings(deadline=None, max_examples=20)
def test_lanes_draw_what_numpy_draws(seed: int, before: int) -> None:
    source, lanes = np.random.PCG64(seed), np.random.PCG64(seed)
    for generator in (source, lanes):
        generator.random_raw(before)
    own = pcg_lanes.PcgLanes(lanes)
    drawn = np.concatenate([own.words() for _ in range(3)])
    assert np.array_equal(drawn, source.random_raw(drawn.size))


def test_lanes_of_another_generator_are_refused() -> None:
    with pytest.raises(ValueError, match="PCG64DXSM"):
        pcg_lanes.PcgLanes(np.random.PCG64DXSM(1))  # type: ignore[arg-type]
