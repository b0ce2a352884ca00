"""Optical density of map pixels, reckoned where asked for: of a whole slide it is a third of the survey."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from histoquant.tiling.survey import Survey

Rows = slice | tuple[slice, slice]


@dataclass(frozen=True, eq=False)
class MeanOd:
    """Optical density of mean colours.

    Attributes
    ----------
    survey : Survey
        Of the working plane.
    white : tuple of 3 float
        Intensity of glass.
    """

    survey: Survey
    white: tuple[float, float, float]

    def __getitem__(self, here: Rows) -> npt.NDArray[np.float32]:
        """Density of some rows, or of some columns of them.

        Parameters
        ----------
        here : slice or tuple of 2 slice
            Map pixels.

        Returns
        -------
        ndarray of float32, shape (h, w, 3)
            0 where nothing is counted.
        """
        counted = self.survey.counted[here]
        number = np.maximum(counted, 1).astype(np.float32)[..., None]
        mean = np.maximum(self.survey.sums[here] / number, np.float32(1.0))
        od = np.log10(np.asarray(self.white, dtype=np.float32) / mean)
        od[counted == 0] = 0.0
        return np.asarray(od, dtype=np.float32)
