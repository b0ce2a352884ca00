"""Pages that repeat what the code says: commands with their options, study.toml, markers, reason codes."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import typer
from pydantic import BaseModel

from histoquant.cli import app
from histoquant.markers import MARKERS
from histoquant.report.reasons import explain, known_codes
from histoquant.study.design import StudyDesign

NOTE = "% written by docs/reference_pages.py from the code; edit the code\n\n"


def write_reference_pages(folder: Path) -> None:
    """Write every generated page; a page that has not changed keeps its time."""
    pages = {
        "command-line.md": "".join(_commands()),
        "study-toml.md": "# study.toml\n\nEvery key is optional.\n\n" + "".join(_model(StudyDesign, "")),
        "markers.md": "".join(_markers()),
        "reasons.md": "".join(_reasons()),
    }
    for name, text in pages.items():
        path, text = folder / name, NOTE + text
        if not path.exists() or path.read_text("utf-8") != text:
            path.write_text(text, "utf-8")


def _cell(text: Any) -> str:
    plain = " ".join(str(text).split()).replace("|", "\\|")
    return re.sub(r"(`[^`]*`)|([_*{}])", lambda m: m[1] or "\\" + m[2], plain)


def _commands() -> Iterator[str]:
    yield "# Command line\n\n"
    group: Any = typer.main.get_command(app)
    for name, command in group.commands.items():
        help_text = (command.help or "").strip()
        yield f"## histoquant {name}\n\n"
        for paragraph in help_text.split("\n\n"):
            if paragraph.startswith("Example"):
                about, _, line = paragraph.partition(": ")
                yield f"{about}:\n\n```text\n{line.strip()}\n```\n\n"
            else:
                yield " ".join(paragraph.split()) + "\n\n"
        context = command.make_context(name, [], resilient_parsing=True)
        records = [record for p in command.params if (record := p.get_help_record(context))]
        yield "| argument or option | says |\n|---|---|\n"
        for left, right in records:
            yield f"| `{left}` | {_cell(right)} |\n"
        yield "\n"


def _model(model: type[BaseModel], prefix: str) -> Iterator[str]:
    plain, nested = [], []
    for name, field in model.model_fields.items():
        inner = _inner_model(field.annotation)
        (nested if inner else plain).append((field.alias or name, field, inner))
    if plain:
        yield f"## {prefix or 'top level'}\n\n| key | says |\n|---|---|\n"
        for name, field, _ in plain:
            yield f"| `{name}` | {_cell(field.description or '')} |\n"
        yield "\n"
    for name, field, inner in nested:
        assert inner is not None
        path = f"{prefix.strip('[]')}.{name}" if prefix else name
        many = field.annotation is not inner
        yield from _model(inner, f"[[{path}]]" if many else f"[{path}]")


def _inner_model(annotation: Any) -> type[BaseModel] | None:
    """The model a field holds, alone or in a tuple."""
    candidates = [annotation, *getattr(annotation, "__args__", ())]
    return next((one for one in candidates if isinstance(one, type) and issubclass(one, BaseModel)), None)


def _markers() -> Iterator[str]:
    yield "# Markers\n\nSettings can be changed with `--set name=value` or `[run] set` in study.toml.\n\n"
    for name, marker in MARKERS.items():
        yield f"## {name}\n\n{_cell(type(marker).__doc__ or '').split('.')[0]}.\n\n"
        yield "| setting | value | says |\n|---|---|---|\n"
        for key, field in type(marker).model_fields.items():
            value = getattr(marker, key)
            shown = ", ".join(value) if isinstance(value, tuple) else value
            yield f"| `{key}` | {_cell(shown)} | {_cell(field.description or '')} |\n"
        yield "\n"


def _reasons() -> Iterator[str]:
    yield "# Reasons and flags\n\nWhat stands in `reason` and `flags` of the tables, and the way out.\n\n"
    yield "| code | means | way out |\n|---|---|---|\n"
    for code in known_codes():
        said = explain(code)
        yield f"| `{code}` | {_cell(said.meaning)} | {_cell(said.way_out)} |\n"
