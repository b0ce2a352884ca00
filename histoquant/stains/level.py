"""The level of whatever stands out in a histogram, free of a threshold and of how much there is of it."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Int64Array = npt.NDArray[np.int64]


def level_above(counts: Int64Array, share_percent: int, least: int) -> tuple[int, int]:
    """The largest level that is the median of all counts above a share of itself.

    Parameters
    ----------
    counts : ndarray of int64, shape (n,)
        By value, from 0.
    share_percent : int
        1 to 99.
    least : int
        Counts above the share that make a level; a smaller group, such as dust, is passed over.

    Returns
    -------
    level, count : int
        0, 0 where there is none.
    """
    # counts of values >= k, so that "above" is one look-up
    above = np.concatenate([np.cumsum(counts[::-1])[::-1], [0]])
    level = int(np.flatnonzero(above)[-1]) if above[0] else 0
    while level > 0:
        limit = level * share_percent // 100 + 1
        count = int(above[limit]) if limit < above.size else 0
        if count == 0:
            return 0, 0
        median = int(np.flatnonzero(above >= (count + 1) // 2)[-1])
        if median < level:
            level = median
        elif count >= least:
            return median, count
        else:
            level = limit - 1
    return 0, 0
