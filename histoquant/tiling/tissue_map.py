"""The tissue map of a slide: where there is tissue, where it may be counted, and how large that is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
import numpy.typing as npt

from histoquant.errors import StoreError
from histoquant.tiling.artefacts import BY_HAND, EXCLUSIONS, find_artefacts
from histoquant.tiling.mask_edges import mask_edges
from histoquant.tiling.survey import SCALE_PX, Survey
from histoquant.tiling.tissue import padding, tissue_blocks

BoolMap = npt.NDArray[np.bool_]


class GlassColour(Protocol):
    """A white point: its colour and whether it was read from glass."""

    @property
    def rgb(self) -> tuple[float, float, float]:
        """Intensity of glass."""
        ...

    @property
    def source(self) -> str:
        """``"glass"`` when it was."""
        ...


@dataclass(frozen=True, eq=False)
class TissueMap:
    """Tissue and exclusions of one slide on a map of 16 x 16 working px.

    Attributes
    ----------
    tissue : ndarray of bool, shape (h, w)
        Tissue, exclusions included.
    excluded : ndarray of uint8, shape (h, w)
        Reason code per map pixel inside tissue, a key of `EXCLUSIONS`; 0 where tissue counts, and off tissue.
    area_px : ndarray of uint16, shape (h, w)
        Valid working pixels of each map pixel: 256 but at the border of the plane and of unread areas.
    mpp_xy : tuple of float
        Micrometres per map pixel.
    scale_px : int
        Working pixels per map pixel, 16.
    """

    tissue: BoolMap
    excluded: npt.NDArray[np.uint8]
    area_px: npt.NDArray[np.uint16]
    mpp_xy: tuple[float, float]
    scale_px: int = SCALE_PX

    @property
    def quantifiable(self) -> BoolMap:
        """Tissue that counts: neither glass nor excluded; bool, shape (h, w)."""
        return np.asarray(self.tissue & (self.excluded == 0))

    @property
    def tissue_mm2(self) -> float:
        """Quantifiable area, ``n_px * um_x * um_y * 1e-6`` over valid working pixels."""
        return self._mm2(self.quantifiable)

    @property
    def excluded_mm2(self) -> float:
        """Area of tissue excluded for any reason."""
        return self._mm2(self.tissue & (self.excluded > 0))

    @property
    def excluded_by_reason_mm2(self) -> dict[str, float]:
        """Excluded area per reason, every reason present."""
        return {name: self._mm2(self.tissue & (self.excluded == code)) for code, name in EXCLUSIONS.items()}

    def contains(self, x_plane: npt.ArrayLike, y_plane: npt.ArrayLike) -> BoolMap:
        """Whether working-plane pixels lie on quantifiable tissue.

        Parameters
        ----------
        x_plane, y_plane : array_like
            Pixel indices in the working plane (pixel 0 spans 0 to 1; fractions are rounded down).

        Returns
        -------
        ndarray of bool
            False outside the plane.
        """
        row, column, inside = self._place(x_plane, y_plane)
        return np.asarray(self.tissue[row, column] & (self.excluded[row, column] == 0) & inside)

    def reason(self, x_plane: npt.ArrayLike, y_plane: npt.ArrayLike) -> npt.NDArray[np.uint8]:
        """Exclusion code at working-plane pixels, 0 where tissue counts, off tissue and outside.

        Parameters
        ----------
        x_plane, y_plane : array_like
            Pixel indices in the working plane.

        Returns
        -------
        ndarray of uint8
        """
        row, column, inside = self._place(x_plane, y_plane)
        return np.asarray(np.where(inside, self.excluded[row, column], 0), dtype=np.uint8)

    def without(self, mask: BoolMap) -> TissueMap:
        """The same map with tissue left out by hand.

        Parameters
        ----------
        mask : ndarray of bool, shape (h, w)
            Map pixels that shall not count; those excluded already keep their reason.

        Returns
        -------
        TissueMap
        """
        excluded = np.where(mask & self.quantifiable, np.uint8(BY_HAND), self.excluded)
        return replace(self, excluded=excluded)

    def outlines(self) -> dict[str, list[npt.NDArray[np.int32]]]:
        """Polygons for drawing, in map pixels.

        Returns
        -------
        dict of str to list of ndarray of int32, shape (n, 2)
            ``"tissue"`` and each reason that occurs; closed polygons of x, y along the edges of map pixels
            (pixel 0 spans 0 to 1), holes included.
        """
        masks = {"tissue": self.tissue} | {
            name: self.tissue & (self.excluded == code) for code, name in EXCLUSIONS.items()
        }
        return {name: mask_edges(mask) for name, mask in masks.items() if name == "tissue" or mask.any()}

    def to_arrays(self) -> dict[str, npt.NDArray[np.generic]]:
        """Plain arrays to be stored, without loss.

        Returns
        -------
        dict of str to ndarray
        """
        return {
            "tissue": self.tissue.astype(np.uint8),
            "excluded": self.excluded,
            "area_px": self.area_px,
            "mpp_xy": np.asarray(self.mpp_xy, dtype=np.float64),
            "scale_px": np.asarray(self.scale_px, dtype=np.int64),
        }

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, npt.NDArray[np.generic]]) -> TissueMap:
        """Map from the arrays of `to_arrays`.

        Parameters
        ----------
        arrays : mapping of str to ndarray
            As `to_arrays` gave them.

        Returns
        -------
        TissueMap

        Raises
        ------
        StoreError
            If an array is missing or shapes disagree.
        """
        missing = {"tissue", "excluded", "area_px", "mpp_xy", "scale_px"} - set(arrays)
        if missing:
            raise StoreError(f"stored tissue map lacks {', '.join(sorted(missing))}; delete it and run again")
        tissue = np.asarray(arrays["tissue"]).astype(bool)
        excluded = np.asarray(arrays["excluded"]).astype(np.uint8)
        area_px = np.asarray(arrays["area_px"]).astype(np.uint16)
        if not tissue.shape == excluded.shape == area_px.shape or tissue.ndim != 2:
            raise StoreError("stored tissue map has planes of different shapes; delete it and run again")
        mpp = np.asarray(arrays["mpp_xy"], dtype=np.float64)
        return cls(
            tissue, excluded, area_px, (float(mpp[0]), float(mpp[1])), int(np.asarray(arrays["scale_px"]))
        )

    def _mm2(self, mask: BoolMap) -> float:
        px_um2 = (self.mpp_xy[0] / self.scale_px) * (self.mpp_xy[1] / self.scale_px)
        return int(self.area_px[mask].sum(dtype=np.int64)) * px_um2 * 1e-6

    def _place(
        self, x: npt.ArrayLike, y: npt.ArrayLike
    ) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], BoolMap]:
        """Row and column of working-plane pixels, clipped, and whether they are on the map at all."""
        column = np.floor_divide(np.asarray(x), self.scale_px).astype(np.int64)
        row = np.floor_divide(np.asarray(y), self.scale_px).astype(np.int64)
        rows, columns = self.tissue.shape
        inside = (row >= 0) & (row < rows) & (column >= 0) & (column < columns)
        return np.where(inside, row, 0), np.where(inside, column, 0), np.asarray(inside)


def map_tissue(survey: Survey, white_point: GlassColour, *, dab: bool = True) -> TissueMap:
    """Tell tissue from glass and debris, and find the artefacts on it.

    Parameters
    ----------
    survey : Survey
        Of the working plane.
    white_point : WhitePoint
        Of the same slide.
    dab : bool
        Whether the section is stained with DAB.

    Returns
    -------
    TissueMap
        Without any tissue on a blank slide: its `tissue_mm2` is exactly 0.

    Notes
    -----
    A map pixel is tissue when most of its 2 um cells are darker than glass by 0.008 OD or four standard
    deviations of glass. Islands under 0.01 mm2, fibres and straight edges are debris.
    """
    frame = padding(survey)
    area = survey.counted + np.where(frame, 0, survey.black)
    tissue = tissue_blocks(survey, white_point.rgb[1], white_point.source == "glass") & (area > 0)
    um = float(np.sqrt(survey.map_mpp_xy[0] * survey.map_mpp_xy[1]))
    found = find_artefacts(survey, tissue, white_point.rgb, um, dab=dab)
    return TissueMap(found.tissue, found.excluded, area.astype(np.uint16), survey.map_mpp_xy)
