"""InstanSeg (Goldsborough et al., 2024): embeddings; Apache-2.0."""

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from histoquant.segmenters import needed


class InstanSeg:
    """An InstanSeg model in TorchScript, such as ``brightfield_nuclei``.

    Parameters
    ----------
    model : instanseg.InstanSeg
    version : str
        Of the library.
    """

    version: str
    exact = False
    halo_um = 64.0

    def __init__(self, model: Any, version: str) -> None:
        self._model, self.version = model, version

    def labels(
        self, rgb: npt.NDArray[np.uint8], valid: npt.NDArray[np.bool_], mpp: float
    ) -> npt.NDArray[np.integer]:
        """Nuclei of a window, see `histoquant.objects.segmenter.Segmenter`."""
        # images come as channels, rows, columns; a pixel size makes the model work at its own
        found = self._model.eval_small_image(
            rgb.transpose(2, 0, 1), pixel_size=mpp, target="nuclei", return_image_tensor=False
        )
        # one image, and of nuclei and cells the first
        labels = found.cpu().numpy()[0, 0]
        return np.where(valid, labels, 0).astype(np.int32)


def load(weights: Path | None) -> InstanSeg:
    """Open a TorchScript file.

    Parameters
    ----------
    weights : Path

    Returns
    -------
    InstanSeg
    """
    import instanseg
    import torch

    script = torch.jit.load(str(needed(weights, "instanseg")), map_location="cpu")
    model = instanseg.InstanSeg(script.eval(), device="cpu", verbosity=0)
    return InstanSeg(model, version("instanseg-torch"))
