"""Where a new test file may be: folders and names that the project uses and its framework runs."""

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import PurePosixPath

from batch_action.tasks.testing import names
from batch_action.tasks.testing.frameworks import (
    Framework,
    dependencies_of,
    join_path,
    parent_folders,
    parse_package,
    project_of,
)
from batch_action.tasks.testing.suites import SCRIPT_SUFFIXES, Suites

_UNIT_FOLDERS = ("unit", "unit_tests", "unittests")
_SCRIPT_KINDS = (".test", ".spec", "-test", "-spec", "_test", "_spec", ".unit", ".tests")
ROUTE_FOLDERS: Mapping[str, tuple[str, ...]] = {
    "next": ("pages", "src/pages"),
    "gatsby": ("src/pages",),
    "astro": ("src/pages",),
    "nuxt": (
        *("pages", "app/pages", "layouts", "middleware", "plugins", "app/plugins"),
        *("server/api", "server/routes", "server/middleware", "server/plugins"),
    ),
    "expo-router": ("app", "src/app"),
    "@remix-run/react": ("app/routes",),
    "@react-router/fs-routes": ("app/routes",),
    "@tanstack/react-router": ("src/routes",),
}
"""Folders of which each file becomes a page or is loaded, by the package that does so: tests
cannot be in them. From the documentation of these packages, November 2026."""


def new_test_paths(
    path: str, framework: Framework, suites: Suites, set_by_user: Sequence[str]
) -> Iterator[str]:
    """Yield the paths at which a new test of a file would be looked for, the best first.

    Whether they are free, collected and harmless is for the caller to check. *set_by_user* are the
    folders of `test-paths`.
    """
    if framework == "go":
        stem = str(PurePosixPath(path).with_suffix(""))
        yield from (f"{stem}_test.go", f"{stem}_more_test.go")
        return
    project = project_of(path, suites.paths)
    roots = [root.strip("/") for root in set_by_user]
    inside = [r for r in roots if not project or f"{r}/".startswith(f"{project}/")]
    place = _place_pytest if framework == "pytest" else _place_script
    yield from place(path, framework, suites, (project, inside or roots))


def _place_pytest(
    path: str, _framework: Framework, suites: Suites, place: tuple[str, Sequence[str]]
) -> Iterator[str]:
    folders = list(dict.fromkeys(_pytest_folders(path, suites, *place)))
    file_names = _pytest_names(path, suites, place[0])
    yield from (join_path(folder, name) for folder in folders for name in file_names)


def _pytest_folders(path: str, suites: Suites, project: str, roots: Sequence[str]) -> Iterator[str]:
    counts = suites.index("pytest").counts
    tests = [test for test in suites.index("pytest").tests if _is_below(test, project)]
    here = next(parent_folders(path))
    relative = path.removeprefix(f"{project}/") if project else path
    for root in roots:
        yield _mirror(relative, root, suites, "pytest")
    if any(next(parent_folders(test)) == here for test in tests):
        yield here
    configured = suites.pytest_config(path).existing_roots(suites.folders)
    for folder in parent_folders(path):
        for root in (join_path(folder, "tests"), join_path(folder, "test")):
            if root in counts:
                yield _mirror(relative, root, suites, "pytest")
        if folder == project:
            break
    usual = [join_path(project, name) for name in ("tests", "test")]
    existing = [root for root in usual if root in suites.folders]
    for root in (*configured, *existing):
        yield _mirror(relative, root, suites, "pytest")
    # Folders of any other name in which most tests are, e.g. `checks`.
    tops = Counter(_top_folder(test, project) for test in tests)
    for top, _ in tops.most_common():
        if top and not _is_below(path, top):
            yield _mirror(relative, top, suites, "pytest")
    wanted = [root for root in suites.pytest_config(path).roots if not re.search(r"[*?\[]", root)]
    yield from (*wanted[:1], usual[0], here)


def _mirror(relative: str, root: str, suites: Suites, framework: Framework) -> str:
    """Return the folder for the tests of a file below a root, or below its unit tests."""
    counts = suites.index(framework).counts
    units = [u for name in _UNIT_FOLDERS if (u := join_path(root, name)) in counts]
    mirrored = [names.mirrored_folder(relative, r, suites.folders) for r in (*units[:1], root)]
    depths = [
        folder.count("/") - start.count("/")
        for folder, start in zip(mirrored, (*units[:1], root), strict=True)
    ]
    return mirrored[depths.index(max(depths))]


