from __future__ import annotations

import numpy as np
import pytest

from histoquant.objects.label_runs import LabelRuns, is_stack
from histoquant.objects.runs import Runs


def _image(seed: int) -> np.ndarray:
    """Labels in several pieces, with holes, up to the edges of the window."""
    rng = np.random.default_rng(seed)
    return np.repeat(rng.integers(0, 5, (14, 9)), 2, axis=1).astype(np.int32)


@pytest.mark.parametrize("seed", range(4))
def test_runs_of_an_object_are_its_pixels_in_raster_order(seed: int) -> None:
    labels = _image(seed)
    # label 3 is left out, 4 comes first
    rows = np.array([-1, 1, 2, -1, 0], np.int32)
    runs = LabelRuns.of(labels, rows)
    for label, i in ((4, 0), (1, 1), (2, 2)):
        spans = runs.spans[runs.start[i] : runs.start[i + 1]]
        pixels = [(y, x) for y, begin, end in spans for x in range(begin, end)]
        assert pixels == [tuple(place) for place in np.argwhere(labels == label)]
        touching = (spans[1:, 0] == spans[:-1, 0]) & (spans[1:, 1] == spans[:-1, 2])
        assert not touching.any()
    assert runs.start[-1] == len(runs.spans)


@pytest.mark.parametrize("seed", range(4))
def test_moments_and_boundary_by_brute_force(seed: int) -> None:
    labels = _image(seed)
    runs = LabelRuns.of(labels, np.arange(-1, 4, dtype=np.int32))
    found = runs.moments()
    for i in range(4):
        mask = labels == i + 1
        y, x = np.nonzero(mask)
        outside = ~np.pad(mask, 1)
        cut = [0, 0]
        for dy in (-1, 0, 1):
            for dx in (-1, 0, 1):
                cut[int(dy != 0 and dx != 0)] += int(outside[y + 1 + dy, x + 1 + dx].sum())
        wanted = [len(x), x.sum(), y.sum(), (x * x).sum(), (y * y).sum(), (x * y).sum(), *cut]
        assert found[i].tolist() == wanted


def test_no_object_has_no_runs() -> None:
    runs = LabelRuns.of(np.zeros((3, 4), np.int32), np.array([-1], np.int32))
    assert runs.start.tolist() == [0]
    assert runs.moments().shape == (0, 8)


@pytest.mark.parametrize("seed", range(4))
def test_runs_of_a_mask_are_sorted_by_their_objects(seed: int) -> None:
    mask = (_image(seed) > 2).astype(np.uint8)
    runs = Runs.of_mask(mask)
    of_run = runs.components(8).of_run
    labels = runs.labels(of_run)
    found = LabelRuns.of_runs(runs, np.where(of_run == 1, -1, of_run).astype(np.int32))
    wanted = LabelRuns.of(np.where(labels == 2, 0, labels), np.arange(-1, labels.max(), dtype=np.int32))
    assert np.array_equal(found.start, wanted.start)
    assert np.array_equal(found.spans, wanted.spans)


def test_moments_of_objects_of_one_run_a_row() -> None:
    rng = np.random.default_rng(0)
    for _ in range(20):
        labels = np.zeros((9, 24), np.int32)
        for y in range(1, 8):
            # every row holds column 11
            labels[y, rng.integers(2, 12) : rng.integers(12, 22)] = 1
        runs = LabelRuns.of_all(labels)
        assert is_stack(runs.spans)
        outside = ~np.pad(labels == 1, 1)
        y, x = np.nonzero(labels)
        cut = [0, 0]
        for dy in (-1, 0, 1):
            for dx in (-1, 0, 1):
                cut[int(dy != 0 and dx != 0)] += int(outside[y + 1 + dy, x + 1 + dx].sum())
        wanted = [len(x), x.sum(), y.sum(), (x * x).sum(), (y * y).sum(), (x * y).sum(), *cut]
        assert runs.moments()[0].tolist() == wanted
