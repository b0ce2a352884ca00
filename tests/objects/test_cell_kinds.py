from __future__ import annotations

import numpy as np
import pytest

from histoquant.objects.cell_kinds import (
    CYTOPLASM,
    NOWHERE,
    NUCLEUS,
    RING,
    SHELL_BITS,
    SHELLS,
    Reaches,
    limits_of,
    tell_row,
)
from histoquant.objects.nearest import Keys

KEYS = Keys(reach=100, bits=4, far=1 << 15, stride=1, halo=0, row=0, column=0)


def _told(reaches: Reaches, labels: np.ndarray, distance: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Place and shell of each pixel of a window, that lies so far from nucleus 1, or in a nucleus."""
    near = np.where(distance > 0, (distance.astype(np.int64) << KEYS.bits) + 1, labels).astype(np.uint16)
    rim = reaches.rim
    rows, kinds = np.pad(near, rim, constant_values=KEYS.far), np.empty(near.shape, np.uint8)
    limits, other = limits_of(reaches, KEYS, np.uint16), np.empty(near.shape[1], np.uint16)
    for y in range(len(near)):
        tell_row((rows[y], rows[y + rim], rows[y + 2 * rim]), limits, other, kinds[y])
    return kinds >> SHELL_BITS, kinds & ((1 << SHELL_BITS) - 1)


@pytest.mark.parametrize("rim_px", [1, 2, 4])
@pytest.mark.parametrize("shape", [(17, 23), (30, 6), (3, 40)])
def test_the_rim_is_told_by_brute_force(rim_px: int, shape: tuple[int, int]) -> None:
    labels = np.repeat(np.random.default_rng(3).integers(1, 3, (shape[0], shape[1] // 5 + 1)), 5, axis=1)
    labels = np.ascontiguousarray(labels[:, : shape[1]]).astype(np.int32)
    place, found = _told(Reaches(15, 10, 25, 60, rim_px), labels, np.zeros(shape, np.uint16))
    padded = np.pad(labels, rim_px)
    rim = np.zeros(shape, bool)
    for dy in (0, rim_px, 2 * rim_px):
        for dx in (0, rim_px, 2 * rim_px):
            rim |= padded[dy : dy + shape[0], dx : dx + shape[1]] != labels
    assert (found == np.where(rim, 0, SHELLS)).all()
    assert (place == NUCLEUS).all()


@pytest.mark.parametrize(
    "reaches", [Reaches(15, 10, 25, 60, 2), Reaches(0, 10, 25, 0, 1), Reaches(25, 25, 25, 25, 1)]
)
def test_compartments_and_shells_end_at_their_reaches(reaches: Reaches) -> None:
    far = np.arange(1, 80, dtype=np.uint16)[None]
    place, shell = _told(reaches, np.zeros(far.shape, np.int32), far)
    ring = np.where(far <= reaches.ring, RING, CYTOPLASM)
    assert (place == np.where(far <= reaches.cytoplasm, ring, NOWHERE)).all()
    outside = np.where(far <= reaches.close, 1, np.where(far <= reaches.around, 2, SHELLS))
    assert (shell == outside).all()
