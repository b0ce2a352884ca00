"""StarDist (Schmidt et al., MICCAI 2018): star-convex nuclei; BSD-3-Clause."""

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from histoquant.segmenters.network import Network, needed


class StarDist(Network):
    """A two-dimensional StarDist model of three channels, such as ``2D_versatile_he``."""

    # the receptive field of its usual U-Net, about 90 px
    halo_um = 50.0

    def _found(self, rgb: npt.NDArray[np.uint8], mpp: float) -> npt.NDArray[Any]:
        # brightfield models were trained on percentiles, which on a slide with glass are black and white
        labels, _ = self._model.predict_instances(rgb.astype(np.float32) / 255.0, show_tile_progress=False)
        return np.asarray(labels)


def load(weights: Path | None) -> StarDist:
    """Open a model's folder (``config.json``, ``weights_best.h5``, ``thresholds.json``).

    Parameters
    ----------
    weights : Path
        The folder.

    Returns
    -------
    StarDist
    """
    from stardist.models import StarDist2D

    folder = needed(weights, "stardist")
    model = StarDist2D(None, name=folder.name, basedir=str(folder.parent))
    return StarDist(model, version("stardist"))
