from __future__ import annotations

import numpy as np
import pytest

from histoquant.objects.cell_kinds import CYTOPLASM, NUCLEUS, RING, SHELLS, Kinds, Reaches


@pytest.mark.parametrize("rim_px", [1, 2, 4])
@pytest.mark.parametrize("shape", [(17, 23), (30, 6), (3, 40)])
def test_the_rim_is_told_by_brute_force(rim_px: int, shape: tuple[int, int]) -> None:
    labels = np.repeat(np.random.default_rng(3).integers(1, 3, (shape[0], shape[1] // 5 + 1)), 5, axis=1)
    labels = np.ascontiguousarray(labels[:, : shape[1]]).astype(np.int32)
    kinds = Kinds.of(Reaches(15, 10, 25, 60, rim_px))
    found = kinds.shell[kinds.image(labels, np.zeros(shape, np.uint16), rim_px)]
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
    kind = kinds.image(np.zeros(far.shape, np.int32), far, reaches.rim)
    assert not kinds.in_part[kind, NUCLEUS].any()
    assert (kinds.in_part[kind, CYTOPLASM] == (far <= reaches.cytoplasm)).all()
    assert (kinds.in_part[kind, RING] == (far <= reaches.ring)).all()
    shell = np.where(far <= reaches.close, 1, np.where(far <= reaches.around, 2, SHELLS))
    assert (kinds.shell[kind] == shell).all()
