from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from histoquant.objects.boundary import darkest_and_steps
from histoquant.objects.loose_runs import LooseRuns


def _plainly(labels: np.ndarray, dark: np.ndarray, reach: int) -> tuple[np.ndarray, np.ndarray]:
    """Mean step and edges of each label; what lies beyond the window is as its nearest pixel."""
    wide, deep = (np.pad(plane.astype(np.int64), reach + 1, mode="edge") for plane in (labels, dark))
    height, width = labels.shape

    def moved(plane: np.ndarray, dy: int, dx: int) -> np.ndarray:
        return plane[reach + 1 + dy :, reach + 1 + dx :][:height, :width]

    count = int(labels.max(initial=0))
    edges, total = np.zeros((2, count + 1))
    for dy, dx in ((-1, 0), (1, 0), (0, -1), (0, 1)):
        beyond = moved(wide, dy * (reach + 1), dx * (reach + 1))
        free = (labels > 0) & (moved(wide, dy, dx) == 0) & ((beyond == 0) | (beyond == labels))
        drop = moved(deep, -dy * reach, -dx * reach) - moved(deep, dy * (reach + 1), dx * (reach + 1))
        edges += np.bincount(labels[free], minlength=count + 1)
        total += np.bincount(labels[free], drop[free], minlength=count + 1)
    with np.errstate(invalid="ignore"):
        return (total / edges)[1:], edges[1:]


@pytest.mark.parametrize("shape", [(1, 1), (1, 40), (40, 1), (30, 37), (150, 140), (200, 60), (60, 200)])
@pytest.mark.parametrize("detail", [0.0, 0.8, 3.0])
@pytest.mark.parametrize("reach", [0, 1, 3])
@pytest.mark.parametrize("kind", [np.int16, np.int32])
def test_darkest_pixels_and_edges_by_brute_force(
    shape: tuple[int, int], detail: float, reach: int, kind: type
) -> None:
    rng = np.random.default_rng(reach)
    labels, count = ndimage.label(ndimage.gaussian_filter(rng.normal(size=shape), detail) > 0.0)
    labels = labels.astype(np.int32)
    # few values: many pixels are as dark as the darkest
    dark = rng.integers(-3, 9, shape).astype(kind)
    runs, names = LooseRuns.met(labels, count)
    darkest, steps = darkest_and_steps(runs, runs.bits(labels.shape), dark, reach)
    wanted, _ = _plainly(labels, dark, reach)
    assert np.array_equal(steps, wanted[names - 1], equal_nan=True)
    for i, name in enumerate(names):
        y, x = np.nonzero(labels == name)
        assert darkest[i].tolist() == [y[dark[y, x].argmax()], x[dark[y, x].argmax()]]


@pytest.mark.parametrize("side", [10, 50, 80, 120])
def test_objects_of_any_size_in_the_middle_of_a_window(side: int) -> None:
    rng = np.random.default_rng(side)
    labels = np.zeros((140, 150), np.int32)
    labels[8 : 8 + side, 9 : 9 + side] = rng.random((side, side)) < 0.9
    labels[20, 15] = labels[9, 15] = 2
    dark = rng.integers(0, 1300, labels.shape).astype(np.int16)
    runs, names = LooseRuns.met(labels, 2)
    darkest, steps = darkest_and_steps(runs, runs.bits(labels.shape), dark, 1)
    wanted, edges = _plainly(labels, dark, 1)
    assert edges[0] > side
    assert np.array_equal(steps, wanted[names - 1], equal_nan=True)
    assert darkest[0].tolist() == list(
        np.unravel_index(np.where(labels == names[0], dark, -1).argmax(), labels.shape)
    )


def test_the_step_across_an_edge_is_read_where_nothing_else_lies() -> None:
    labels = np.zeros((24, 40), np.int32)
    labels[8:16, 4:12], labels[8:16, 12:20], labels[8:16, 28:36] = 1, 2, 3
    dark = np.choose(labels, [10, 110, 210, 60]).astype(np.int32)
    runs, _ = LooseRuns.met(labels, 3)
    assert darkest_and_steps(runs, runs.bits(labels.shape), dark, 1)[1].tolist() == [100.0, 200.0, 50.0]
    full = np.ones((9, 9), np.int32)
    runs, _ = LooseRuns.met(full, 1)
    assert np.isnan(darkest_and_steps(runs, runs.bits(full.shape), full, 1)[1]).all()
