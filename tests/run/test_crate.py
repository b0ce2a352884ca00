"""S17: the run as a Process Run Crate: whole, true to the files, and the same for equal runs."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from histoquant.run.crate import CRATE
from histoquant.run.options import RunOptions
from histoquant.run.runner import run_slides
from histoquant.store.verify import verify


@pytest.fixture(scope="module")
def crates(slides: Path, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Two runs of the same slides, and a file that is no slide."""
    folder = tmp_path_factory.mktemp("in")
    for name in ("P01_T1_V1_CD31.tif", "P01_T1_V1_CD68.tif"):
        (folder / name).symlink_to(slides / name)
    (folder / "P09_T1_V1_CD68.tif").write_bytes(b"II*\0")
    outs = [tmp_path_factory.mktemp("out") / "out" for _ in range(2)]
    for out in outs:
        assert run_slides(RunOptions((folder,), out, workers=0)) == 3
    return outs


def _graph(out: Path) -> dict[str, dict[str, Any]]:
    content = json.loads((out / CRATE).read_bytes())
    graph = {entity["@id"]: entity for entity in content["@graph"]}
    assert len(graph) == len(content["@graph"])
    return graph


def _references(value: Any) -> list[str]:
    if isinstance(value, dict):
        return (
            [value["@id"]] if set(value) == {"@id"} else [r for v in value.values() for r in _references(v)]
        )
    return [r for v in value for r in _references(v)] if isinstance(value, list) else []


def test_everything_that_is_named_is_described(crates: list[Path]):
    graph = _graph(crates[0])
    outside = {"https://w3id.org/ro/crate/1.1"}
    assert {
        r for entity in graph.values() for r in _references(list(entity.values()))
    } <= graph.keys() | outside
    assert graph[CRATE]["about"] == {"@id": "./"}
    action = graph["#run"]
    assert graph[action["instrument"]["@id"]]["softwareVersion"]
    assert action["startTime"] < action["endTime"] == graph["./"]["datePublished"]
    parts = {part["@id"] for part in graph["./"]["hasPart"]}
    assert parts >= {part["@id"] for part in action["result"]}
    assert parts == {name for name, entity in graph.items() if entity["@type"] == "File"}


def test_digests_are_those_of_the_files(crates: list[Path], slides: Path):
    out, graph = crates[0], _graph(crates[0])
    files = [graph[part["@id"]] for part in graph["#run"]["result"]]
    assert len(files) == 5 + 3
    for file in files:
        content = (out / file["@id"]).read_bytes()
        assert (file["sha256"], file["contentSize"]) == (
            hashlib.sha256(content).hexdigest(),
            str(len(content)),
        )
    inputs = {entity["name"]: entity for entity in graph.values() if entity["@id"].startswith("hash://")}
    assert inputs.keys() == {"P01_T1_V1_CD31.tif", "P01_T1_V1_CD68.tif"}
    for name, entity in inputs.items():
        assert entity["sha256"] == hashlib.sha256((slides / name).read_bytes()).hexdigest()
    assert "TRUNCATED" in graph["#slide-P09_T1_V1_CD68"]["description"]


def test_equal_runs_differ_in_dates_only_and_the_record_is_sealed(crates: list[Path]):
    def dateless(out: Path) -> str:
        graph = _graph(out)
        for entity in graph.values():
            for key in ("startTime", "endTime", "datePublished"):
                entity.pop(key, None)
        return json.dumps(graph, sort_keys=True)

    assert dateless(crates[0]) == dateless(crates[1])
    assert verify(crates[0]) == []
    path = crates[0] / CRATE
    whole = path.read_bytes()
    path.write_bytes(whole.replace(b"Process", b"process"))
    assert [fault.file for fault in verify(crates[0])] == [CRATE]
    path.write_bytes(whole)
