"""Immunohistochemistry whole-slide images into numbers a trial can rest on.

>>> import histoquant as hq
>>> slide = hq.open_slide("P03_T1_CD68.svs")  # doctest: +SKIP
>>> result = hq.quantify(slide, marker="CD68")  # doctest: +SKIP
>>> result.metrics["positive_per_mm2"]  # doctest: +SKIP
"""

from __future__ import annotations

import importlib
import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from histoquant._version import __version__

if TYPE_CHECKING:
    from histoquant import stains
    from histoquant.run.quantify import Quantified, quantify
    from histoquant.slides import open_slide
    from histoquant.store.results import Results, load_results


def _give_numba_a_cache() -> None:
    """Compiled kernels need a folder to be kept in; a read-only installation without a home has none."""
    home = Path(os.path.expanduser("~"))  # noqa: PTH111 - Path.home() raises for a user without one
    if "NUMBA_CACHE_DIR" in os.environ or any(os.access(f, os.W_OK) for f in (Path(__file__).parent, home)):
        return
    os.environ["NUMBA_CACHE_DIR"] = tempfile.mkdtemp(prefix="histoquant-numba-")


_give_numba_a_cache()

# Loaded when first used, so that `histoquant --help` does not wait for numba and OpenCV.
_LAZY = {
    "Quantified": "histoquant.run.quantify",
    "Results": "histoquant.store.results",
    "load_results": "histoquant.store.results",
    "open_slide": "histoquant.slides",
    "quantify": "histoquant.run.quantify",
}

__all__ = ["Quantified", "Results", "__version__", "load_results", "open_slide", "quantify", "stains"]


def __getattr__(name: str) -> Any:
    if name == "stains":
        return importlib.import_module("histoquant.stains")
    if name in _LAZY:
        return getattr(importlib.import_module(_LAZY[name]), name)
    raise AttributeError(f"module 'histoquant' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
