"""What Jest, Vitest and Mocha collect, by their configuration."""

import json
import re
import shlex
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import PurePosixPath
from posixpath import normpath
from typing import Any, NamedTuple

import yaml

from batch_action.tasks.testing.frameworks import (
    CONFIG_NAMES,
    Framework,
    framework_of_package,
    join_path,
    parent_folders,
    parse_package,
)
from batch_action.tasks.testing.literals import CONFIG_FOLDER, exported_value

DEFAULT_INCLUDE: Mapping[Framework, tuple[str, ...]] = {
    "jest": ("**/__tests__/**/*.?([cm])[jt]s?(x)", "**/?(*.)+(spec|test).?([cm])[jt]s?(x)"),
    "vitest": ("**/*.{test,spec}.?(c|m)[jt]s?(x)",),
    "mocha": ("./test",),
}
"""https://jestjs.io/docs/configuration, https://vitest.dev/config/,
https://mochajs.org/#the-test-directory (read in November 2026)."""
DEFAULT_EXCLUDE = ("**/node_modules/**", "**/.git/**")
MAX_PATH_CHARS = 400
"""A longer path is collected by nothing: patterns from outside cannot take long."""
_MAX_PATTERN_CHARS = 300
_MAX_STARS, _MAX_STARS_IN_PART = 10, 3
_MAX_PATTERNS = 50
_MAX_REPEATS = 4
_OPTION_WITH_VALUE = re.compile(
    r"-[rRtug]|--(?:require|reporter|timeout|ui|grep|extension|config|ignore|loader|import)"
)
_KIND = re.compile(
    r"(?P<separator>[_-]?)[@+?]?[({]?(?P<words>[a-z]\w*(?:[|,]\w+)*)[)}]?(?=\\?\.)", re.IGNORECASE
)
_WILDCARD = re.compile(r"[*?{\[(+@!]")


@dataclass(frozen=True, slots=True, kw_only=True)
class ScriptSuite:
    """The tests that one configuration collects, or one of its projects."""

    folder: str = ""
    """The folder to which the configuration belongs, relative to the repository."""
    roots: tuple[str, ...] = ()
    """Where tests are looked for; empty: everywhere below `folder`."""
    include: tuple[re.Pattern[str], ...]
    """Expressions for a path of the repository with a slash before it."""
    exclude: tuple[re.Pattern[str], ...] = ()
    fixed_folders: tuple[str, ...] = ()
    """The folders at the beginning of patterns, up to the first wildcard."""
    kinds: tuple[str, ...] = ()
    """What patterns want between the name of a file and its extension, such as `.check`."""

    def collects(self, path: str) -> bool:
        """Return whether a file at this path is run as a test."""
        absolute = f"/{path}"
        return (
            len(path) <= MAX_PATH_CHARS
            and any(_is_below(path, root) for root in self.roots or (self.folder,))
            and any(pattern.search(absolute) for pattern in self.include)
            and not any(pattern.search(absolute) for pattern in self.exclude)
        )


class _File(NamedTuple):
    """The file whose suites are looked for, among the manifests of the commit."""

    path: str
    manifests: Mapping[str, str]


def suites_of(
    path: str, framework: Framework, manifests: Mapping[str, str]
) -> tuple[ScriptSuite, ...]:
    """Return the suites of the nearest configuration above a file, or those of the defaults.

    What cannot be read without running it counts as not set.
    """
    for folder in parent_folders(path):
        package = parse_package(manifests.get(join_path(folder, "package.json"), ""))
        configs = list(_configurations(folder, framework, package, manifests))
        if configs:
            file = _File(path, manifests)
            return tuple(
                suite for at, config in configs for suite in _suites(at, framework, config, file)
            )
        if framework_of_package(folder, manifests) == framework:
            return (_suite(folder, framework, {}),)
    return (_suite("", framework, {}),)


