"""Stain vectors: the optical-density direction of each dye, and the matrix that separates them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from histoquant.errors import UsageError

FloatArray = npt.NDArray[np.float64]

# Two stains closer than this turn noise into stain: amplification is 1/sin(angle), 11-fold at 5 degrees.
MIN_SEPARABLE_DEG = 5.0

# Ruifrok and Johnston, Anal Quant Cytol Histol 2001;23:291, as printed there.
_HEMATOXYLIN = (0.650, 0.704, 0.286)
_DAB = (0.268, 0.570, 0.776)
# QuPath's default eosin (StainVector.java).
_EOSIN = (0.2159, 0.8012, 0.5581)


@dataclass(frozen=True, eq=False)
class StainVectors:
    """Two named stains and their residual as unit directions in optical-density space.

    Parameters
    ----------
    matrix : ndarray of float64, shape (3, 3)
        One unit row (red, green, blue) per stain; the third row is the residual.
    names : tuple of str
        Name of each row.

    Raises
    ------
    UsageError
        If a row is zero, not finite, or two stains are too close to be told apart.
    """

    matrix: FloatArray
    names: tuple[str, str, str]

    def __post_init__(self) -> None:
        rows = _unit_rows(np.asarray(self.matrix, dtype=np.float64))
        if rows.shape != (3, 3) or len(self.names) != 3:
            raise UsageError(f"stain vectors need 3 named rows of 3 numbers, got shape {rows.shape}")
        if abs(float(np.linalg.det(rows))) < np.sin(np.radians(MIN_SEPARABLE_DEG)):
            raise UsageError(
                f"stain vectors {', '.join(self.names[:2])} are too close to tell apart; "
                f"give directions at least {MIN_SEPARABLE_DEG:g} degrees apart"
            )
        rows.flags.writeable = False
        object.__setattr__(self, "matrix", rows)
        object.__setattr__(self, "names", tuple(self.names))

    @classmethod
    def from_pair(
        cls, first: Sequence[float], second: Sequence[float], names: tuple[str, str]
    ) -> StainVectors:
        """Vectors of two stains, with the residual at right angles to both.

        Parameters
        ----------
        first, second : sequence of 3 float
            Directions in optical density, red, green, blue; any length above zero.
        names : tuple of 2 str
            Names of the two stains.

        Returns
        -------
        StainVectors
        """
        pair = _unit_rows(np.asarray([first, second], dtype=np.float64))
        return cls(np.vstack([pair, np.cross(pair[0], pair[1])]), (names[0], names[1], "residual"))

    @cached_property
    def inverse(self) -> FloatArray:
        """Matrix that turns an optical-density row (red, green, blue) into stain amounts."""
        inverse = np.asarray(np.linalg.inv(self.matrix), dtype=np.float64)
        inverse.flags.writeable = False
        return inverse

    @property
    def angle_deg(self) -> float:
        """Angle between the two named stains, degrees."""
        return angle_deg(self.matrix[0], self.matrix[1])

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, StainVectors):
            return NotImplemented
        return self.names == other.names and bool(np.array_equal(self.matrix, other.matrix))

    def __hash__(self) -> int:
        return hash((self.names, self.matrix.tobytes()))


def angle_deg(a: npt.ArrayLike, b: npt.ArrayLike) -> float:
    """Angle between two directions, degrees.

    Parameters
    ----------
    a, b : array_like, shape (3,)
        Directions; length does not matter.

    Returns
    -------
    float
        0 to 180.
    """
    first, second = np.asarray(a, dtype=np.float64), np.asarray(b, dtype=np.float64)
    # atan2 keeps its precision near 0 degrees, where arccos loses it
    return float(np.degrees(np.arctan2(np.linalg.norm(np.cross(first, second)), first @ second)))


def as_matrix(vectors: StainVectors | npt.ArrayLike) -> FloatArray:
    """Full 3 x 3 matrix of unit rows from vectors or an array of two or three rows.

    Parameters
    ----------
    vectors : StainVectors or array_like, shape (2, 3) or (3, 3)
        With two rows the third is their cross product.

    Returns
    -------
    ndarray of float64, shape (3, 3)

    Raises
    ------
    UsageError
        If the shape is another or the rows cannot be told apart.
    """
    if isinstance(vectors, StainVectors):
        return vectors.matrix
    rows = np.asarray(vectors, dtype=np.float64)
    if rows.shape == (2, 3):
        return StainVectors.from_pair(rows[0].tolist(), rows[1].tolist(), ("first", "second")).matrix
    if rows.shape == (3, 3):
        return StainVectors(rows, ("first", "second", "third")).matrix
    raise UsageError(
        f"stain vectors must be StainVectors or an array of shape (2, 3) or (3, 3), got {rows.shape}"
    )


def _unit_rows(rows: FloatArray) -> FloatArray:
    if rows.ndim != 2 or rows.shape[1] != 3 or not np.isfinite(rows).all():
        raise UsageError("stain vectors must be finite rows of red, green and blue optical density")
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    if (lengths == 0).any():
        raise UsageError("a stain vector of length zero has no direction")
    return np.asarray(rows / lengths, dtype=np.float64)


H_DAB = StainVectors.from_pair(_HEMATOXYLIN, _DAB, ("hematoxylin", "dab"))
H_E = StainVectors.from_pair(_HEMATOXYLIN, _EOSIN, ("hematoxylin", "eosin"))
