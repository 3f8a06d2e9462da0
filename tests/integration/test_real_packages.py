"""Modules of installed packages with defects, through submit and collect: one row is a module."""

import importlib.util
from collections.abc import Sequence
from pathlib import Path

import pytest

from batch_action.sandbox.server import Sandbox
from tests.harness.odd_repositories import Outcome, Row, Step, check, folder_of, play, row
from tests.harness.workflow import WorkflowHarness

MAX_LINES = 2_500
MODULES = (
    *("click.core", "click.types", "jinja2.lexer", "jinja2.nodes", "rich.table", "rich.text"),
    *("attr._make", "requests.models", "urllib3.response", "yaml.scanner", "werkzeug.http"),
    *("pluggy._manager", "starlette.routing", "packaging.version", "pygments.lexers.python"),
)


def text_of(module: str) -> str:
    spec = importlib.util.find_spec(module)
    assert spec is not None
    assert spec.origin is not None
    lines = Path(spec.origin).read_text("utf-8").split("\n")
    return "\n".join(lines[:MAX_LINES]).rstrip() + "\n"


def with_defects(text: str) -> str:
    """Put three defects into the bodies of functions: early, in the middle and late."""
    lines = text.split("\n")
    places = [n for n, line in enumerate(lines) if line.startswith("        return")]
    chosen = [places[len(places) * part // 10] for part in (1, 5, 9)]
    for number, place in reversed(list(enumerate(chosen, 1))):
        lines.insert(place, f"        defect_{number}(self, {number})")
    return "\n".join(lines)


def without(text: str, number: int) -> str:
    return "\n".join(line for line in text.split("\n") if f"defect_{number}(" not in line)


def cut(text: str, number: int) -> tuple[str, str]:
    """Cut the ten lines around a defect out of a text."""
    lines = text.split("\n")
    at = next(n for n, line in enumerate(lines) if f"defect_{number}(" in line)
    return "\n".join(lines[: at - 5] + lines[at + 5 :]), "\n".join(lines[at - 5 : at + 5]) + "\n"


def life_of(module: str) -> Row:
    """Return the row of a module: edited, fixed, renamed, cut in two, put back."""
    text = with_defects(text_of(module))
    edited = text.replace("\nimport ", "\nimport os\nimport ", 1) + "\n\nEND = 1\n"
    fixed = without(edited, 2)
    rest, part = cut(fixed, 3)
    return row(
        {"old.py": text_of(module)},
        {"old.py": text},
        {"old.py": edited},
        {"old.py": fixed},
        Step(
            change={"old.py": fixed.replace("\n", "\r\n")},
            skipped={"old.py": "same-content"},
        ),
        Step(
            change={"old.py": None, "new.py": fixed.replace("\n", "\r\n")},
            skipped={"new.py": "same-content"},
        ),
        {"new.py": rest, "part.py": part},
        {"new.py": edited + "\n", "part.py": None},
        {"new.py": without(without(edited, 1), 3)},
    )


ROWS = {module: life_of(module) for module in MODULES}


@pytest.fixture(scope="module")
def outcomes(
    running: Sandbox, tmp_path_factory: pytest.TempPathFactory, small_ca_bundle: Path
) -> Sequence[Outcome]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SSL_CERT_FILE", str(small_ca_bundle))
        workflow = WorkflowHarness.create(running, tmp_path_factory.mktemp("real"))
        return play(workflow, ROWS)


@pytest.mark.parametrize("module", MODULES)
def test_findings_in_real_code_keep_their_life(outcomes: Sequence[Outcome], module: str) -> None:
    check(ROWS[module], outcomes, folder_of(module))
