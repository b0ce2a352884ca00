from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from histoquant.objects.loose_runs import LooseRuns, box_of

sys.path.insert(0, str(Path(__file__).parent))
from nuclei_fields import painted

SHAPES = [(23, 31), (1, 40), (40, 1), (1, 1), (9, 130), (60, 70)]


def _field(seed: int, shape: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    labels = np.where(rng.random(shape) < 0.5, rng.integers(1, 9, shape), 0).astype(np.int32)
    labels[labels == 4] = 0
    return labels, rng.integers(-2, 6, shape).astype(np.int16)


@pytest.mark.parametrize("shape", SHAPES)
def test_objects_are_met_in_raster_order(shape: tuple[int, int]) -> None:
    labels, _ = _field(1, shape)
    runs, names = LooseRuns.met(labels, 8)
    values, places = np.unique(labels, return_index=True)
    wanted = values[np.argsort(places)]
    assert names.tolist() == wanted[wanted > 0].tolist()
    assert (np.append(names, 0)[painted(runs, shape) - 1] == labels).all()


@pytest.mark.parametrize("shape", SHAPES)
def test_stains_boxes_and_bits_by_brute_force(shape: tuple[int, int]) -> None:
    labels, dark = _field(2, shape)
    runs, names = LooseRuns.met(labels, 8)
    stains = runs.stains(dark, -dark)
    for i, name in enumerate(names):
        y, x = np.nonzero(labels == name)
        assert stains[i].tolist() == [np.maximum(dark[y, x], 0).sum(), np.maximum(-dark[y, x], 0).sum()]
        box = box_of(runs.spans[runs.first[i] : runs.last[i]])
        assert box == (y.min(), x.min(), y.max() + 1, x.max() + 1)
    bits = np.unpackbits(runs.bits(shape).view(np.uint8), axis=1, bitorder="little")
    assert (bits[:, : shape[1]] == (labels > 0)).all()
    assert not bits[:, shape[1] :].any()


def test_changed_objects_have_other_runs_and_further_ones_follow() -> None:
    labels = np.zeros((4, 9), np.int32)
    labels[1:3, 1:4], labels[2, 6:8] = 1, 2
    runs, _ = LooseRuns.met(labels, 2)
    more = np.array([[0, 0, 1], [3, 0, 2], [3, 8, 9]], np.int32)
    changed = runs.changed(np.array([0, 2]), more, np.array([2, 1]))
    wanted = np.zeros_like(labels)
    wanted[0, 0] = wanted[3, :2] = 1
    wanted[2, 6:8] = 2
    wanted[3, 8] = 3
    assert (painted(changed, labels.shape) == wanted).all()
    assert (painted(runs, labels.shape) == labels).all()


def test_stains_of_long_runs_and_of_extreme_values() -> None:
    labels = np.ones((3, 80), np.int32)
    labels[1, :50] = 2
    blue = np.random.default_rng(0).choice(np.array([-32768, -1, 0, 32767], np.int16), labels.shape)
    runs, _ = LooseRuns.met(labels, 2)
    found = runs.stains(blue, blue[::-1])
    for i in range(2):
        for k, plane in enumerate((blue, blue[::-1])):
            assert found[i, k] == np.maximum(plane[labels == i + 1].astype(int), 0).sum()


@pytest.mark.parametrize("shape", SHAPES)
def test_objects_that_touch_a_box(shape: tuple[int, int]) -> None:
    labels, _ = _field(3, shape)
    # small ones, one by one
    labels = np.where(labels > 0, np.arange(1, labels.size + 1).reshape(shape) // 5, 0).astype(np.int32)
    runs, names = LooseRuns.met(labels, int(labels.max()))
    for box in ((0, 0, *shape), (5, 3, 9, 20), (-4, -4, 2, 2), (0, 0, 0, 0), (30, 30, 90, 90)):
        rows = runs.touching(box)
        wanted = []
        for i, name in enumerate(names):
            y, x = np.nonzero(labels == name)
            below, right = y.max() >= box[0], x.max() >= box[1]
            if below and right and y.min() < box[2] and x.min() < box[3]:
                wanted.append(i)
        assert rows.tolist() == wanted
        kept = np.isin(labels, names[rows])
        assert ((painted(runs.some(rows), shape) > 0) == kept).all()
