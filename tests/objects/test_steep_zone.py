from __future__ import annotations

import numpy as np
import pytest

from histoquant.objects.edge_words import edge_words
from histoquant.objects.ground import framed
from histoquant.objects.steep_zone import BLOCK, give_up_far, steep_columns, steepest_room


@pytest.mark.parametrize("shape", [(1, 1), (1, 60), (60, 1), (9, 7), (40, 83)])
@pytest.mark.parametrize("length_px", [1, 8, 9, 24])
def test_no_pixel_within_the_length_of_a_steep_edge_is_given_up(
    shape: tuple[int, int], length_px: int
) -> None:
    rng = np.random.default_rng(length_px + sum(shape))
    levels = framed(rng.integers(0, 4, shape).astype(np.uint8), None)
    # darkness is flat but for a few pixels
    dark = np.where(rng.random(shape) < 3 / levels.size, 300, 100).astype(np.int16)
    steepest, marked = steepest_room(levels.shape, np.int16), levels.copy()
    edge_words(levels, dark, None, None, 0, steepest)
    columns = steep_columns(steepest, 50.0)
    give_up_far(marked, columns, length_px)
    height, width = shape
    inside = levels[1 : height + 1, 1 : width + 1]
    ends = [
        [(y, x), (y + dy, x + dx)]
        for y, x in np.ndindex(shape)
        for dy, dx in ((0, 1), (1, 0))
        if y + dy < height and x + dx < width
    ]
    # from the darker pixel of the edge to the lighter one
    ordered = [sorted(pair, key=lambda place: -int(inside[place])) for pair in ends]
    steep = [a for a, b in ordered if inside[a] > inside[b] and int(dark[a]) - int(dark[b]) > 50]
    given_up = marked == 255
    assert (marked[~given_up] == levels[~given_up]).all()
    ys, xs = np.nonzero(given_up)
    for y, x in steep:
        assert columns[(y + 1) // BLOCK, x + 1] == 255
        assert (np.maximum(abs(ys - y - 1), abs(xs - x - 1)) >= length_px).all()
    if not steep:
        assert given_up.all()
    # and little more is spared than blocks make necessary
    spared = np.zeros_like(given_up)
    far = length_px + 3 * BLOCK
    for y, x in steep:
        spared[max(y + 1 - far, 0) : y + 2 + far, max(x + 1 - far, 0) : x + 2 + far] = True
    assert given_up[~spared].all()


def test_every_step_is_more_than_a_least_below_all() -> None:
    levels = framed(np.zeros((20, 30), np.uint8), None)
    steepest, marked = steepest_room(levels.shape, np.int16), levels.copy()
    columns = steep_columns(steepest, -0.5)
    give_up_far(marked, columns, 8)
    assert (marked == levels).all()
    assert (columns == 255).all()
