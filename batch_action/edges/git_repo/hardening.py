"""How git is called: plumbing only, on the object database only, with nothing of it trusted.

The repository under review is somebody's content, its `.git/config` included. So no call fetches,
runs a hook, a filter, a signature check or an external diff, reads the system's or the user's
configuration, or touches the work tree.
"""

from pathlib import Path

from batch_action.errors import ConfigError

NO_REPOSITORY = "add actions/checkout with fetch-depth: 0 before this step."

CONFIG = {
    # A container runs as root in a workspace of another owner; see actions/runner and git 2.35.2.
    "safe.directory": "*",
    "core.hooksPath": "/dev/null",
    "core.fsmonitor": "false",
    "core.attributesFile": "/dev/null",
    "core.commitGraph": "true",
    "core.quotePath": "false",
    "core.pager": "cat",
    "log.showSignature": "false",
    "protocol.allow": "never",
    "submodule.recurse": "false",
}


def hardened(git_dir: Path) -> dict[str, str]:
    """Return the environment of a call on `git_dir`; it wins over what the process inherited."""
    env = {
        "GIT_DIR": str(git_dir),
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_CONFIG_GLOBAL": "/dev/null",
        "GIT_CONFIG_PARAMETERS": "",
        "GIT_CONFIG_COUNT": str(len(CONFIG)),
        "GIT_ATTR_NOSYSTEM": "1",
        "GIT_NO_LAZY_FETCH": "1",
        "GIT_NO_REPLACE_OBJECTS": "1",
        "GIT_OPTIONAL_LOCKS": "0",
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_LITERAL_PATHSPECS": "1",
        # Beats `protocol.<name>.allow` in the repository's own configuration; see git(1).
        "GIT_ALLOW_PROTOCOL": "none",
        "GIT_PAGER": "cat",
        "GIT_TRACE": "0",
        "LC_ALL": "C",
    }
    for number, (key, value) in enumerate(CONFIG.items()):
        env[f"GIT_CONFIG_KEY_{number}"] = key
        env[f"GIT_CONFIG_VALUE_{number}"] = value
    return env


def find_git_dir(path: Path) -> Path:
    """Return the git directory of `path` or of the nearest folder above it.

    Found here and not by git, so that neither `GIT_DIR` of the process nor the owner check decide.

    Raises:
        ConfigError: there is none.

    """
    start = path.absolute()
    for folder in (start, *start.parents):
        marker = folder / ".git"
        if marker.is_dir() and (marker / "HEAD").exists():
            return marker
        if marker.is_file():  # a linked work tree or a submodule: `gitdir: <path>`
            target = marker.read_text("utf-8", "surrogateescape").partition("gitdir:")[2].strip()
            return (folder / target).resolve()
        if (folder / "HEAD").is_file() and (folder / "objects").is_dir():
            return folder
    raise ConfigError(f"There is no git repository at {path}:", fix=NO_REPOSITORY)


def common_dir(git_dir: Path) -> Path:
    """Return where objects and shallow file live: elsewhere for a linked work tree."""
    pointer = git_dir / "commondir"
    if not pointer.is_file():
        return git_dir
    return (git_dir / pointer.read_text("utf-8", "surrogateescape").strip()).resolve()