def _pytest_names(path: str, suites: Suites, project: str) -> list[str]:
    """Return names for a new test, as the project's tests are named."""
    config = suites.pytest_config(path)
    tests = [PurePosixPath(t) for t in suites.index("pytest").tests if _is_below(t, project)]
    patterns = [PurePosixPath(pattern).name for pattern in config.patterns]
    templates = [p for p in patterns if p != "*.py" and not re.search(r"[?\[]", p)]
    templates = [p for p in (*templates, "test_*.py", "*_test.py") if p.count("*") <= 1]
    uses = {t: sum(test.match(t) for test in tests) for t in templates}
    templates = sorted(uses, key=lambda t: (-uses[t], "*" not in t, t != "test_*.py"))
    stem, *longer = names.source_stems(path)
    folders = [part for part in PurePosixPath(path).parts[:-1] if part not in names.SOURCE_FOLDERS]
    whole = "_".join((*folders, PurePosixPath(path).stem))
    stems = (stem, *longer[:1], whole, f"{stem}_more", *(f"{stem}_{n}" for n in range(2, 10)))
    plain = dict.fromkeys(re.sub(r"[^\w-]", "_", each) for each in stems)
    return [template.replace("*", each) for template in templates for each in plain]


def _place_script(
    path: str, framework: Framework, suites: Suites, place: tuple[str, Sequence[str]]
) -> Iterator[str]:
    project, _ = place
    tests = [test for test in suites.index(framework).tests if _is_below(test, project)]
    found = (names.SCRIPT_TEST.fullmatch(PurePosixPath(test).name) for test in tests)
    used = Counter(match["kind"] for match in found if match)
    wanted = (kind for suite in suites.script_suites(path, framework) for kind in suite.kinds)
    usual = (*(kind for kind, _ in used.most_common()), *_SCRIPT_KINDS)
    kinds = list(dict.fromkeys((*usual, *wanted, "")))
    pure = PurePosixPath(path)
    stem = pure.stem.lstrip("+")  # SvelteKit allows no other file `+…` beside its own
    folders = list(dict.fromkeys(_script_folders(path, framework, suites, tests, place)))
    for suffix in dict.fromkeys((pure.suffix, *_related_suffixes(pure.suffix))):
        for folder in folders:
            longer = () if folder == str(pure.parent) else (f"{pure.parent.name}_{stem}",)
            for kind in kinds:
                stems = (stem, *longer, f"{stem}.more")
                yield from (join_path(folder, f"{each}{kind}{suffix}") for each in stems)


def _related_suffixes(suffix: str) -> list[str]:
    is_typed = "ts" in suffix
    return [each for each in SCRIPT_SUFFIXES if ("ts" in each) == is_typed]


def _script_folders(
    path: str,
    framework: Framework,
    suites: Suites,
    tests: Sequence[str],
    place: tuple[str, Sequence[str]],
) -> Iterator[str]:
    project, set_by_user = place
    here = next(parent_folders(path))
    relative = path.removeprefix(f"{project}/") if project else path
    yield from (_mirror(relative, root, suites, framework) for root in set_by_user)
    sources = {next(parent_folders(each)) for each in _sources(suites, framework)}
    nested = [test for test in tests if "__tests__" in PurePosixPath(test).parts[:-1]]
    beside = [test for test in tests if next(parent_folders(test)) in sources]
    apart = [test for test in tests if test not in nested and test not in beside]
    nested = [test for test in nested if _folder_above_tests(test) in sources]
    tops = Counter(_top_folder(test, project) for test in tests if test not in {*nested, *beside})
    usual = (join_path(project, name) for name in ("tests", "test", "spec", "__tests__"))
    own = suites.script_suites(path, framework)
    roots = (
        *(top for top, _ in tops.most_common() if top and not _is_below(path, top)),
        *(folder for folder in usual if folder in suites.folders),
        *(folder for suite in own for folder in (*suite.roots, *suite.fixed_folders) if folder),
    )
    roots = tuple(root for root in roots if root != project)
    mirrored = [_mirror(relative, root, suites, framework) for root in roots]
    routes = _route_folder(path, suites)
    styles = (
        (len(beside), [] if routes is not None else [here]),
        (len(nested), [] if routes is not None else [join_path(here, "__tests__")]),
        (len(apart), mirrored),
    )
    for _, folders in sorted(styles, key=lambda style: -style[0]):
        yield from (f for f in folders if routes is None or not _is_below(f"{f}/", routes))
    yield join_path(project, "__tests__")


def _sources(suites: Suites, framework: Framework) -> Iterator[str]:
    groups = suites.index(framework).sources_by_stem.values()
    return (path for group in groups for path in group)


def _folder_above_tests(test: str) -> str:
    parts = PurePosixPath(test).parts
    return "/".join(parts[: parts.index("__tests__")])


def _route_folder(path: str, suites: Suites) -> str | None:
    """Return the folder above a file of which a package makes each file a page; None if none."""
    for folder in parent_folders(path):
        package = parse_package(suites.manifests.get(join_path(folder, "package.json"), ""))
        for name in dependencies_of(package) & ROUTE_FOLDERS.keys():
            for inner in ROUTE_FOLDERS[name]:
                if _is_below(path, root := join_path(folder, inner)):
                    return root
    return None


def _top_folder(path: str, project: str) -> str:
    """Return the first folder of a path in its project; the project itself if it is not in one."""
    inner = path.removeprefix(f"{project}/") if project else path
    first, slash, _ = inner.partition("/")
    return join_path(project, first) if slash else project


def _is_below(path: str, folder: str) -> bool:
    return not folder or path.startswith(f"{folder}/")
