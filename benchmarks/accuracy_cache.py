"""What was drawn and measured before, kept until the sources it came from change.

Drawn phantoms hang on the phantoms' sources, figures on all of histoquant's and on the benchmark that took
them.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import tempfile
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

import histoquant
from histoquant.phantoms import Appearance, Artefact, render_field
from histoquant.phantoms.truth import Truth

HERE = Path(__file__).resolve().parent
SOURCES = Path(histoquant.__file__).resolve().parent
CACHE = Path(os.environ.get("HISTOQUANT_ACCURACY_CACHE", HERE.parent / ".cache" / "accuracy"))
Drawn = tuple[NDArray[np.uint8], Truth]
_TABLES = ("nuclei", "vessels", "aggregates", "extras")
# the page is drawn from the figures and changes none of them
_NOT_MEASURING = tuple(f"accuracy{part}.py" for part in ("", "_page", "_claims", "_tables", "_pictures"))


@lru_cache
def sources_digest(*roots: Path) -> str:
    """Digest of every Python file and data file under the folders, by relative path and content."""
    seen = hashlib.sha256()
    for root in roots:
        for path in sorted(root.rglob("*")):
            counts = path.suffix in (".py", ".csv", ".npz", ".json") and path.name not in _NOT_MEASURING
            if counts and path.is_file():
                seen.update(f"{path.relative_to(root)}\0".encode())
                seen.update(path.read_bytes())
    return seen.hexdigest()[:16]


def measuring_digest() -> str:
    """Digest of whatever a figure can hang on."""
    return sources_digest(SOURCES, HERE)


def _write(path: Path, data: bytes) -> None:
    """Whole or not at all: two processes may draw the same phantom."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=path.parent, delete=False) as file:
        file.write(data)
    Path(file.name).replace(path)


def remembered(group: str, name: str, measure: Callable[[], Any], digest: str) -> Any:
    """The figures of one unit of work: from the cache, or measured now.

    Parameters
    ----------
    group, name : str
        Name the unit; no two units share both.
    measure : callable
        Returns something JSON can hold.
    digest : str
        Of the sources, from `measuring_digest`.
    """
    key = hashlib.sha256(f"{group}\0{name}".encode()).hexdigest()[:24]
    path = CACHE / "figures" / digest / f"{key}.json"
    if not path.exists():
        _write(path, json.dumps(measure()).encode())
    return json.loads(path.read_bytes())


def drawn(
    marker: str,
    size_um: float,
    seed: int,
    appearance: Appearance,
    artefacts: tuple[Artefact, ...] = (),
    **scene: float,
) -> Drawn:
    """`render_field`, drawn once.

    Returns
    -------
    rgb : ndarray of uint8, shape (h, w, 3)
    truth : Truth
    """
    asked = repr((marker, float(size_um), seed, appearance, artefacts, sorted(scene.items())))
    return kept(asked, lambda: render_field(marker, size_um, seed, appearance, artefacts=artefacts, **scene))


def kept(asked: str, draw: Callable[[], Drawn]) -> Drawn:
    """A drawing, from the cache where it was drawn before by the same phantoms.

    Parameters
    ----------
    asked : str
        Everything the drawing hangs on besides the sources.
    draw : callable
    """
    phantoms = sources_digest(SOURCES / "phantoms")
    path = CACHE / "phantoms" / phantoms / f"{hashlib.sha256(asked.encode()).hexdigest()[:24]}.npz"
    if path.exists():
        with np.load(path) as file:
            return file["rgb"], _truth_of(file["truth"].item())
    rgb, truth = draw()
    tables = {name: getattr(truth, name).to_dict("list") for name in _TABLES}
    text = json.dumps({**tables, "summary": truth.summary})
    buffer = io.BytesIO()
    np.savez(buffer, rgb=rgb, truth=np.array(text))
    _write(path, buffer.getvalue())
    return rgb, _truth_of(text)


def _truth_of(text: str) -> Truth:
    told = json.loads(text)
    return Truth(*(pd.DataFrame(told[name]) for name in _TABLES), told["summary"])