def _configurations(
    folder: str, framework: Framework, package: Mapping[str, Any], manifests: Mapping[str, str]
) -> Iterable[tuple[str, Any]]:
    """Yield folder and value of the configuration that is used in a folder, if there is one."""
    command, scripts = "", package.get("scripts")
    if isinstance(scripts, dict):
        tests = sorted(scripts.items(), key=lambda pair: (pair[0] != "test", str(pair[0])))
        command = next((str(c) for _, c in tests if re.search(rf"\b{framework}\b", str(c))), "")
    named = re.search(r"(?:--config|\s-c)[= ]\s*['\"]?([\w./@-]+)", command)
    at = normpath(join_path(folder, named[1])) if named else ""
    own = package.get(framework)
    if framework == "mocha" and not named and (specs := _specs_of_command(command)):
        yield folder, {**(own if isinstance(own, dict) else {}), **specs}
    elif at in manifests:
        yield next(parent_folders(at)), _read(at, manifests[at])
    elif isinstance(own, dict):
        yield folder, own
    else:
        names = sorted(
            path
            for path in manifests
            if next(parent_folders(path)) == folder
            and CONFIG_NAMES[framework].fullmatch(PurePosixPath(path).name)
        )
        # Vitest reads its own file before Vite's; a workspace goes before both.
        names.sort(key=lambda p: (".workspace." not in p, "vitest" not in p))
        if names:
            yield folder, _read(names[0], manifests[names[0]])


def _read(path: str, text: str) -> Any:
    try:
        if path.endswith((".yml", ".yaml")):
            return yaml.safe_load(text)
        if path.endswith((".json", ".jsonc")):
            return json.loads(re.sub(r"^\s*//.*$", "", text, flags=re.MULTILINE))
    except (ValueError, RecursionError, yaml.YAMLError):
        return None
    return exported_value(text)


def _specs_of_command(command: str) -> dict[str, Any]:
    """Return what a command `mocha … test/**/*.js` names; nothing if it names nothing."""
    try:
        words = shlex.split(re.split(r"&&|\|\||;", command[command.find("mocha") :])[0])
    except ValueError:
        return {}
    specs = [
        word
        for before, word in pairwise(words)
        if not word.startswith("-") and not _OPTION_WITH_VALUE.fullmatch(before)
    ]
    return {"spec": specs, "recursive": "--recursive" in words} if specs else {}


def _suites(folder: str, framework: Framework, config: Any, of: _File) -> Iterable[ScriptSuite]:
    """Yield the suites of a configuration: of the projects that *of* may be in, or its own."""
    if isinstance(config, list):
        config = {"test": {"projects": config}} if framework == "vitest" else {"projects": config}
    options = config if isinstance(config, dict) else {}
    shared: Mapping[str, Any] = {}
    if framework == "vitest":
        shared = {k: v for k, v in options.items() if k == "root"}
        test = options.get("test")
        options = {**shared, **test} if isinstance(test, dict) else shared
    projects = options.get("projects") or options.get("workspace")
    if not isinstance(projects, list) or not all(isinstance(p, str | dict) for p in projects):
        yield _suite(folder, framework, options)
        return
    for project in projects:
        if isinstance(project, str):
            yield from _named_project(_base(folder, framework, options), framework, project, of)
            continue
        inner = project.get("test") if framework == "vitest" else project
        inherited = options if project.get("extends") is True else {}
        root = {"root": project["root"]} if "root" in project else {}
        yield _suite(
            folder, framework, {**inherited, **root, **(inner if isinstance(inner, dict) else {})}
        )


def _named_project(base: str, framework: Framework, glob: str, of: _File) -> Iterable[ScriptSuite]:
    """Yield the suites of the projects that a glob names: folders, or configuration files."""
    pattern = glob_pattern(_absolute(base, glob).rstrip("/"))
    if pattern is None or glob.startswith("!"):
        return
    for folder in parent_folders(of.path):
        if not _is_below(f"{folder}/", base):
            return
        for path, text in of.manifests.items():
            if next(parent_folders(path)) == folder and pattern.search(f"/{path}"):
                yield _suite(folder, framework, _own_options(_read(path, text), framework))
                return
        if pattern.search(f"/{folder}".rstrip("/")) or (folder == base and glob == "."):
            package = parse_package(of.manifests.get(join_path(folder, "package.json"), ""))
            own = list(_configurations(folder, framework, package, of.manifests))
            for at, config in own or [(folder, {})]:
                yield _suite(at, framework, _own_options(config, framework))
            return


