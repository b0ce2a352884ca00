"""Cellpose (Stringer et al., Nature Methods 2021; Cellpose-SAM 2025): flows; BSD-3-Clause."""

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from histoquant.segmenters import needed


class Cellpose:
    """A Cellpose model; what it finds is taken for nuclei, so its weights must be a nucleus model's.

    Parameters
    ----------
    model : cellpose.models.CellposeModel
    version : str
        Of the library.
    """

    version: str
    exact = False
    # its network sees patches of 256 px
    halo_um = 64.0

    def __init__(self, model: Any, version: str) -> None:
        self._model, self.version = model, version

    def labels(
        self, rgb: npt.NDArray[np.uint8], valid: npt.NDArray[np.bool_], mpp: float
    ) -> npt.NDArray[np.integer]:
        """Nuclei of a window, see `histoquant.objects.segmenter.Segmenter`."""
        masks = self._model.eval(rgb, channel_axis=2)[0]
        return np.where(valid, masks, 0).astype(np.int32)


def load(weights: Path | None) -> Cellpose:
    """Open a file of weights.

    Parameters
    ----------
    weights : Path

    Returns
    -------
    Cellpose
    """
    from cellpose.models import CellposeModel

    model = CellposeModel(gpu=False, pretrained_model=str(needed(weights, "cellpose")))
    return Cellpose(model, version("cellpose"))
