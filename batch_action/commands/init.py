"""`init`: write the workflow and a commented config into a repository."""

from importlib import resources
from pathlib import Path

from rich.console import Console

from batch_action.config.loading import inputs
from batch_action.errors import ConfigError

WIDTH = 90


def init(repo: Path, *, force: bool, two_workflows: bool) -> int:
    """Write both files below `.github/`. Raises ConfigError rather than overwrite one."""
    name = "submit-and-collect.yml" if two_workflows else "nightly.yml"
    template = resources.files("batch_action.commands").joinpath("templates", name)
    texts = {
        repo / ".github" / "workflows" / "batch-action.yml": template.read_text("utf-8"),
        repo / ".github" / "batch-action.yml": config_text(),
    }
    there = [str(path) for path in texts if path.exists()]
    if there and not force:
        raise ConfigError(f"{', '.join(there)} exists already.", fix="Overwrite with --force.")
    console = Console(stderr=True)
    for path, text in texts.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")
        console.print(f"wrote {path}", markup=False, highlight=False)
    console.print(
        "Next: store your key as the secret ANTHROPIC_API_KEY, pin the action to a release's "
        "commit, push, and try `batch-action plan` to see what tonight would cost.",
        markup=False,
    )
    return 0


def config_text() -> str:
    """A config file in which every input that may stand there is explained and commented out."""
    lines = ["# What batch-action does in this repository. Inputs of the workflow's step win.", ""]
    for name, (field, declared) in inputs().items():
        if declared.file:
            lines += [f"# {line}" for line in _wrapped(declared.help)]
            lines += [f"# {name}: {_yaml(field.default)}", ""]
    return "\n".join(lines)


def _wrapped(text: str) -> list[str]:
    lines = [""]
    for word in text.split():
        if len(lines[-1]) + len(word) > WIDTH:
            lines.append("")
        lines[-1] = f"{lines[-1]} {word}".strip()
    return lines


def _yaml(value: object) -> str:
    match value:
        case None | "":
            return ""
        case tuple():
            return "[" + ", ".join(str(item) for item in value) + "]"
        case bool():
            return str(value).lower()
        case _:
            return str(value)