def _own_options(config: Any, framework: Framework) -> Mapping[str, Any]:
    options = config if isinstance(config, dict) else {}
    if framework == "vitest":
        test = options.get("test")
        root = {"root": options["root"]} if "root" in options else {}
        return {**root, **(test if isinstance(test, dict) else {})}
    return options


def _base(folder: str, framework: Framework, options: Mapping[str, Any]) -> str:
    base = _resolve(folder, next(iter(_texts(options, "rootDir", "root")), ""))
    return _resolve(base, next(iter(_texts(options, "dir")), "")) if framework == "vitest" else base


def _suite(folder: str, framework: Framework, options: Mapping[str, Any]) -> ScriptSuite:
    base = _base(folder, framework, options)
    default = list(DEFAULT_INCLUDE[framework])
    globs = _texts(options, *{"jest": ["testMatch"], "mocha": ["spec"]}.get(framework, ["include"]))
    if framework == "mocha":
        globs, default = _mocha_globs(globs, options), _mocha_globs(default, options)
    include = [_absolute(base, glob) for glob in globs if not glob.startswith("!")]
    exclude = [_absolute(base, glob[1:]) for glob in globs if glob.startswith("!")]
    expressions = _texts(options, "testRegex") if framework == "jest" else []
    patterns = [p for e in expressions if (p := _expression(base, e)) is not None]
    if not patterns:
        patterns = [p for glob in include if (p := glob_pattern(glob)) is not None]
    if not patterns:
        include = [_absolute(base, glob) for glob in default]
        patterns = [p for glob in include if (p := glob_pattern(glob)) is not None]
    ignored = _texts(options, "testPathIgnorePatterns") if framework == "jest" else []
    exclude += [_absolute(base, g) for g in (*DEFAULT_EXCLUDE, *_excluded(framework, options))]
    roots = _texts(options, "roots") if framework == "jest" else []
    return ScriptSuite(
        folder=base,
        roots=tuple(_resolve(base, root) for root in roots),
        include=tuple(patterns[:_MAX_PATTERNS]),
        exclude=(
            *(p for glob in exclude[:_MAX_PATTERNS] if (p := glob_pattern(glob)) is not None),
            *(p for e in ignored[:_MAX_PATTERNS] if (p := _expression(base, e)) is not None),
        ),
        fixed_folders=tuple(dict.fromkeys(map(_fixed_folder, include))),
        kinds=tuple(dict.fromkeys(k for text in (*include, *expressions) for k in _kinds(text))),
    )


def _excluded(framework: Framework, options: Mapping[str, Any]) -> list[str]:
    names = {"vitest": ["exclude"], "mocha": ["exclude", "ignore"]}.get(framework, [])
    return _texts(options, *names)


def _mocha_globs(specs: Sequence[str], options: Mapping[str, Any]) -> list[str]:
    """Return globs for what may be folders, too: Mocha looks for files of its extensions there."""
    extensions = [e.lstrip(".") for e in _texts(options, "extension")] or ["js", "cjs", "mjs"]
    inside = "**/*" if options.get("recursive") is True else "*"
    return [
        spec
        if _WILDCARD.search(spec) or PurePosixPath(spec).suffix
        else f"{spec.rstrip('/')}/{inside}.{{{','.join(extensions)}}}"
        for spec in specs
    ]


def _texts(options: Mapping[str, Any], *names: str) -> list[str]:
    """Return the texts of options that may be a text or a list of texts."""
    values = (options.get(name) for name in names)
    lists = (value if isinstance(value, list) else [value] for value in values)
    return [each for values in lists for each in values if isinstance(each, str)]


def _resolve(folder: str, place: str) -> str:
    """Return a place of a configuration relative to the repository; its root if it leaves it."""
    for mark in ("<rootDir>", CONFIG_FOLDER):
        place = place.removeprefix(mark)
    resolved = normpath(join_path(folder, place.strip("/") or "."))
    return "" if resolved == "." or resolved.startswith("..") else resolved


