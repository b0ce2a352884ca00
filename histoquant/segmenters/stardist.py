"""StarDist (Schmidt et al., MICCAI 2018): star-convex nuclei; BSD-3-Clause."""

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from histoquant.segmenters import needed


class StarDist:
    """A two-dimensional StarDist model of three channels, such as ``2D_versatile_he``.

    Parameters
    ----------
    model : stardist.models.StarDist2D
    version : str
        Of the library.
    """

    version: str
    exact = False
    # the receptive field of its usual U-Net, about 90 px
    halo_um = 50.0

    def __init__(self, model: Any, version: str) -> None:
        self._model, self.version = model, version

    def labels(
        self, rgb: npt.NDArray[np.uint8], valid: npt.NDArray[np.bool_], mpp: float
    ) -> npt.NDArray[np.integer]:
        """Nuclei of a window, see `histoquant.objects.segmenter.Segmenter`."""
        # brightfield models were trained on percentiles, which on a slide with glass are black and white
        labels, _ = self._model.predict_instances(rgb.astype(np.float32) / 255.0, show_tile_progress=False)
        return np.where(valid, labels, 0).astype(np.int32)


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
