"""Render a scene through a scanner, in bands of rows so that memory stays flat."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from histoquant.phantoms.appearance import Appearance
from histoquant.phantoms.artefacts import Artefact, bend_light, fold_stains, halo_um
from histoquant.phantoms.bodies import RASTER_UM
from histoquant.phantoms.camera import (
    blur,
    collect,
    expose,
    gaussian_taps,
    illumination,
    raster_window,
    transmit,
)
from histoquant.phantoms.damage import damage_stains
from histoquant.phantoms.focus import SOFT_UM
from histoquant.phantoms.scene import Scene
from histoquant.phantoms.section import StainPlanes, raster_size, stain_planes

BAND_ROWS = 256  # camera rows per band
FOCUS_REACH_UM = 3.5 * max(SOFT_UM) + RASTER_UM
STAINED_OD = 0.15  # marker stain above this, before blur, counts as stained area


@dataclass(frozen=True)
class Rendered:
    """A rendered slide.

    Attributes
    ----------
    rgb : ndarray of uint8, shape (h, w, 3)
    stained_um2 : float
        Area of tissue outside artefacts whose marker stain exceeds `STAINED_OD`, from the raster.
    """

    rgb: NDArray[np.uint8]
    stained_um2: float


def image_size(scene: Scene, appearance: Appearance) -> tuple[int, int]:
    """Return (width, height) in camera pixels."""
    mpp = appearance.scanner.mpp
    return int(scene.spec.size_um[0] / mpp + 1e-6), int(scene.spec.size_um[1] / mpp + 1e-6)


def render(scene: Scene, appearance: Appearance, artefacts: tuple[Artefact, ...] = ()) -> Rendered:
    """Draw the whole slide.

    Parameters
    ----------
    scene : Scene
    appearance : Appearance
        Stain colours, glass and scanner; the same scene may be rendered with any number of them.
    artefacts : tuple of Artefact

    Returns
    -------
    Rendered
    """
    width, height = image_size(scene, appearance)
    rgb = np.empty((height, width, 3), np.uint8)
    stained = 0
    for first in range(0, height, BAND_ROWS):
        rows = min(BAND_ROWS, height - first)
        band, count = _band(scene, appearance, artefacts, first, rows)
        rgb[first : first + rows] = band
        stained += count
    return Rendered(rgb, stained * RASTER_UM**2)


def _band(
    scene: Scene, appearance: Appearance, artefacts: tuple[Artefact, ...], first: int, rows: int
) -> tuple[NDArray[np.uint8], int]:
    size_px = image_size(scene, appearance)
    halo = halo_um(artefacts) + FOCUS_REACH_UM
    x0, y0, width, height, factor = raster_window(appearance, first, rows, size_px[0], halo)
    planes = damage_stains(stain_planes(scene, x0, y0, width, height), artefacts, scene, x0, y0)
    stains = planes.sharp()
    if appearance.haze_od > 0.0 and scene.spec.marker != "HE":
        stains[1] += np.float32(appearance.haze_od) * planes.tissue
    stains = fold_stains(stains, artefacts, scene, x0, y0)
    count = _stained(scene, planes, artefacts, (x0, y0), (first, rows), factor)
    gains = np.array([appearance.hematoxylin_gain, appearance.second_gain, 1.0])
    vectors = appearance.vectors(scene.spec.marker)
    light = transmit(stains, vectors, gains)
    for layer, sigma_um in zip(planes.soft, SOFT_UM, strict=bool(planes.soft)):
        # a thin veil out of focus dims the sharp image by its own blurred transmittance
        light *= blur(transmit(layer, vectors[:2], gains[:2]), gaussian_taps(sigma_um / RASTER_UM))
    if appearance.scanner.blur_um > 0.0:
        light = blur(light, gaussian_taps(appearance.scanner.blur_um / RASTER_UM))
    light = bend_light(light, artefacts, x0, y0)
    light = collect(light, factor, x0, y0, (size_px[0], rows), first)
    rng = np.random.default_rng(np.random.SeedSequence([scene.spec.seed, 77, first]))
    return expose(light, appearance, illumination(appearance, size_px, first, rows), rng), count


def _stained(
    scene: Scene,
    planes: StainPlanes,
    artefacts: tuple[Artefact, ...],
    origin: tuple[int, int],
    rows: tuple[int, int],
    factor: float,
) -> int:
    """Count stained raster samples of this band alone: each sample belongs to one band."""
    columns, bottom = raster_size(scene.spec.size_um)
    low, high = round(rows[0] * factor), round((rows[0] + rows[1]) * factor)
    if bottom - high < factor + 1.0:  # the slide ends in the middle of a camera pixel
        high = bottom
    part = np.s_[low - origin[1] : high - origin[1], -origin[0] : columns - origin[0]]
    on = (planes.marker[part] > STAINED_OD) & planes.tissue[part]
    if on.any() and artefacts:
        j, i = np.nonzero(on)
        x, y = (i + 0.5) * RASTER_UM, (j + low + 0.5) * RASTER_UM
        excluded = np.zeros(len(i), np.bool_)
        for artefact in artefacts:
            excluded |= artefact.covers(x, y)
        return int((~excluded).sum())
    return int(on.sum())
