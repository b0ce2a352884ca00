"""Small things between cells: stained lysosomal granules and dying cells, none of them to be counted."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from histoquant.phantoms.bodies import GRANULE, SECTION_UM, empty_bodies, shape_bodies
from histoquant.phantoms.placement import scatter
from histoquant.phantoms.spec import SceneSpec
from histoquant.phantoms.tissue import GRID_UM, Ground

GRANULE_OD_PER_UM = 0.45


def granules(rng: np.random.Generator, spec: SceneSpec, ground: Ground) -> NDArray[np.void]:
    """Return clusters of stained granules off any cell body: process tips and shed lysosomes.

    A cluster is 1 to 7 specks of 0.3 to 1.0 um within 3 um: under 10 um2 in all, which no rule for a
    macrophage may take for one.
    """
    weight = (ground.level_um > 4.0) * ground.infiltrate
    area_mm2 = float((ground.level_um > 0.0).sum()) * GRID_UM**2 * 1e-6
    wanted = rng.poisson(spec.granules * area_mm2) if spec.marker == "CD68" and spec.stain > 0.0 else 0
    clusters = scatter(rng, weight, GRID_UM, wanted, 0.0)
    each = rng.integers(1, 8, len(clusters))
    at = np.repeat(clusters, each, axis=0)
    out = empty_bodies(len(at))
    if len(at) == 0:
        return out
    out["x"] = at[:, 0] + rng.normal(0.0, 1.3, len(at))
    out["y"] = at[:, 1] + rng.normal(0.0, 1.3, len(at))
    out["z"] = rng.uniform(0.0, SECTION_UM, len(at))
    size = rng.uniform(0.3, 1.0, len(at)) ** 1.4
    shape_bodies(
        out, size, size * rng.uniform(0.7, 1.0, len(at)), size, rng.uniform(0, 3.1, len(at)), 0 * size
    )
    out["core_s"] = spec.stain * GRANULE_OD_PER_UM * rng.uniform(0.4, 1.2, len(at))
    out["seed"], out["cell"], out["part"] = rng.integers(1, 1 << 24, len(at)), -1, GRANULE
    return out
