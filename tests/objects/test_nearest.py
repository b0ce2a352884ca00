from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
from scipy import ndimage

from histoquant.objects.label_runs import LabelRuns
from histoquant.objects.nearest import UNIT, blocks_of, share_block

sys.path.insert(0, str(Path(__file__).parent))
from nuclei_fields import nearest_by_force


def _shared(labels: np.ndarray, reach: int, chosen: np.ndarray | None = None, margin: int = 0):
    """Owner, counted from 1, and distance of every pixel; 0 beyond reach. And the type of the keys."""
    runs = LabelRuns.of_all(labels)
    count = len(runs.start) - 1
    chosen = np.arange(count) if chosen is None else chosen
    blocks, keys, room = blocks_of(runs, chosen, labels.shape, reach, margin)
    owner, distance = np.zeros(labels.shape, np.int32), np.zeros(labels.shape, np.int64)
    top, left, _, right = blocks.area
    y = top
    for row in range(len(blocks.first) - 1):
        for x in range(left, right, blocks.columns):
            height, width = share_block(blocks, keys, room, row, x), min(blocks.columns, right - x)
            found = room.keys[keys.row : keys.row + height, keys.column : keys.column + width].astype(
                np.int64
            )
            near = (found >> keys.bits) <= reach
            number = found & ((1 << keys.bits) - 1)
            owner[y : y + height, x : x + width] = np.where(
                near, room.objects[np.where(near, number, 1)] + 1, 0
            )
            distance[y : y + height, x : x + width] = np.where(near, found >> keys.bits, 0)
        y += height
    return owner, distance, room.keys.dtype


# blocks meet within the long ones; the reach of a row is taken in one, two and three strides
@pytest.mark.parametrize("shape", [(400, 21), (5, 2000), (1, 30), (30, 1), (1, 1)])
@pytest.mark.parametrize("reach_px", [0.0, 1.0, 2.5, 6.0, 12.0, 40.0])
def test_every_pixel_goes_to_the_nearest_then_the_first(shape: tuple[int, int], reach_px: float) -> None:
    rng = np.random.default_rng(round(reach_px * 10) + shape[0])
    labels, reach = np.zeros(shape, np.int32), round(reach_px * UNIT)
    labels[rng.integers(0, shape[0], 25), rng.integers(0, shape[1], 25)] = rng.integers(1, 10, 25)
    owner, distance, kind = _shared(labels, reach)
    assert kind == np.uint16
    assert (owner == nearest_by_force(labels, reach)[0]).all()
    assert (distance == nearest_by_force(labels, reach)[1]).all()


def test_where_16_bits_do_not_tell_so_many_wider_ones_do() -> None:
    labels = np.zeros((70, 90), np.int32)
    labels[::3, ::3] = np.random.default_rng(2).permutation(labels[::3, ::3].size).reshape(24, 30) + 1
    owner, distance, kind = _shared(labels, 60)
    assert kind == np.int64
    assert (owner == nearest_by_force(labels, 60)[0]).all()
    assert (distance == nearest_by_force(labels, 60)[1]).all()


def test_crowded_objects_are_told_in_narrow_blocks() -> None:
    labels = np.zeros((165, 1000), np.int32)
    labels[::10, ::12] = np.arange(17 * 84).reshape(17, 84) + 1
    runs = LabelRuns.of_all(labels)
    blocks, _, room = blocks_of(runs, np.arange(17 * 84), labels.shape, 60, 0)
    assert blocks.columns <= 240
    assert room.keys.dtype == np.uint16
    owner, distance, _ = _shared(labels, 60)
    assert (owner == nearest_by_force(labels, 60)[0]).all()
    assert (distance == nearest_by_force(labels, 60)[1]).all()


@pytest.mark.parametrize("margin", [0, 3])
def test_only_what_is_near_the_chosen_is_shared_out_and_there_as_anywhere(margin: int) -> None:
    rng = np.random.default_rng(5)
    labels, chosen = np.zeros((300, 1200), np.int32), np.array([2, 7, 11])
    labels[rng.integers(0, 300, 400), rng.integers(0, 1200, 400)] = rng.integers(1, 20, 400)
    labels[np.isin(labels, chosen + 1)] = 0
    labels[rng.integers(100, 200, 30), rng.integers(300, 700, 30)] = rng.choice(chosen, 30) + 1
    owner, distance, _ = _shared(labels, 45, chosen, margin)
    expected, far = nearest_by_force(labels, 45)
    theirs = np.isin(expected, chosen + 1)
    assert theirs.sum() > 1000
    assert (np.where(np.isin(owner, chosen + 1), owner, 0) == np.where(theirs, expected, 0)).all()
    assert (distance[theirs] == far[theirs]).all()
    assert not owner[:, :250].any()


def test_without_objects_there_is_nothing_to_share() -> None:
    owner, _, _ = _shared(np.zeros((20, 30), np.int32), 60)
    assert not owner.any()


def test_distances_are_nearly_euclidean() -> None:
    rng = np.random.default_rng(0)
    labels = np.zeros((70, 90), np.int32)
    labels[rng.integers(5, 65, 12), rng.integers(5, 85, 12)] = np.arange(12) + 1
    owner, distance, _ = _shared(labels, 8 * UNIT)
    exact, reached = ndimage.distance_transform_edt(labels == 0), owner > 0
    assert reached[exact < 7.7].all()
    assert not reached[exact > 8.3].any()
    assert np.abs(distance[reached] / UNIT - exact[reached]).max() < 0.35
