from __future__ import annotations

import numpy as np

from histoquant.stains.sampled_plane import SampledPlane
from histoquant.stains.strength import halo_px


def test_every_block_is_read_once_and_as_the_plane_gives_it(sections) -> None:  # type: ignore[no-untyped-def]
    pixels = np.random.default_rng(5).integers(0, 256, (600, 530, 3), np.uint8)
    plane, reads = sections.ArrayPlane(pixels), []

    class Counted:
        size_px, mpp_xy = plane.size_px, plane.mpp_xy

        def read(self, *window: int):  # type: ignore[no-untyped-def]
            reads.append(window)
            return plane.read(*window)

    halo = halo_px(plane)
    sampled = SampledPlane(Counted(), 256, halo)
    assert (sampled.size_px, sampled.mpp_xy) == (plane.size_px, plane.mpp_xy)
    blocks = [(0, 0), (256, 0), (512, 512)]
    for x, y in blocks * 2:
        around = x - halo, y - halo, 256 + 2 * halo, 256 + 2 * halo
        for window in ((x, y, 256, 256), around):
            for mine, given in zip(sampled.read(*window), plane.read(*window), strict=True):
                np.testing.assert_array_equal(mine, given)
    assert len(reads) == len(blocks)
    np.testing.assert_array_equal(sampled.read(3, 4, 50, 60)[0], pixels[4:64, 3:53])
