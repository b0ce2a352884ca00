"""Optical density, white point, stain vectors and their estimation, unmixing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from histoquant.faces import face_of

if TYPE_CHECKING:
    from histoquant.stains.density import optical_density, total_od, total_od_mod, unmix, unmix_mod
    from histoquant.stains.estimate import StainEstimate, estimate_vectors
    from histoquant.stains.histogram import StainHistogram
    from histoquant.stains.sampling import (
        level_scale,
        sample_blocks,
        slide_vectors,
        stain_histogram,
        tissue_tint,
    )
    from histoquant.stains.settings import StainSettings
    from histoquant.stains.vectors import H_DAB, H_E, StainVectors, angle_deg
    from histoquant.stains.white import WhitePoint, white_point
else:
    __getattr__, __dir__ = face_of(
        __name__,
        {
            "density": "optical_density total_od total_od_mod unmix unmix_mod",
            "estimate": "StainEstimate estimate_vectors",
            "histogram": "StainHistogram",
            "sampling": "level_scale sample_blocks slide_vectors stain_histogram tissue_tint",
            "settings": "StainSettings",
            "vectors": "H_DAB H_E StainVectors angle_deg",
            "white": "WhitePoint white_point",
        },
    )

__all__ = [
    "H_DAB",
    "H_E",
    "StainEstimate",
    "StainHistogram",
    "StainSettings",
    "StainVectors",
    "WhitePoint",
    "angle_deg",
    "estimate_vectors",
    "level_scale",
    "optical_density",
    "sample_blocks",
    "slide_vectors",
    "stain_histogram",
    "tissue_tint",
    "total_od",
    "total_od_mod",
    "unmix",
    "unmix_mod",
    "white_point",
]
