from __future__ import annotations

import numpy as np
import pytest

from histoquant.objects.cell_kinds import (
    BIN_MOD,
    BINS,
    CYTOPLASM,
    FIRST_MOD,
    KIND_BITS,
    NOWHERE,
    NUCLEUS,
    PLACE_BITS,
    RING,
    SHELLS,
    STAINED_BITS,
    Kinds,
    Reaches,
    tell_row,
)
from histoquant.objects.nearest import Keys

KEYS = Keys(reach=100, bits=4, far=1 << 15, stride=1, halo=0, row=0, column=0)


def _words(
    kinds: Kinds, labels: np.ndarray, distance: np.ndarray, rim_px: int, dab: np.ndarray
) -> np.ndarray:
    """Words of a window whose pixels are so far from nucleus 1, or in a nucleus."""
    near = np.where(distance > 0, (distance.astype(np.int64) << KEYS.bits) + 1, labels).astype(np.uint16)
    rows, words = np.pad(near, rim_px, constant_values=KEYS.far), np.empty(near.shape, np.uint16)
    limits, other = kinds.limits(KEYS, np.uint16), np.empty(near.shape[1], np.uint16)
    for y in range(len(near)):
        tell_row((rows[y], rows[y + rim_px], rows[y + 2 * rim_px]), limits, other, dab[y], 100, words[y])
    return words


def _told(kinds: Kinds, labels: np.ndarray, distance: np.ndarray, rim_px: int) -> np.ndarray:
    """Kind of every pixel; its place in the word is the kind's."""
    words = _words(kinds, labels, distance, rim_px, np.zeros(labels.shape, np.int16))
    kind = words >> KIND_BITS
    assert (kinds.place[kind] == (words >> PLACE_BITS) & 3).all()
    return kind


@pytest.mark.parametrize("rim_px", [1, 2, 4])
@pytest.mark.parametrize("shape", [(17, 23), (30, 6), (3, 40)])
def test_the_rim_is_told_by_brute_force(rim_px: int, shape: tuple[int, int]) -> None:
    labels = np.repeat(np.random.default_rng(3).integers(1, 3, (shape[0], shape[1] // 5 + 1)), 5, axis=1)
    labels = np.ascontiguousarray(labels[:, : shape[1]]).astype(np.int32)
    kinds = Kinds.of(Reaches(15, 10, 25, 60, rim_px))
    found = kinds.shell[_told(kinds, labels, np.zeros(shape, np.uint16), rim_px)]
    padded = np.pad(labels, rim_px)
    rim = np.zeros(shape, bool)
    for dy in (0, rim_px, 2 * rim_px):
        for dx in (0, rim_px, 2 * rim_px):
            rim |= padded[dy : dy + shape[0], dx : dx + shape[1]] != labels
    assert (found == np.where(rim, 0, SHELLS)).all()


@pytest.mark.parametrize(
    "reaches", [Reaches(15, 10, 25, 60, 2), Reaches(0, 10, 25, 0, 1), Reaches(25, 25, 25, 25, 1)]
)
def test_compartments_and_shells_end_at_their_reaches(reaches: Reaches) -> None:
    far = np.arange(1, 80, dtype=np.uint16)[None]
    kinds = Kinds.of(reaches)
    kind = _told(kinds, np.zeros(far.shape, np.int32), far, reaches.rim)
    place = np.where(far <= reaches.ring, RING, CYTOPLASM)
    assert (kinds.place[kind] == np.where(far <= reaches.cytoplasm, place, NOWHERE)).all()
    shell = np.where(far <= reaches.close, 1, np.where(far <= reaches.around, 2, SHELLS))
    assert (kinds.shell[kind] == shell).all()


def test_words_hold_the_bin_of_dab_and_whether_nucleus_or_cytoplasm_is_stained() -> None:
    dab = np.array([[-32768, -251, -250, -241, -240, 99, 100, 2739, 2740, 32767]] * 3, np.int16)
    # a nucleus, its cytoplasm, what lies beyond
    distance = np.repeat(np.array([[0], [60], [61]], np.uint16), dab.shape[1], axis=1)
    kinds = Kinds.of(Reaches(15, 10, 25, 60, 2))
    words = _words(kinds, np.ones(dab.shape, np.int32), distance, 2, dab)
    assert (
        (words & ((1 << PLACE_BITS) - 1)) == np.clip((dab - np.int32(FIRST_MOD)) // BIN_MOD, 0, BINS - 1)
    ).all()
    place = (words >> PLACE_BITS) & 3
    assert (place == [[NUCLEUS], [CYTOPLASM], [NOWHERE]]).all()
    assert ((words >> STAINED_BITS == 1) == ((dab >= 100) & (place != NOWHERE))).all()
