"""Random tissue cut into random tiles: every object and every number is the same to the last bit.

The whole matrix of workers, tile sizes and clusters is `benchmarks/exactness.py`.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

import histoquant as hq
from histoquant.phantoms import render_field
from histoquant.phantoms.writer import write_slide
from histoquant.run.job import RunParameters
from histoquant.run.quantify import Quantified


@dataclass(frozen=True)
class _Field:
    """A phantom and how it is cut."""

    marker: str
    seed: int
    appearance: str
    size_um: tuple[float, float]
    tile_px: int
    batch_tiles: int


_FIELDS = st.builds(
    _Field,
    marker=st.sampled_from(["CD68", "CD20", "CD31"]),
    seed=st.integers(1, 10_000),
    appearance=st.sampled_from(["normal", "noisy", "pale"]),
    # less is refused for having no tissue
    size_um=st.tuples(st.sampled_from([160.0, 183.0]), st.sampled_from([170.0, 190.5])),
    # smaller than a user may choose: more borders for the same pixels
    tile_px=st.integers(48, 200),
    batch_tiles=st.integers(1, 5),
)


def _quantified(path: Path, field: _Field, tile_px: int, batch_tiles: int) -> Quantified:
    parameters = RunParameters.model_construct(tile_size_px=tile_px, batch_tiles=batch_tiles)
    with hq.open_slide(path) as slide:
        return hq.quantify(slide, field.marker, parameters=parameters)


def _arrow(table: pd.DataFrame) -> pa.Table:
    return pa.Table.from_pandas(table, preserve_index=False)


def _compare(field: _Field, folder: Path) -> None:
    rgb, truth = render_field(field.marker, field.size_um, field.seed, field.appearance)
    path = folder / "field.tif"
    write_slide(path, rgb, float(truth.summary["mpp"]))
    whole = _quantified(path, field, 4096, 16)
    tiled = _quantified(path, field, field.tile_px, field.batch_tiles)
    for name in ("cells", "vessels", "aggregates", "bands"):
        assert _arrow(getattr(tiled, name)).equals(_arrow(getattr(whole, name))), name
    assert tiled.metrics == whole.metrics
    assert tiled.flags == whole.flags
    assert (tiled._result.dab_histogram == whole._result.dab_histogram).all()
    assert set(tiled._result.self_check.values()) == {0}


_LEAVES_THE_FILE = (HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large)


# a failure is told as found: to shrink it takes minutes
_AS_FOUND = (Phase.explicit, Phase.reuse, Phase.generate)


@settings(
    max_examples=4, deadline=None, derandomize=True, phases=_AS_FOUND, suppress_health_check=_LEAVES_THE_FILE
)
@given(field=_FIELDS)
def test_a_tile_size_never_shows_in_a_result(field: _Field, tmp_path: Path):
    _compare(field, tmp_path)


@pytest.mark.full
@pytest.mark.timeout(3600)
@settings(max_examples=100, deadline=None, phases=_AS_FOUND, suppress_health_check=_LEAVES_THE_FILE)
@given(field=_FIELDS)
def test_a_tile_size_never_shows_in_a_result_of_a_hundred(field: _Field, tmp_path: Path):
    _compare(field, tmp_path)
