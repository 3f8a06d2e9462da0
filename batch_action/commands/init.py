"""`init`: write the workflow and a commented config file into a repository."""

import textwrap
from importlib import resources
from pathlib import Path

from rich.console import Console

from batch_action.config.loading import declared_inputs
from batch_action.errors import ConfigError

WIDTH = 90


def init(repo: Path, *, force: bool, two_workflows: bool) -> int:
    """Write both files below `.github/`. Returns 0. Raises ConfigError when one exists."""
    name = "submit-and-collect.yml" if two_workflows else "nightly.yml"
    template = resources.files("batch_action.commands").joinpath("templates", name)
    texts = {
        repo / ".github" / "workflows" / "batch-action.yml": template.read_text("utf-8"),
        repo / ".github" / "batch-action.yml": config_text(),
    }
    existing = [str(path) for path in texts if path.exists()]
    if existing and not force:
        raise ConfigError(f"{', '.join(existing)} already exists.", fix="Overwrite with --force.")
    console = Console(stderr=True)
    for path, text in texts.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")
        console.print(f"wrote {path}", markup=False, highlight=False)
    console.print(
        "Next: store your key as the secret ANTHROPIC_API_KEY, pin the action to a release's "
        "commit, push, and run `batch-action plan` to see what a run would cost.",
        markup=False,
    )
    return 0


def config_text() -> str:
    """Return a config file with every input that it may contain, explained and commented out."""
    lines = [
        "# Settings of batch-action in this repository. Inputs in the workflow take precedence.",
        "",
    ]
    for name, (field, declared) in declared_inputs().items():
        if declared.file:
            lines += [f"# {line}" for line in textwrap.wrap(declared.help, WIDTH)]
            lines += [f"# {name}: {_yaml_value(field.default)}", ""]
    return "\n".join(lines)


def _yaml_value(value: object) -> str:
    match value:
        case None | "":
            return ""
        case tuple():
            return "[" + ", ".join(str(item) for item in value) + "]"
        case bool():
            return str(value).lower()
        case _:
            return str(value)
