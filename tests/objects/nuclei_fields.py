"""Windows whose nuclei are known, for the tests of this folder."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from histoquant.objects import Planes
from histoquant.objects.loose_runs import LooseRuns
from histoquant.objects.split import split_necks
from histoquant.stains import H_DAB

DATA = Path(__file__).resolve().parents[2].parent / "shared" / "data"
GLASS = 240.0


def planes(hematoxylin: np.ndarray, dab: np.ndarray | None = None, mpp: float = 0.5) -> Planes:
    """Planes from OD images."""
    brown = np.zeros_like(hematoxylin) if dab is None else dab
    mod = [np.rint(1000 * plane).astype(np.int16) for plane in (hematoxylin, brown, hematoxylin + brown)]
    return Planes(*mod, np.ones(hematoxylin.shape, bool), mpp)


def discs(
    shape: tuple[int, int], spots: list[tuple[float, float, float, float]], blur: float = 1.0
) -> np.ndarray:
    """OD image of blurred discs (y, x, radius in px, OD), the darkest on top."""
    y, x = np.mgrid[: shape[0], : shape[1]]
    out = np.zeros(shape)
    for cy, cx, radius, od in spots:
        out = np.maximum(out, od * ((y - cy) ** 2 + (x - cx) ** 2 <= radius**2))
    return cv2.GaussianBlur(out, (0, 0), blur)


def cut(window: Planes, y0: int, y1: int, x0: int, x1: int) -> Planes:
    """Part of a window."""
    part = np.s_[y0:y1, x0:x1]
    kept = [
        np.ascontiguousarray(plane[part])
        for plane in (window.hematoxylin, window.dab, window.total, window.valid)
    ]
    return Planes(*kept, window.mpp)


def split(labels: np.ndarray, neck_share: float | np.ndarray, least_px: int) -> np.ndarray:
    """Labels whose objects are cut at their necks."""
    runs, _ = LooseRuns.met(labels, int(labels.max()))
    parts = split_necks(runs, neck_share, least_px)
    return painted(parts, labels.shape)


def painted(runs: LooseRuns, shape: tuple[int, int]) -> np.ndarray:
    """Label image of objects, in their order."""
    out = np.zeros(shape, np.int32)
    count = len(runs.first)
    runs.taken(np.arange(count)).paint(out, np.arange(1, count + 1, dtype=np.int32))
    return out


def of_rgb(rgb: np.ndarray, mpp: float = 0.5, white: float | tuple[float, ...] = GLASS) -> Planes:
    """Planes with the published vectors."""
    return Planes.from_rgb(rgb, None, H_DAB, white, mpp)


def halved(path: Path) -> np.ndarray:
    """RGB of a file at half its size by 2 x 2 means."""
    rgb = cv2.imread(str(path))[..., ::-1].astype(np.uint16)
    h, w = rgb.shape[0] // 2 * 2, rgb.shape[1] // 2 * 2
    four = rgb[:h:2, :w:2] + rgb[1:h:2, :w:2] + rgb[:h:2, 1:w:2] + rgb[1:h:2, 1:w:2]
    return ((four + 2) // 4).astype(np.uint8)


def matched(truth: np.ndarray, found: np.ndarray, radius_px: float) -> int:
    """Pairs of an optimal one-to-one match of (x, y) points within a radius."""
    from scipy.optimize import linear_sum_assignment
    from scipy.spatial.distance import cdist

    far = cdist(truth, found)
    i, j = linear_sum_assignment(np.where(far <= radius_px, far, 1e6))
    return int((far[i, j] <= radius_px).sum())


def nearest_by_force(labels: np.ndarray, reach: int) -> tuple[np.ndarray, np.ndarray]:
    """Label of the nearest object, the lower of equals, and how far in fifths of a pixel; 0 beyond.

    Shortest paths of straight (5), diagonal (7) and knight's (11) steps in closed form.
    """
    y, x = np.mgrid[: labels.shape[0], : labels.shape[1]]
    far, owner = np.full(labels.shape, 1 << 30), np.zeros(labels.shape, np.int32)
    for sy, sx in np.argwhere(labels > 0):
        dy, dx, label = np.abs(y - sy), np.abs(x - sx), labels[sy, sx]
        long, short = np.maximum(dy, dx), np.minimum(dy, dx)
        units = np.where(long >= 2 * short, 5 * long + short, 4 * long + 3 * short)
        nearer = (units < far) | ((units == far) & (label < owner))
        far, owner = np.where(nearer, units, far), np.where(nearer, label, owner)
    return np.where(far <= reach, owner, 0), np.where(far <= reach, far, 0)
