"""A window without a missing pixel keeps no plane that says so, and is seen as one that does."""

from __future__ import annotations

import numpy as np
from skimage.data import immunohistochemistry

from histoquant.markers import get_marker
from histoquant.objects import NucleiParams, Planes, cell_surroundings, segment_nuclei
from histoquant.objects.views import view
from histoquant.stains.vectors import H_DAB

_MARKER = get_marker("CD68")


def _planes(valid: np.ndarray | None, total: bool) -> Planes:
    rgb = np.ascontiguousarray(immunohistochemistry()[:150, :240])
    return Planes.from_rgb(rgb, valid, H_DAB, 240.0, 0.5, total=total)


def test_a_whole_window_is_seen_as_with_a_plane_of_valid_pixels() -> None:
    whole, told = _planes(None, total=False), _planes(None, total=True)
    assert whole.whole
    assert told.whole
    assert whole.valid.nbytes == told.valid.nbytes
    assert whole.valid.base is not None
    assert (whole.valid == told.valid).all()
    assert whole.known.shape == (1, 240)
    full = Planes(told.hematoxylin, told.dab, None, told.valid, 0.5)
    object.__setattr__(full, "whole", False)
    assert full.known is full.valid
    for one, other in zip(
        view(whole, NucleiParams.of_marker(_MARKER)), view(full, NucleiParams.of_marker(_MARKER)), strict=True
    ):
        assert (one == other).all()
    nuclei = segment_nuclei(whole, _MARKER)
    assert len(nuclei.seeds) > 20
    one, other = (cell_surroundings(planes, nuclei, _MARKER) for planes in (whole, full))
    assert (one.runs.spans == other.runs.spans).all()
    assert (one.runs.start == other.runs.start).all()


def test_missing_pixels_are_missing_whether_vessels_are_sought_or_not() -> None:
    valid = np.random.default_rng(1).random((150, 240)) < 0.9
    planes, with_total = _planes(valid, total=False), _planes(valid, total=True)
    assert not planes.whole
    assert planes.known is planes.valid
    assert (planes.hematoxylin == with_total.hematoxylin).all()
    assert not planes.dab[~valid].any()
    assert with_total.total is not None
    assert not with_total.total[~valid].any()


def test_haze_is_taken_off_in_place() -> None:
    planes = _planes(None, total=False)
    before, haze = planes.dab.copy(), np.full(planes.shape, 30, np.int16)
    planes.clear_haze(haze)
    assert (planes.dab == np.maximum(before - haze, np.minimum(before, 0))).all()
