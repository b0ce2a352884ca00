from __future__ import annotations

import numpy as np
import pytest

from histoquant.objects.label_runs import LabelRuns, is_stack
from histoquant.objects.tracing import _down_and_up, _frame, _paint, _walk


def _spans(mask: np.ndarray) -> np.ndarray:
    return LabelRuns.of_all(mask.astype(np.int32)).spans


@pytest.mark.parametrize("rows", [1, 2, 7, 20])
def test_the_two_sides_of_an_object_are_the_walk_around_it(rows: int) -> None:
    rng = np.random.default_rng(rows)
    for _ in range(40):
        spans = np.empty((rows, 3), np.int32)
        spans[:, 0] = 3 + np.arange(rows)
        # every run holds column 10, so that each lies beside the one above
        spans[:, 1] = rng.integers(5, 11, rows)
        spans[:, 2] = rng.integers(11, 16, rows)
        top, left, stride, room = _frame(spans)
        mask, walked = np.zeros(room, np.uint8), np.empty((4 * room, 2), np.int16)
        _paint(spans, (top, left), stride, 1, mask)
        count = _walk(mask, stride, (spans[0, 0] - top, spans[0, 1] - left), walked)
        sides = np.empty((4 * rows, 2), np.int16)
        assert is_stack(spans)
        assert _down_and_up(spans, sides) == count
        assert (sides[:count] - walked[:count] == np.array([left, top])).all()


@pytest.mark.parametrize(
    "mask",
    [
        [[1, 0, 1], [1, 1, 1]],
        [[1, 1, 0], [0, 0, 1]],
        [[1, 0], [0, 0], [1, 0]],
        [[0, 0, 1], [1, 1, 0]],
    ],
    ids=["two in a row", "corners", "a row without", "corners the other way"],
)
def test_other_objects_are_walked(mask: list[list[int]]) -> None:
    assert not is_stack(_spans(np.array(mask)))
