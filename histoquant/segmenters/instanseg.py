"""InstanSeg (Goldsborough et al., 2024): embeddings; Apache-2.0."""

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from histoquant.segmenters.network import Network, needed


class InstanSeg(Network):
    """An InstanSeg model in TorchScript, such as ``brightfield_nuclei``."""

    def _found(self, rgb: npt.NDArray[np.uint8], mpp: float) -> npt.NDArray[Any]:
        # images come as channels, rows, columns; a pixel size makes the model work at its own
        found = self._model.eval_small_image(
            rgb.transpose(2, 0, 1), pixel_size=mpp, target="nuclei", return_image_tensor=False
        )
        # one image, and of nuclei and cells the first
        return np.asarray(found.cpu().numpy()[0, 0])


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
