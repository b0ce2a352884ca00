"""The painted picture is the label image it stands for, at every zoom and in every window."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from histoquant.export.object_rings import ObjectRings
from histoquant.objects import outlines
from histoquant.viewer.class_picture import ClassPicture


def field(seed: int, shape: tuple[int, int] = (70, 90)) -> tuple[np.ndarray, ObjectRings]:
    rng = np.random.default_rng(seed)
    labels, count = ndimage.label(ndimage.gaussian_filter(rng.normal(size=shape), 2) > 0.04)
    for number in range(1, count + 1):
        labels[ndimage.binary_fill_holes(labels == number)] = number
    _, labels = np.unique(labels, return_inverse=True)
    labels = labels.reshape(shape).astype(np.int32)
    found = outlines(labels)
    owner = np.arange(1, labels.max() + 1, dtype=np.int32)
    return labels, ObjectRings(found.offsets.astype(np.int64), found.corners.astype(np.int32), owner)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**32 - 1), st.sampled_from([1, 2]), st.data())
def test_a_window_shows_what_the_label_image_shows(seed: int, step: int, data: st.DataObject) -> None:
    labels, rings = field(seed)
    classes = np.random.default_rng(seed).integers(0, 3, labels.max()).astype(np.uint8)
    expected = np.concatenate([[0], classes]).astype(np.uint8)[labels][::step, ::step]
    picture = ClassPicture(rings, classes, (90, 70), step)
    assert picture.shape == expected.shape
    np.testing.assert_array_equal(np.asarray(picture), expected)
    top, left = data.draw(st.integers(0, 30)), data.draw(st.integers(0, 40))
    window = np.s_[top : top + data.draw(st.integers(1, 40)), left : left + data.draw(st.integers(1, 50))]
    np.testing.assert_array_equal(picture[window], expected[window])
    np.testing.assert_array_equal(picture[window[0]], expected[window[0]])
    np.testing.assert_array_equal(picture[5], expected[5])
    np.testing.assert_array_equal(picture[::3, 7], expected[::3, 7])


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**32 - 1), st.sampled_from([1, 2]), st.sampled_from([1, 2]), st.data())
def test_outlines_are_what_erosion_leaves_of_each_object(
    seed: int, step: int, width: int, data: st.DataObject
) -> None:
    labels, rings = field(seed)
    classes = np.random.default_rng(seed).integers(0, 3, labels.max()).astype(np.uint8)
    shown = labels[::step, ::step]
    expected = np.zeros(shown.shape, np.uint8)
    for number, own in enumerate(classes, start=1):
        inner = ndimage.binary_erosion(shown == number, iterations=width)
        expected[(shown == number) & ~inner] = own
    picture = ClassPicture(rings, classes, (90, 70), step, width)
    np.testing.assert_array_equal(np.asarray(picture), expected)
    top, left = data.draw(st.integers(0, 30)), data.draw(st.integers(0, 40))
    # a window's edge is no edge of an object
    window = np.s_[top : top + data.draw(st.integers(1, 40)), left : left + data.draw(st.integers(1, 50))]
    np.testing.assert_array_equal(picture[window], expected[window])


def test_no_cell_is_lost_by_zooming_out_and_positives_lie_on_top() -> None:
    labels, rings = field(3, (400, 500))
    classes = np.ones(labels.max(), np.uint8)
    classes[::9] = 2
    levels = ClassPicture.levels(rings, classes, (500, 400))
    far = ClassPicture(rings, classes, (500, 400), 16)
    assert [level.shape for level in levels] == [(400, 500), (200, 250)]
    middles = [
        ((c[:, ::-1].min(axis=0) + c[:, ::-1].max(axis=0)) // 2 // 16)
        for c in map(rings_of(rings), range(len(classes)))
    ]
    picture = np.asarray(far)
    for (y, x), own in zip(middles, classes, strict=True):
        assert picture[y, x] >= own


def rings_of(rings: ObjectRings):  # type: ignore[no-untyped-def]
    return lambda k: rings.corners[rings.offsets[k] : rings.offsets[k + 1]]


def test_classes_changed_in_place_are_shown() -> None:
    labels, rings = field(1)
    classes = np.ones(labels.max(), np.uint8)
    picture = ClassPicture(rings, classes, (90, 70))
    assert set(np.unique(np.asarray(picture))) == {0, 1}
    classes[:] = 2
    assert set(np.unique(np.asarray(picture))) == {0, 2}


@pytest.mark.parametrize("size", [(10, 10), (3000, 1200)])
def test_levels_halve_until_small(size: tuple[int, int]) -> None:
    none = ObjectRings(np.zeros(1, np.int64), np.zeros((0, 2), np.int32), np.zeros(0, np.int32))
    levels = ClassPicture.levels(none, np.zeros(0, np.uint8), size)
    assert max(levels[-1].shape) <= 512
    assert levels[0].shape == (size[1], size[0])
    assert not np.asarray(levels[-1]).any()
