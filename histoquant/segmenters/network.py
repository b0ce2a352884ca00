"""What networks have in common as segmenters: a version, no exactness, nothing where nothing was scanned."""

from __future__ import annotations

from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from histoquant.errors import UsageError


class Network(ABC):
    """A model of another library as a `histoquant.objects.segmenter.Segmenter`.

    Parameters
    ----------
    model : object
        As its library opens it.
    version : str
        Of that library.
    """

    version: str
    exact = False
    halo_um = 64.0

    def __init__(self, model: Any, version: str) -> None:
        self._model, self.version = model, version

    def labels(
        self, rgb: npt.NDArray[np.uint8], valid: npt.NDArray[np.bool_], mpp: float
    ) -> npt.NDArray[np.integer]:
        """Nuclei of a window; none where the slide was not scanned."""
        return np.where(valid, self._found(rgb, mpp), 0).astype(np.int32)

    @abstractmethod
    def _found(self, rgb: npt.NDArray[np.uint8], mpp: float) -> npt.NDArray[Any]:
        """What the model finds, as labels of the window's shape."""


def needed(weights: Path | None, what: str) -> Path:
    """Weights that a network cannot do without.

    Raises
    ------
    UsageError
        If none were named.
    """
    if weights is None:
        raise UsageError(f"{what} needs its weights: --segmenter NAME:PATH. Nothing is downloaded in a run.")
    return weights
