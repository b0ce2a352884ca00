"""Cellpose (Stringer et al., Nature Methods 2021; Cellpose-SAM 2025): flows; BSD-3-Clause."""

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from histoquant.segmenters.network import Network, needed


class Cellpose(Network):
    """A Cellpose model; what it finds is taken for nuclei, so its weights must be a nucleus model's."""

    def _found(self, rgb: npt.NDArray[np.uint8], mpp: float) -> npt.NDArray[Any]:
        return np.asarray(self._model.eval(rgb, channel_axis=2)[0])


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
