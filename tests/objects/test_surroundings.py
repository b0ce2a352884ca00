"""Runs, words and links of cells against what brute force says of every pixel."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from histoquant.markers import get_marker
from histoquant.objects import Nuclei, Planes, cell_surroundings
from histoquant.objects.cell_kinds import NUCLEUS, SHELL_BITS
from histoquant.objects.label_runs import LabelRuns
from histoquant.objects.nearest import UNIT
from histoquant.objects.stained import LARGE, LINK_UM, StainedObjects, find_stained

sys.path.insert(0, str(Path(__file__).parent))
from nuclei_fields import nearest_by_force

MPP = 0.5


def _field(shape: tuple[int, int], seed: int) -> tuple[Planes, Nuclei]:
    """Small nuclei and clouds of stain; a corner of the window is no slide."""
    rng = np.random.default_rng(seed)
    labels = np.zeros(shape, np.int32)
    for k in range(40):
        y, x = rng.integers(0, shape[0]), rng.integers(0, shape[1])
        labels[y : y + 4, x : x + 5] = k + 1
    dab = np.repeat(np.repeat(rng.integers(-50, 900, (shape[0] // 10 + 1, shape[1] // 10 + 1)), 10, 0), 10, 1)
    dab = dab[: shape[0], : shape[1]].astype(np.int16)
    valid = np.ones(shape, bool)
    valid[-shape[0] // 5 :, -shape[1] // 5 :] = False
    nuclei = Nuclei(labels.shape, np.zeros((40, 2), np.int32), np.zeros(40), LabelRuns.of_all(labels, 40))
    return Planes(dab, np.where(valid, dab, np.int16(0)), None, valid, MPP), nuclei


@pytest.mark.parametrize(("shape", "seed"), [((90, 140), 1), ((350, 60), 2), ((40, 1100), 3)])
def test_cells_are_what_brute_force_says(shape: tuple[int, int], seed: int) -> None:
    planes, nuclei = _field(shape, seed)
    marker, rows = get_marker("CD68"), np.array([0, 3, 4, 11, 12, 13, 30, 39])
    found = cell_surroundings(planes, nuclei, marker, rows)
    owner, distance = nearest_by_force(nuclei.labels, round(marker.cytoplasm_um / MPP * UNIT))
    owner[~planes.valid] = 0
    numbers = np.zeros(shape, np.int32)
    found.runs.paint(numbers, rows.astype(np.int32) + 1)
    assert (numbers == np.where(np.isin(owner, rows + 1), owner, 0)).all()
    inside = (found.kinds >> SHELL_BITS) == NUCLEUS
    assert (inside == (distance == 0))[numbers > 0].all()
    assert (found.linked == -1).all()


@pytest.mark.parametrize(("shape", "seed"), [((90, 140), 4), ((350, 60), 5), ((40, 1100), 6)])
def test_a_cell_is_linked_to_the_largest_object_near_its_nucleus(shape: tuple[int, int], seed: int) -> None:
    planes, nuclei = _field(shape, seed)
    stained = find_stained(planes, 0.65)
    # of equal size, so that the first must be taken
    stained = stained._replace(pixels=np.where(stained.pixels == LARGE, LARGE, stained.pixels // 100))
    linked = cell_surroundings(planes, nuclei, get_marker("CD68"), stained=stained).linked
    assert (linked == _linked_by_force(nuclei, stained)).all()
    assert len(np.unique(linked)) > 3


def _linked_by_force(nuclei: Nuclei, stained: StainedObjects) -> np.ndarray:
    owner, _ = nearest_by_force(nuclei.labels, round(LINK_UM / MPP * UNIT))
    objects, best = stained.labels(), np.full(len(nuclei.seeds), -1)
    size = np.where(stained.pixels == LARGE, 1 << 40, stained.pixels)
    for k in range(len(best)):
        there = np.unique(objects[owner == k + 1])
        there = there[there > 0] - 1
        if len(there):
            best[k] = there[np.argmax(size[there])]
    return best
