"""The visible field quantified anew in a real window: unchanged parameters give what is stored."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess

import pytest

pytest.importorskip("napari", reason="napari is not installed: pip install 'histoquant[napari]'")
Scripted = Callable[..., CompletedProcess[str]]


def test_a_visible_field_is_quantified_anew_beside_what_is_stored(
    scripted: Scripted, finished_slides: Path, finished_results: Path
) -> None:
    done = scripted("scripted_region", finished_results, finished_slides)
    assert done.returncode == 0, done.stderr[-2000:]
    lines = [line.split("\t") for line in done.stdout.splitlines() if "\t" in line]
    told = {line[0]: line[1:] for line in lines if line[0] != "VISIBLE"}
    says = [line.removeprefix("SAYS ").strip() for line in done.stdout.splitlines() if "SAYS" in line]
    assert told["far"] == ["–"] * 4 + ["False", "True", "False"]
    assert "zoom in" in says[0]
    nuclei, positive = told["same"][:2]
    assert int(nuclei) > 20
    assert told["same"] == [nuclei, positive, nuclei, positive, "True", "False", "True"]
    assert says[1] == "Parameters are those of the run."
    # larger nuclei and twice the threshold: fewer of both, and the stored ones stay as they were
    assert told["other"][:2] == [nuclei, positive]
    assert int(told["other"][2]) < int(nuclei)
    assert int(told["other"][3]) < int(positive)
    assert says[2].startswith("For the whole slide: --set nucleus_min_um2=35 --set threshold_od=")
    assert told["swapped"][4:6] == ["False", "True"]
    assert told["cleared"] == ["–"] * 4 + ["False", "True", "False"]
