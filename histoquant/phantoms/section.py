"""Draw the stain amounts of a section, window by window; a point's value never depends on the window."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from histoquant.phantoms.bodies import RASTER_UM, SECTION_UM, draw_bodies
from histoquant.phantoms.fibres import draw_fibres, draw_ground
from histoquant.phantoms.focus import SOFT_UM, focus_layers
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
        OD along each stain's unit vector, of what lies in focus; ``second`` is DAB or eosin, ground
        staining included.
    marker : ndarray
        Specific marker stain, in focus or not.
    tissue : ndarray of bool
        Inside the outline of a fragment (vessel and crypt lumens and small tears included).
    soft : tuple of ndarray, each (2, h, w)
        Haematoxylin and second stain of the layers out of focus, blurred by `focus.SOFT_UM`; empty where
        there is nothing in them.
    """

    hematoxylin: NDArray[np.float32]
    second: NDArray[np.float32]
    pigment: NDArray[np.float32]
    marker: NDArray[np.float32]
    tissue: NDArray[np.bool_]
    soft: tuple[NDArray[np.float32], ...] = ()

    def stack(self) -> NDArray[np.float32]:
        """Return the three absorbing planes of everything in the section, shape (3, h, w)."""
        out = np.stack([self.hematoxylin, self.second, self.pigment])
        for layer in self.soft:
            out[:2] += layer
        return out

    def sharp(self) -> NDArray[np.float32]:
        """Return the three absorbing planes of what lies in focus, shape (3, h, w)."""
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
    base_od, haze_od = GROUND_OD[key]
    draw_ground(
        scene.ground.level_um,
        scene.ground.seed,
        (base_od, haze_od * scene.spec.haze),
        ground,
        tissue,
        (x0, y0),
    )
    if not tissue.any():
        return StainPlanes(ground[0], ground[1], ground[2], ground[2].copy(), tissue)
    fibres = scene.fibres[_touching_y(scene.fibres[:, :, 1].min(1), scene.fibres[:, :, 1].max(1), y0, height)]
    draw_fibres(fibres, FIBRE_SECOND[key] * scene.spec.haze, ground, tissue, x0, y0)
    tubes = scene.tubes[_touching_y(scene.tubes["top"], scene.tubes["bottom"], y0, height)]
    draw_tubes(tubes, scene.nodes, ground, x0, y0)
    # drawn with the ground: their colour is no marker
    draw_bodies(scene.erythrocytes, _bodies_near(scene.erythrocytes, y0, height), ground, x0, y0)
    near = _bodies_near(scene.bodies, y0, height)
    layer = focus_layers(scene.bodies[near], scene.spec.seed, scene.spec.variety)
    layers = [_layer(scene, near[layer == k], (x0, y0), (height, width)) for k in range(len(SOFT_UM) + 1)]
    cells, soft = layers[0], layers[1:]
    displaced = cells[2] + sum(plane[2] for plane in soft)
    pigment = np.zeros((3, height, width), np.float32)
    draw_bodies(scene.pigment, _bodies_near(scene.pigment, y0, height), pigment, x0, y0)
    keep = 1.0 - np.minimum(displaced, 1.0)
    in_focus = cells[1] + ground[2]
    marker = in_focus + sum(plane[1] for plane in soft)
    return StainPlanes(
        ground[0] * keep + cells[0],
        ground[1] * keep + in_focus,
        np.minimum(pigment[1], 3.0),
        marker,
        tissue,
        tuple(plane[:2] for plane in soft) if (layer > 0).any() else (),
    )


def _layer(
    scene: Scene, chosen: NDArray[np.int64], origin: tuple[int, int], shape: tuple[int, int]
) -> NDArray[np.float32]:
    """Draw some bodies on planes of their own, shape (3, h, w); see `bodies.draw_bodies`."""
    planes = np.zeros((3, *shape), np.float32)
    draw_bodies(scene.bodies, chosen, planes, *origin)
    return planes


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
