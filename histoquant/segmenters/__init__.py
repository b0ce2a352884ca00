"""Networks of others as segmenters: StarDist, Cellpose and InstanSeg, from weights in a local file.

None of them is imported, or installed, unless it is asked for by name; nothing is downloaded. Their answers
hang on the window they see, by percentiles and by the reach of the network, so none says that it is exact.
"""

from __future__ import annotations

from pathlib import Path

from histoquant.errors import UsageError


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
