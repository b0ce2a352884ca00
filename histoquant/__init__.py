"""Immunohistochemistry whole-slide images into numbers a trial can rest on.

>>> import histoquant as hq
>>> slide = hq.open_slide("P03_T1_CD68.svs")  # doctest: +SKIP
>>> result = hq.quantify(slide, marker="CD68")  # doctest: +SKIP
>>> result.metrics["positive_per_mm2"]  # doctest: +SKIP
"""

from __future__ import annotations

import importlib
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from histoquant._version import __version__
from histoquant.faces import face_of


def _give_numba_a_cache() -> None:
    """Compiled kernels need a folder to be kept in; a read-only installation without a home has none."""
    home = Path(os.path.expanduser("~"))  # noqa: PTH111 - Path.home() raises for a user without one
    if "NUMBA_CACHE_DIR" in os.environ or any(os.access(f, os.W_OK) for f in (Path(__file__).parent, home)):
        return
    import tempfile

    os.environ["NUMBA_CACHE_DIR"] = tempfile.mkdtemp(prefix="histoquant-numba-")


_give_numba_a_cache()

if TYPE_CHECKING:
    from histoquant import stains
    from histoquant.run.quantify import Quantified, quantify
    from histoquant.slides import open_slide
    from histoquant.store.results import Results, load_results
else:
    _load, _ = face_of(
        __name__,
        {
            "run.quantify": "Quantified quantify",
            "slides": "open_slide",
            "store.results": "Results load_results",
        },
    )

    def __getattr__(name: str) -> Any:
        return importlib.import_module("histoquant.stains") if name == "stains" else _load(name)


__all__ = ["Quantified", "Results", "__version__", "load_results", "open_slide", "quantify", "stains"]


def __dir__() -> list[str]:
    return sorted(__all__)
