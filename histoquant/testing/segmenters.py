"""Checks of a segmenter plug-in: labels of the window's shape, the same in every window if it says so."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from histoquant.errors import UsageError
from histoquant.objects.segmenter import Segmenter

UInt8Array = npt.NDArray[np.uint8]

_MPP = 0.5
_SIDE_PX = 480
_STEP_PX = 24
_GLASS = (243, 242, 241)
_NUCLEUS = (96, 92, 156)
_CROPS = ((0, 0), (37, 0), (61, 83))


def nuclei_picture(seed: int = 0, side_px: int = _SIDE_PX) -> UInt8Array:
    """Blue nuclei on pale ground at 0.5 um/px, drawn at random.

    Parameters
    ----------
    seed : int
    side_px : int

    Returns
    -------
    ndarray of uint8, shape (side_px, side_px, 3)
        Blurred ellipses of 5 to 9 um, apart from each other, with noise; no likeness of any tissue.
    """
    rng = np.random.default_rng(seed)
    cover = np.zeros((side_px, side_px), np.float32)
    for y in range(_STEP_PX, side_px - _STEP_PX // 2, _STEP_PX):
        for x in range(_STEP_PX, side_px - _STEP_PX // 2, _STEP_PX):
            centre = (int(x + rng.integers(-2, 3)), int(y + rng.integers(-2, 3)))
            axes = tuple(int(v) for v in rng.integers(5, 10, 2))
            cv2.ellipse(cover, centre, axes, float(rng.uniform(0, 180)), 0, 360, 1.0, cv2.FILLED)
    cover = cv2.GaussianBlur(cover, (0, 0), 1.2)[..., None]
    picture = np.asarray(_GLASS) * (1 - 0.85 * cover) + np.asarray(_NUCLEUS) * 0.85 * cover
    return np.asarray(np.clip(picture + rng.normal(0, 2.0, picture.shape), 0, 255), np.uint8)


def check_segmenter(segmenter: Segmenter, seed: int = 0) -> None:
    """Raise unless a segmenter may find nuclei in a run.

    Parameters
    ----------
    segmenter : Segmenter
        As the factory of its entry point returns it.
    seed : int
        Another picture.

    Raises
    ------
    UsageError
        Naming the promise that is broken: whole numbers from 0 of the window's shape; the window is left
        as it was; the same answer twice; nothing on blank glass; most of 361 plain nuclei found; and, where
        ``exact`` is said, the same objects in every window that shows them with ``halo_um`` around.
    """
    picture = nuclei_picture(seed)
    kept = picture.copy()
    whole = _asked(segmenter, picture)
    _require(np.array_equal(picture, kept), "changes the window it is given; work on a copy")
    _require(np.array_equal(whole, _asked(segmenter, picture)), "gives two answers for the same window")
    blank = np.full((200, 300, 3), _GLASS, np.uint8)
    _require(not _asked(segmenter, blank).any(), "finds nuclei on blank glass")
    centres = range(_STEP_PX, _SIDE_PX - _STEP_PX // 2, _STEP_PX)
    found = np.mean([bool(whole[y, x]) for y in centres for x in centres])
    _require(bool(found > 0.5), f"finds {100 * found:.0f} % of plain nuclei")
    _require(bool(segmenter.halo_um >= 0), f"says halo_um = {segmenter.halo_um}; 0 or more is needed")
    if segmenter.exact:
        for y, x in _CROPS:
            part = _asked(segmenter, picture[y : y + 300, x : x + 300])
            _require(
                _inner(part, segmenter.halo_um) == _inner(whole[y : y + 300, x : x + 300], segmenter.halo_um),
                f"says it is exact, but objects {segmenter.halo_um:g} um inside a window differ with it",
            )


def _inner(labels: npt.NDArray[np.integer], halo_um: float) -> set[bytes]:
    """The pixels of every object that keeps ``halo_um`` from the edges, whatever its number."""
    halo = max(1, int(np.ceil(halo_um / _MPP)))
    edge = np.ones(labels.shape, bool)
    edge[halo:-halo, halo:-halo] = False
    cut = np.unique(labels[edge])
    whole = np.where(np.isin(labels, cut), 0, labels)
    return {np.flatnonzero(whole == one).tobytes() for one in np.unique(whole[whole > 0])}


def _asked(segmenter: Segmenter, rgb: UInt8Array) -> npt.NDArray[np.integer]:
    labels = np.asarray(segmenter.labels(np.ascontiguousarray(rgb), np.ones(rgb.shape[:2], bool), _MPP))
    _require(
        np.issubdtype(labels.dtype, np.integer) and labels.shape == rgb.shape[:2] and labels.min() >= 0,
        f"returns {labels.dtype} of shape {labels.shape} for a window of {rgb.shape[:2]}; "
        "expected whole numbers from 0 of its shape",
    )
    return labels


def _require(kept: bool, what: str) -> None:
    if not kept:
        raise UsageError(f"the segmenter {what}")
