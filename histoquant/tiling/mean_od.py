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
        return np.ascontiguousarray(np.moveaxis(self.channels(here), 0, -1))

    def channels(self, here: Rows) -> npt.NDArray[np.float32]:
        """Likewise, a plane for red, green and blue each: NumPy takes several times as long for an axis of 3.

        Parameters
        ----------
        here : slice or tuple of 2 slice
            Map pixels.

        Returns
        -------
        ndarray of float32, shape (3, h, w)
        """
        counted, sums = self.survey.counted[here], self.survey.sums[here]
        number, nothing = np.maximum(counted, 1).astype(np.float32), counted == 0
        od = np.empty((3, *counted.shape), np.float32)
        for channel, white in enumerate(np.asarray(self.white, dtype=np.float32)):
            mean = np.maximum(sums[..., channel] / number, np.float32(1.0))
            np.log10(white / mean, out=od[channel])
            od[channel][nothing] = 0.0
        return od
