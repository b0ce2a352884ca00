"""What every scoring rule needs of a cell table, checked once."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from histoquant.errors import UsageError

FloatArray = npt.NDArray[np.float64]
Columns = Mapping[str, npt.ArrayLike]

_SHARES = (0.25, 0.5, 0.75, 0.9)


def column(cells: Columns, name: str) -> FloatArray:
    """One feature of all cells.

    Parameters
    ----------
    cells : mapping of str to array_like
        Cell table: a dict of arrays, a pandas DataFrame, or anything else indexed by column name.
    name : str

    Returns
    -------
    ndarray of float64, shape (n,)

    Raises
    ------
    UsageError
        If the table has no such column.
    """
    try:
        values = cells[name]
    except KeyError:
        raise UsageError(
            f"the cell table has no column {name}, which the marker's rule needs; measure the cells again"
        ) from None
    return np.asarray(values, dtype=np.float64)


def surrounded_by(cells: Columns) -> FloatArray:
    """DAB that half of the directions around the nucleus reach, and three quarters reach at half strength.

    A direction is as brown as the brownest of three shells across the edge of the nucleus, so that it does
    not matter on which side of a membrane the nucleus was outlined. Stain of a neighbour lies on one side:
    on sections of known content the second condition shuts out two thirds of the lymphocytes that lean on
    a macrophage, and 1 % of the macrophages.

    Parameters
    ----------
    cells : mapping of str to array_like

    Returns
    -------
    ndarray of float64, shape (n,)
        Optical density; NaN where nothing could be measured.
    """
    half, most = column(cells, "around_dab_p50_od"), column(cells, "around_dab_p25_od")
    return np.asarray(np.minimum(half, 2.0 * most), dtype=np.float64)


def exceeded_by(cells: Columns, compartment: str, share: float) -> FloatArray:
    """DAB that at least this share of a compartment's pixels reach.

    Parameters
    ----------
    cells : mapping of str to array_like
    compartment : str
        ``nucleus``, ``ring`` or ``cytoplasm``.
    share : float
        0.1 to 0.75; between the stored percentiles the quantile is interpolated.

    Returns
    -------
    ndarray of float64, shape (n,)
        Optical density; NaN where the compartment has no pixels.

    Raises
    ------
    UsageError
        If the share lies beyond the stored percentiles.
    """
    below = 1.0 - share
    if not _SHARES[0] <= below <= _SHARES[-1]:
        raise UsageError(
            f"min_stained_fraction must lie between {1 - _SHARES[-1]:.2g} and {1 - _SHARES[0]:.2g} to be "
            f"told from stored percentiles, got {share:g}"
        )
    upper = next(k for k, stored in enumerate(_SHARES) if stored >= below)
    high = column(cells, f"{compartment}_dab_p{round(100 * _SHARES[upper])}_od")
    if _SHARES[upper] == below:
        return high
    low = column(cells, f"{compartment}_dab_p{round(100 * _SHARES[upper - 1])}_od")
    part = (below - _SHARES[upper - 1]) / (_SHARES[upper] - _SHARES[upper - 1])
    return np.asarray(low + part * (high - low), dtype=np.float64)