def _absolute(base: str, glob: str) -> str:
    """Return a glob for a path of the repository with a slash before it."""
    for mark in ("<rootDir>/", f"{CONFIG_FOLDER}/", "./"):
        glob = glob.removeprefix(mark)
    folder = base
    while glob.startswith("../"):
        glob, folder = glob[3:], next(parent_folders(folder)) if folder else ""
    return f"/{join_path(folder, glob.lstrip('/'))}"


def _fixed_folder(glob: str) -> str:
    """Return the folder before the first wildcard of an absolute glob."""
    parts = PurePosixPath(glob).parts[1:-1]
    count = next((n for n, part in enumerate(parts) if _WILDCARD.search(part)), len(parts))
    return "/".join(parts[:count])


def _kinds(pattern: str) -> Iterable[str]:
    """Yield the kinds of names that a glob or an expression may want: `.check` of `*.check.ts`."""
    for match in _KIND.finditer(pattern):
        words = re.split(r"[|,]", match["words"])
        yield from (f"{match['separator'] or '.'}{word}" for word in words)


def _is_below(path: str, folder: str) -> bool:
    return not folder or path.startswith(f"{folder}/")


def _expression(base: str, text: str) -> re.Pattern[str] | None:
    """Return a regular expression of Jest; None for one that could take long, or is none here."""
    place = re.escape(f"/{base}".rstrip("/"))
    text = text.replace("<rootDir>", place).replace(CONFIG_FOLDER, place)
    repeated = re.sub(r"\\.|\[(?:\\.|[^\]\\])*\]", "x", text)
    is_slow = (
        re.search(r"\)\s*[*+{]", repeated) or len(re.findall(r"[*+{]", repeated)) > _MAX_REPEATS
    )
    if len(text) > _MAX_PATTERN_CHARS or is_slow:
        return None
    try:
        return re.compile(text)
    except (re.error, RecursionError, OverflowError):
        return None


def glob_pattern(glob: str) -> re.Pattern[str] | None:
    """Return the expression of a glob as micromatch and picomatch read it; None if unreadable.

    https://github.com/micromatch/picomatch#globbing-features
    """
    parts = glob.split("/")
    is_nested = re.search(r"[*+]\([^)]*[*+]", glob)
    stars = max((part.count("*") for part in parts), default=0)
    if (
        is_nested
        or len(glob) > _MAX_PATTERN_CHARS
        or glob.count("*") > _MAX_STARS
        or stars > _MAX_STARS_IN_PART
    ):
        return None
    try:
        return re.compile(f"^{_translate(glob)}$")
    except (re.error, RecursionError):
        return None


_PIECE = re.compile(r"\*\*/|\*\*|[?*+@!]\(|[*?{(]|[)}|,]|\[[!^]?\]?[^\]]*\]|\\.|.", re.DOTALL)
_CLOSING = {
    "?(": ")?",
    "*(": ")*",
    "+(": ")+",
    "@(": ")",
    "!(": ")(?:[/.]|$))[^/]*",
    "{": ")",
    "(": ")",
}


def _translate(glob: str) -> str:
    result: list[str] = []
    open_groups: list[str] = []
    for piece in _PIECE.findall(glob):
        if piece == "**/":
            result.append("(?:[^/]+/)*")
        elif piece == "**":
            result.append(".*")
        elif piece in _CLOSING:
            open_groups.append(piece)
            result.append("(?!(?:" if piece == "!(" else "(?:")
        elif open_groups and piece == ("}" if open_groups[-1] == "{" else ")"):
            result.append(_CLOSING[open_groups.pop()])
        elif open_groups and piece == ("," if open_groups[-1] == "{" else "|"):
            result.append("|")
        elif piece in ("*", "?"):
            result.append("[^/]*" if piece == "*" else "[^/]")
        elif piece.startswith("[") and piece != "[":
            result.append(re.sub(r"^\[!", "[^", piece))
        else:
            result.append(re.escape(piece[-1] if piece.startswith("\\") else piece))
    return "".join(result)
