"""Every code that a table can hold has words and, where there is one, a way out."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from histoquant.report.reasons import explain, known_codes, speak

PACKAGE: Final = Path(__file__).resolve().parents[2] / "histoquant"
NO_CODES: Final = {"OK_WITH_FLAGS", "MALLOC_ARENA_MAX", "MADV_HUGEPAGE"}
"""Written like a code: one is said in words of its own, the others are names of settings of the system."""

_CODE: Final = re.compile(r"([A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+)(?:[:(\s].*)?", re.DOTALL)
# Calls whose first argument is a code, whether it has an underscore or not.
_TAKES_A_CODE: Final = re.compile(r"Slide\w*Error|Note|_?remark")


def _texts(tree: ast.Module) -> Iterator[str]:
    """Text constants that are neither docstrings nor names made public, starts of f-strings among them."""
    said = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in tree.body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__":
            said |= {id(part) for part in ast.walk(node)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in said:
            yield node.value


def _first_arguments(tree: ast.Module) -> Iterator[str]:
    """One-word codes handed to something that takes a code."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and node.args and isinstance(node.args[0], ast.Constant):
            name = getattr(node.func, "id", getattr(node.func, "attr", ""))
            text = node.args[0].value
            if _TAKES_A_CODE.fullmatch(name) and isinstance(text, str) and re.fullmatch("[A-Z]{3,}", text):
                yield text


def codes() -> dict[str, str]:
    """Every code in the sources of what makes results, with a file that holds it."""
    found = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        if path.name == "__init__.py" or path.parent.name in {"report", "figures", "phantoms", "viewer"}:
            continue  # names of faces, words themselves, and what no table holds
        tree = ast.parse(path.read_text())
        for text in _texts(tree):
            if match := _CODE.fullmatch(text):
                found[match.group(1)] = path.name
        found |= dict.fromkeys(_first_arguments(tree), path.name)
        few = re.findall(r"\bfew\(\"(\w+)\"", path.read_text())
        found |= {f"FEW_{what.upper()}": path.name for what in few}
    return found


def test_every_code_in_the_library_has_words() -> None:
    found = codes()
    assert {"NO_MPP", "TRUNCATED", "FEW_PATIENTS", "NO_FIT", "UNEVEN_BACKGROUND"} <= set(found)
    wordless = {code: file for code, file in found.items() if code not in known_codes()}
    assert set(wordless) <= NO_CODES, f"report/slide_words.py has no words for {wordless}"


def test_no_code_sends_a_reader_to_the_log_that_need_not() -> None:
    to_the_log = {code for code in known_codes() if "log.jsonl" in explain(code).way_out}
    assert to_the_log == {"WORKER_DIED", "INTERNAL"}


def test_words_are_sentences() -> None:
    for code in known_codes():
        said = explain(code)
        for text in (said.meaning, said.way_out):
            assert not text or (text[0].isupper() and text.endswith((".", "?", ")"))), code


def test_unknown_codes_and_sentences_are_readable() -> None:
    assert explain("SOMETHING_NEW").meaning == "Something new."
    assert explain("CODEC:JPEG XR").meaning.endswith("(JPEG XR)")
    assert explain("A plain sentence.").code == ""
    assert (
        speak("FAILED NO_MPP, REFUSED Z_STACK") == "slide failed: resolution unknown, slide refused: z stack"
    )
