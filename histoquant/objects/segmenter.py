"""Nuclei found by somebody else's model: what it must offer, and how its labels become nuclei."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Protocol

import numpy as np
import numpy.typing as npt

from histoquant.errors import UsageError
from histoquant.objects.label_shapes import boxes
from histoquant.objects.nuclei import Nuclei, nuclei_from_labels, nuclei_halo_px
from histoquant.objects.nuclei_params import NucleiParams
from histoquant.objects.planes import Planes

if TYPE_CHECKING:
    from histoquant.markers.definition import MarkerDefinition

NOT_EXACT = "SEGMENTER_NOT_EXACT"
"""Flag of slides whose tables would be others at another tile size."""


class Segmenter(Protocol):
    """What finds nuclei in a window of a slide.

    Attributes
    ----------
    version : str
        Of what computes; another version is another plan.
    exact : bool
        Whether the label of a pixel follows from the pixels within ``halo_um`` of its object alone, so that
        every window that shows them gives the same objects. Where not, tables depend on the tile size.
    halo_um : float
        How far around an object its answer looks, micrometres.
    """

    version: str
    exact: bool
    halo_um: float

    def labels(
        self, rgb: npt.NDArray[np.uint8], valid: npt.NDArray[np.bool_], mpp: float
    ) -> npt.NDArray[np.integer]:
        """Find nuclei.

        Parameters
        ----------
        rgb : ndarray of uint8, shape (h, w, 3)
        valid : ndarray of bool, shape (h, w)
            False where the slide was not scanned.
        mpp : float
            Micrometres per pixel.

        Returns
        -------
        ndarray of integer, shape (h, w)
            0 for none; numbers need not be consecutive.
        """
        ...


def segmenter_halo_px(segmenter: Segmenter, mpp: float, marker: MarkerDefinition) -> int:
    """Pixels a window must show around its core when a segmenter finds the nuclei.

    Parameters
    ----------
    segmenter : Segmenter
    mpp : float
        Micrometres per pixel.
    marker : MarkerDefinition

    Returns
    -------
    int
    """
    return nuclei_halo_px(mpp, marker) + math.ceil(segmenter.halo_um / mpp)


def segment_with(
    segmenter: Segmenter,
    rgb: npt.NDArray[np.uint8],
    valid: npt.NDArray[np.bool_],
    planes: Planes,
    marker: MarkerDefinition,
) -> Nuclei:
    """Find the nuclei of a window by a segmenter.

    Parameters
    ----------
    segmenter : Segmenter
    rgb : ndarray of uint8, shape (h, w, 3)
    valid : ndarray of bool, shape (h, w)
    planes : Planes
        Stain planes of the same window, from which seeds and edges are read.
    marker : MarkerDefinition
        Its ``nucleus_min_um2`` and ``nucleus_max_um2`` hold here, too, and so does the longest side of a
        nucleus: what is longer could not be told from what a window cuts.

    Returns
    -------
    Nuclei
        Parts of an object that do not touch by an edge are objects of their own.

    Raises
    ------
    UsageError
        If what comes back is no label image of the window.
    """
    from skimage.measure import label  # with half of SciPy, which no built-in search needs

    found = np.asarray(segmenter.labels(rgb, valid, planes.mpp))
    if found.shape != planes.shape or not np.issubdtype(found.dtype, np.integer) or found.min(initial=0) < 0:
        raise UsageError(
            f"the segmenter gave {found.dtype} of shape {found.shape} for a window of {planes.shape}; "
            "expected whole numbers from 0 of the window's shape."
        )
    parts = np.asarray(label(found, connectivity=1), np.int32)
    box = boxes(parts)
    area_um2 = np.bincount(parts.ravel(), minlength=len(box) + 1)[1:] * planes.mpp**2
    longest = (box[:, 2:] - box[:, :2]).max(axis=1, initial=0)
    keep = (
        (area_um2 >= marker.nucleus_min_um2)
        & (area_um2 <= marker.nucleus_max_um2)
        & (longest <= NucleiParams.of_marker(marker).length_max_px(planes.mpp))
    )
    number = np.concatenate([[0], np.where(keep, np.cumsum(keep), 0)]).astype(np.int32)
    return nuclei_from_labels(number[parts], planes, marker)
