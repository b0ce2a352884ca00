"""``ro-crate-metadata.json``: the run as a Process Run Crate, for archives and for people years later.

Made from the rows and the provenance alone, so that equal runs give equal records; the two dates, which the
format demands, are read from the run's log.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

from histoquant._version import __version__
from histoquant.store.atomic import file_sha256, json_bytes, write_bytes
from histoquant.store.layout import OutputFolder

CRATE: Final = "ro-crate-metadata.json"
_SPEC: Final = "https://w3id.org/ro/crate/1.1"
_PROFILE: Final = "https://w3id.org/ro/wfrun/process/0.5"
# The second defines sha256.
_CONTEXT: Final = [f"{_SPEC}/context", "https://w3id.org/ro/terms/workflow-run/context"]
_MEDIA: Final = {
    ".csv": "text/csv",
    ".parquet": "application/vnd.apache.parquet",
    ".json": "application/json",
    ".html": "text/html",
}

Entity = dict[str, Any]


def write_crate(out: OutputFolder, rows: list[dict[str, Any]], run: dict[str, Any]) -> None:
    """Write the crate of a finished run; its log must hold the end of the run.

    Parameters
    ----------
    out : OutputFolder
        With tables and manifests in place.
    rows : list of dict
        All rows of the run.
    run : dict
        What ``run.json`` holds.
    """
    started, ended = _dates(out.root / "log.jsonl")
    results = _results(out, rows)
    inputs = list({entity["@id"]: entity for entity in map(_input, rows)}.values())  # a copy is one file
    parameters = _parameters(run)
    libraries = _libraries(run)
    folder: Entity = {
        "@id": "./",
        "@type": "Dataset",
        "name": f"histoquant: {run['study'] or 'slides'}",
        "description": "Immunohistochemistry whole-slide images quantified: one row per slide in slides.csv, "
        "one per biopsy in biopsies.csv; each slide's manifest lists its files with their digests.",
        "datePublished": ended,
        "license": "Not stated: the results belong to whoever owns the slides.",
        "conformsTo": {"@id": _PROFILE},
        # slides lie elsewhere and are named by their digest; the format wants every file here
        "hasPart": _links([*results, *(entity for entity in inputs if entity["@type"] == "File")]),
        "mentions": {"@id": "#run"},
    }
    action: Entity = {
        "@id": "#run",
        "@type": "CreateAction",
        "name": "histoquant run",
        "startTime": started,
        "endTime": ended,
        "actionStatus": "http://schema.org/CompletedActionStatus",
        "instrument": {"@id": "#histoquant"},
        "object": _links([*inputs, *parameters]),
        "result": _links(results),
    }
    graph = [_descriptor(), folder, _profile(), _software(run, libraries), *libraries, action]
    write_bytes(
        out.root / CRATE,
        json_bytes({"@context": _CONTEXT, "@graph": [*graph, *inputs, *parameters, *results]}),
    )


def _links(entities: list[Entity]) -> list[Entity]:
    return [{"@id": name} for name in dict.fromkeys(entity["@id"] for entity in entities)]


def _dates(log: Path) -> tuple[str, str]:
    """Start of the first run and end of the last, as the log tells."""
    started = ended = ""
    for line in log.read_bytes().splitlines():
        try:
            event = json.loads(line)
        except ValueError:  # a run that was cut off
            continue
        if not isinstance(event, dict):
            continue
        if event.get("event") == "run_started" and not started:
            started = str(event["time"])
        if event.get("event") == "run_finished":
            ended = str(event["time"])
    return started, ended


def _descriptor() -> Entity:
    return {
        "@id": CRATE,
        "@type": "CreativeWork",
        "conformsTo": {"@id": _SPEC},
        "about": {"@id": "./"},
    }


def _profile() -> Entity:
    return {"@id": _PROFILE, "@type": "CreativeWork", "name": "Process Run Crate", "version": "0.5"}


def _software(run: dict[str, Any], libraries: list[Entity]) -> Entity:
    machine = run["platform"]
    return {
        "@id": "#histoquant",
        "@type": "SoftwareApplication",
        "name": "histoquant",
        "softwareVersion": __version__,
        "runtimePlatform": f"Python {machine['python']} on {machine['machine']}",
        "softwareRequirements": _links(libraries),
    }


def _libraries(run: dict[str, Any]) -> list[Entity]:
    return [
        {
            "@id": f"#library-{name}",
            "@type": "SoftwareApplication",
            "name": name,
            "softwareVersion": found,
        }
        for name, found in sorted(run["libraries"].items())
        if found is not None
    ]


def _parameters(run: dict[str, Any]) -> list[Entity]:
    return [
        {
            "@id": f"#parameter-{name}",
            "@type": "PropertyValue",
            "name": name,
            "value": value if isinstance(value, str | int | float) else json.dumps(value, sort_keys=True),
        }
        for name, value in sorted(run["parameters"].items())
        if value is not None
    ]


def _input(row: dict[str, Any]) -> Entity:
    digest = row.get("source_sha256")
    if not digest:  # never read to its end
        name = f"#slide-{row['slide_id']}"
        return {"@id": name, "@type": "CreativeWork", "name": row["file"], "description": row["reason"]}
    return {"@id": f"hash://sha256/{digest}", "@type": "File", "name": row["file"], "sha256": digest}


def _results(out: OutputFolder, rows: list[dict[str, Any]]) -> list[Entity]:
    tables = ["slides.csv", "slides.parquet", "biopsies.csv", "run.json", "report.html"]
    manifests = [f"slides/{row['slide_id']}/manifest.json" for row in rows]
    return [_file(out.root, name) for name in (*tables, *manifests)]


def _file(root: Path, name: str) -> Entity:
    path = root / name
    return {
        "@id": name,
        "@type": "File",
        "name": name,
        "encodingFormat": _MEDIA[path.suffix],
        "contentSize": str(path.stat().st_size),
        "sha256": file_sha256(path),
    }
