"""Draw the stain amounts of a section, window by window; a point's value never depends on the window."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from histoquant.phantoms.bodies import RASTER_UM, SECTION_UM, draw_bodies
from histoquant.phantoms.fibres import draw_fibres, draw_ground
from histoquant.phantoms.scene import Scene
from histoquant.phantoms.tubes import draw_tubes

GROUND_OD = {"HE": (0.035, 0.19), "other": (0.050, 0.020)}  # haematoxylin and second stain of the matrix
FIBRE_SECOND = {"HE": 3.2, "other": 0.25}  # collagen: eosin, or a trace of DAB, relative to haematoxylin


@dataclass(frozen=True)
class StainPlanes:
    """Stain amounts on the raster of `RASTER_UM`, float32 arrays of shape (h, w).

    Attributes
    ----------
    hematoxylin, second, pigment : ndarray
        OD along each stain's unit vector; ``second`` is DAB or eosin, ground staining included.
    marker : ndarray
        The part of ``second`` that is specific marker stain.
    tissue : ndarray of bool
        Inside the outline of a fragment (vessel and crypt lumens and small tears included).
    """

    hematoxylin: NDArray[np.float32]
    second: NDArray[np.float32]
    pigment: NDArray[np.float32]
    marker: NDArray[np.float32]
    tissue: NDArray[np.bool_]

    def stack(self) -> NDArray[np.float32]:
        """Return the three absorbing planes, shape (3, h, w)."""
        return np.stack([self.hematoxylin, self.second, self.pigment])


def raster_size(size_um: tuple[float, float]) -> tuple[int, int]:
    """Return the (width, height) of the whole section on the raster."""
    return round(size_um[0] / RASTER_UM), round(size_um[1] / RASTER_UM)


def stain_planes(scene: Scene, x0: int, y0: int, width: int, height: int) -> StainPlanes:
    """Draw one window of the section.

    Parameters
    ----------
    scene : Scene
    x0, y0, width, height : int
        Window on the raster of `RASTER_UM`; it may reach beyond the slide.

    Returns
    -------
    StainPlanes
    """
    key = "HE" if scene.spec.marker == "HE" else "other"
    ground = np.zeros((3, height, width), np.float32)
    tissue = np.zeros((height, width), np.bool_)
    draw_ground(scene.ground.level_um, scene.ground.seed, GROUND_OD[key], ground, tissue, (x0, y0))
    if not tissue.any():
        return StainPlanes(ground[0], ground[1], ground[2], ground[2].copy(), tissue)
    fibres = scene.fibres[_touching_y(scene.fibres[:, :, 1].min(1), scene.fibres[:, :, 1].max(1), y0, height)]
    draw_fibres(fibres, FIBRE_SECOND[key], ground, tissue, x0, y0)
    tubes = scene.tubes[_touching_y(scene.tubes["top"], scene.tubes["bottom"], y0, height)]
    draw_tubes(tubes, scene.nodes, ground, x0, y0)
    # drawn with the ground: their colour is no marker
    draw_bodies(scene.erythrocytes, _bodies_near(scene.erythrocytes, y0, height), ground, x0, y0)
    cells = np.zeros((3, height, width), np.float32)
    draw_bodies(scene.bodies, _bodies_near(scene.bodies, y0, height), cells, x0, y0)
    pigment = np.zeros((3, height, width), np.float32)
    draw_bodies(scene.pigment, _bodies_near(scene.pigment, y0, height), pigment, x0, y0)
    keep = 1.0 - np.minimum(cells[2], 1.0)
    marker = cells[1] + ground[2]
    return StainPlanes(
        ground[0] * keep + cells[0], ground[1] * keep + marker, np.minimum(pigment[1], 3.0), marker, tissue
    )


def _touching_y(
    low_um: NDArray[np.float64], high_um: NDArray[np.float64], y0: int, height: int
) -> NDArray[np.bool_]:
    margin_um = 4.0
    return (high_um > y0 * RASTER_UM - margin_um) & (low_um < (y0 + height) * RASTER_UM + margin_um)


def _bodies_near(bodies: NDArray[np.void], y0: int, height: int) -> NDArray[np.int64]:
    """Return indices, in order, of bodies that stain and may touch rows ``y0 : y0 + height``."""
    near = _touching_y(bodies["y"] - bodies["reach"], bodies["y"] + bodies["reach"], y0, height)
    reach_z = bodies["reach"]
    near &= (bodies["z"] + reach_z > 0.0) & (bodies["z"] - reach_z < SECTION_UM)
    stained = (
        (bodies["core_h"] > 0) | (bodies["shell_h"] > 0) | (bodies["core_s"] > 0) | (bodies["shell_s"] > 0)
    )
    return np.flatnonzero(near & (stained | (bodies["occupancy"] > 0))).astype(np.int64)
