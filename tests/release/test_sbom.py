"""The bill of materials lists what is installed, with versions, licences and who needs whom."""

from __future__ import annotations

import json
import subprocess
import sys
import tomllib
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[2]


def made(*extras: str) -> dict[str, Any]:
    chosen = [word for extra in extras for word in ("--extra", extra)]
    command = [sys.executable, ROOT / "scripts" / "sbom.py", *chosen]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return dict(json.loads(done.stdout))


@pytest.mark.parametrize("extras", [(), ("export", "cluster", "napari")])
def test_it_lists_what_is_asked_for_and_what_that_needs(extras: tuple[str, ...]) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    asked = [*project["dependencies"]]
    for extra in extras:
        asked += project["optional-dependencies"][extra]
    bill = made(*extras)
    assert (bill["bomFormat"], bill["specVersion"]) == ("CycloneDX", "1.6")
    listed = {one["name"]: one for one in bill["components"]}
    for text in asked:
        requirement = Requirement(text)
        one = listed[canonicalize_name(requirement.name)]
        assert one["version"] == version(requirement.name)
        assert one["purl"] == f"pkg:pypi/{one['name']}@{one['version']}"
    assert "packaging" in listed
    assert ("anndata" in listed) == ("export" in extras)
    # every reference is one of the document's own, and every component is needed by something
    refs = {one["bom-ref"] for one in bill["components"]} | {bill["metadata"]["component"]["bom-ref"]}
    edges = {one["ref"]: set(one["dependsOn"]) for one in bill["dependencies"]}
    assert set(edges) == refs
    assert set().union(*edges.values()) == refs - {bill["metadata"]["component"]["bom-ref"]}


def test_each_package_says_its_licence_and_none_is_gpl() -> None:
    bill = made("export", "cluster", "napari")
    for one in bill["components"]:
        said = [entry.get("expression") or entry["license"]["name"] for entry in one.get("licenses", ())]
        assert said, one["name"]
        # the lesser one is none, and a choice that holds another licence is fine
        gpl_alone = [text for text in said if "GPL" in text and "LGPL" not in text and " OR " not in text]
        assert gpl_alone == [], one["name"]


def test_the_same_environment_gives_the_same_document() -> None:
    assert made() == made()
