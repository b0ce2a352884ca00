"""Which nuclear profiles a reader can see and tell apart: the rule behind ``visible`` in the truth."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from histoquant.phantoms.placement import Packing
from histoquant.phantoms.spec import SceneSpec

VISIBLE_PATH_UM = 1.0  # thinner cuts are gone in the stroma, looked at four times enlarged
VISIBLE_OD = 0.12  # mean stain of a profile; the stroma around it varies by 0.03 to 0.06 OD
# An eye needs contrast times diameter (Rose 1948): mean stain times root of area, OD um. A lymphocyte's
# cap of 12 um2 needs 0.23 OD, a vesicular nucleus of 44 um2 0.12 OD.
VISIBLE_CONTENT_OD_UM = 0.80
MEAN_OF_LONGEST = 2.0 / 3.0  # mean chord of a cap over its longest
HE_SHARE = 0.67
HIDDEN_UM = 2.2  # two profiles nearer than this look like one: the lesser is not counted
HIDDEN_SHARE = 0.40  # so do two large ones nearer than this share of their mean diameter


def contrast_od(
    spec: SceneSpec,
    cells: NDArray[np.void],
    bodies: NDArray[np.void],
    nuclei: NDArray[np.float64],
    stain: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Return how much each nucleus differs from the cell it lies in, OD before appearance and optics.

    All stain of the nucleus, less the haematoxylin of the cytoplasm it displaces; in a brown cell the
    nucleus is a hole in the brown, and what it displaces there is contrast too. In H&E everything round
    it is stained, and only part of the difference remains (`HE_SHARE`).

    Parameters
    ----------
    spec : SceneSpec
    cells, bodies : ndarray
        After `paint.paint`.
    nuclei, stain : ndarray, shapes (n, 4) and (n, 2)
        From `bodies.profiles` and `bodies.mean_stain`.
    """
    path = MEAN_OF_LONGEST * nuclei[:, 3]
    soma = bodies[cells["soma"]]
    own = stain.sum(axis=1) - soma["core_h"] * path
    return np.asarray(HE_SHARE * own if spec.marker == "HE" else own + soma["core_s"] * path)


def visible(
    nuclei: NDArray[np.float64], stain_od: NDArray[np.float64], size_um: tuple[float, float]
) -> NDArray[np.bool_]:
    """Tell which nuclear profiles a reader can count.

    Parameters
    ----------
    nuclei : ndarray, shape (n, 4)
        x_um, y_um, area_um2 and longest path as `bodies.profiles` gives them.
    stain_od : ndarray, shape (n,)
        Contrast of each profile (`contrast_od`).
    size_um : (float, float)

    Returns
    -------
    ndarray of bool, shape (n,)
    """
    x, y, area, path = nuclei.T
    seen = (path >= VISIBLE_PATH_UM) & (stain_od >= VISIBLE_OD)
    seen &= stain_od * np.sqrt(area) >= VISIBLE_CONTENT_OD_UM
    seen &= (x >= 0.0) & (y >= 0.0) & (x < size_um[0]) & (y < size_um[1])
    order = np.flatnonzero(seen)[np.argsort(-(area * stain_od)[seen], kind="stable")]
    radius = np.maximum(0.5 * HIDDEN_UM, HIDDEN_SHARE * np.sqrt(area / np.pi))
    points = np.column_stack([x, y, np.zeros(len(x)), radius])[order]
    out = np.zeros(len(x), np.bool_)
    out[order[Packing(size_um).add(points, 1.0)]] = True
    return out
