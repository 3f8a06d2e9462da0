"""Write files into a working tree, for the user to review and commit."""

from collections.abc import Mapping
from pathlib import Path

from batch_action.errors import ConfigError


def working_tree(folder: Path) -> Path:
    """Return the root of the working tree that a folder is in. Raises ConfigError without one."""
    folder = folder.resolve()
    for candidate in (folder, *folder.parents):
        if (candidate / ".git").exists():
            return candidate
    raise ConfigError(
        f"{folder} is in no git repository.",
        fix="Run this in your repository, name it with `--repo`, or create it with `git init`.",
    )


def write_files(root: Path, texts: Mapping[str, str]) -> None:
    """Write each text to its path below *root*, and create the folders.

    Raises ConfigError: a link leads a path out of *root*, or a file cannot be written.
    """
    for name in texts:
        if not is_inside(root, name):
            raise ConfigError(
                f"{name} leads out of the repository; nothing was written.",
                fix="Give a path inside of it, without links to other folders.",
            )
    for name, text in texts.items():
        path = root / name
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, "utf-8")
        except OSError as error:
            raise ConfigError(
                f"{name} cannot be written: {error.strerror}.",
                fix=f"Check who may write to {root}, and that its disk has space.",
            ) from None


def is_inside(root: Path, name: str) -> bool:
    """Return whether a path relative to *root* stays below it, links followed."""
    try:
        return (root / name).resolve().is_relative_to(root.resolve())
    except (OSError, RuntimeError):  # links in a circle, which Python 3.13 follows as far as it can
        return False
