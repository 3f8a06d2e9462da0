"""`init`: write the workflow and a commented config file into a repository."""

import textwrap
from collections.abc import Callable
from importlib import resources
from pathlib import Path

from batch_action.clients.actions_runner import Runner
from batch_action.commands.repository_files import working_tree, write_files
from batch_action.config.loading import declared_inputs
from batch_action.errors import BatchActionError, ConfigError

ACTION = "batch-action/batch-action"
"""The repository of the action."""
MAJOR = "v1"
"""The tag that workflows use; it moves with each release."""
WIDTH = 90
SCHEMA = f"https://raw.githubusercontent.com/{ACTION}/{MAJOR}/docs/config.schema.json"
"""The schema of the config file, with which an editor completes and checks it."""
_FOLDER = ".github/workflows"
_TEMPLATES = {
    False: {"nightly.yml": f"{_FOLDER}/batch-action.yml"},
    True: {
        "submit.yml": f"{_FOLDER}/batch-action-submit.yml",
        "collect.yml": f"{_FOLDER}/batch-action-collect.yml",
    },
}
"""With and without two workflows: the templates, and the paths of the workflows."""


def init(
    repo: Path,
    runner: Runner,
    *,
    force: bool,
    two_workflows: bool,
    find_release: Callable[[str], tuple[str, str]] | None = None,
) -> list[str]:
    """Write the files below `.github/` of the working tree that *repo* is in; return their paths.

    *find_release* returns the newest version of a major version, and the commit to pin; without
    it the workflows use the tag of the major version.

    Raises ConfigError: there is no working tree, one of the files exists, or it cannot be written.
    """
    root = working_tree(repo)
    folder = resources.files("batch_action.commands").joinpath("templates")
    texts = {
        name: folder.joinpath(template).read_text("utf-8")
        for template, name in _TEMPLATES[two_workflows].items()
    }
    texts[".github/batch-action.yml"] = config_text()
    # Beside the others these would review the same files.
    others = [name for name in _TEMPLATES[not two_workflows].values() if (root / name).is_file()]
    existing = others + [name for name in texts if (root / name).exists()]
    if existing and not force:
        raise ConfigError(f"{', '.join(existing)} already exists.", fix="Replace with --force.")
    if find_release is not None:
        try:
            version, commit = find_release(MAJOR)
        except BatchActionError as error:
            runner.annotate(
                "warning", f"GitHub did not name the newest release, so {MAJOR} is used: {error}"
            )
        else:
            pinned = f"{ACTION}@{commit} # {version}"
            texts = {k: text.replace(f"{ACTION}@{MAJOR}", pinned) for k, text in texts.items()}
    write_files(root, texts)
    for name in others:
        (root / name).unlink()
        runner.note(f"removed {root / name}")
    for name in texts:
        runner.note(f"wrote {root / name}")
    runner.note(
        "Next: store your key as the secret ANTHROPIC_API_KEY, commit and push these files, and "
        "run `batch-action plan` to see what a run would cost."
    )
    return [str(root / name) for name in texts]


def config_text() -> str:
    """Return a config file with every input that it may contain, explained and commented out."""
    lines = [
        f"# yaml-language-server: $schema={SCHEMA}",
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
