"""Do what a release does, as far as this machine can, and check what it made.

    make release-dry-run

Wheel and sdist are built from a clone of HEAD and each installed, with the locked dependencies, in
an empty environment outside of this tree; the image is built where containers can be; the commit is
made in the clone. Nothing is published. At the end it lists what only the workflow can do.
"""

from __future__ import annotations

import email.parser
import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import venv
import zipfile
from collections.abc import Iterable
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[2]
VERSION = "1.0.0"
"""The version of the rehearsal, unless HEAD is prepared for another one."""
DIGEST = f"sha256:{'0123456789abcdef' * 4}"
IMAGE = "ghcr.io/batch-action/batch-action"
NEEDED = (
    "batch_action/tasks/code_review.md",
    "batch_action/commands/templates/nightly.yml",
    "batch_action/requests/prices.yaml",
    "batch_action/clients/secret_formats.toml",
    "batch_action/publishers/issue/issue.md.j2",
)
BUILD = (
    "import sys; from flit_core import buildapi as b; print(getattr(b, sys.argv[1])(sys.argv[2]))"
)
BAD = "function run(x) {\n  return eval(x);\n}\n"


class RehearsalError(Exception):
    """What a release would have failed with."""


def say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def require(condition: object, problem: str) -> None:
    if not condition:
        raise RehearsalError(problem)


def run(*command: str | Path, at: Path, **environ: str) -> str:
    """Run a program without the variables of this tree and return its output."""
    inherited = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "VIRTUAL_ENV")}
    done = subprocess.run(
        [str(word) for word in command],
        cwd=at,
        env={**inherited, **environ},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    shown = " ".join(str(word) for word in command)
    require(
        done.returncode == 0, f"{shown} ended with {done.returncode}\n{done.stdout}{done.stderr}"
    )
    return done.stdout


def step(clone: Path, *arguments: str) -> str:
    return run(sys.executable, clone / ".github" / "release.py", *arguments, at=clone).strip()


def git(*arguments: str, at: Path) -> str:
    who = ("-c", "user.name=Dry run", "-c", "user.email=dry-run@example.org")
    return run("git", *who, *arguments, at=at).strip()


def prepare(folder: Path) -> tuple[Path, str]:
    """Clone HEAD, prepare it as the pull request of a release would, and return the version."""
    clone = folder / "clone"
    git("clone", "--quiet", "--no-hardlinks", str(ROOT), str(clone), at=folder)
    git("checkout", "--quiet", "--detach", git("rev-parse", "HEAD", at=ROOT), at=clone)
    for tag in git("tag", "--list", "v*", at=clone).split():
        git("tag", "--delete", tag, at=clone)
    if f"## [{VERSION}]" not in (clone / "CHANGELOG.md").read_text("utf-8"):
        step(clone, "prepare", VERSION)
        git("commit", "--quiet", "--all", "-m", f"Prepare {VERSION}", at=clone)
    say(f"ok    {step(clone, 'check', VERSION)}")
    notes = step(clone, "notes", VERSION)
    say(f"ok    the notes of the release have {len(notes.splitlines())} lines")
    return clone, VERSION


def build_packages(clone: Path, version: str) -> list[Path]:
    """Build wheel and sdist and check what they hold."""
    out = clone.parent / "dist"
    out.mkdir()
    for hook in ("build_wheel", "build_sdist"):
        run(sys.executable, "-c", BUILD, hook, out, at=clone)
    wheel, sdist = (
        out / f"batch_action-{version}-py3-none-any.whl",
        out / f"batch_action-{version}.tar.gz",
    )
    require(wheel.is_file() and sdist.is_file(), f"dist holds {[p.name for p in out.iterdir()]}")
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
        metadata = archive.read(f"batch_action-{version}.dist-info/METADATA").decode()
    require(email.parser.Parser().parsestr(metadata)["Version"] == version, "another version")
    require(set(NEEDED) <= names, f"the wheel lacks {sorted(set(NEEDED) - names)}")
    foreign = [n for n in names if not n.startswith(("batch_action/", f"batch_action-{version}."))]
    require(not foreign, f"the wheel also holds {foreign}")
    with tarfile.open(sdist) as archive:
        inside = {name.partition("/")[2] for name in archive.getnames()}
    lost = {n for n in names if n.startswith("batch_action/")} - inside
    require(not lost, f"the sdist lacks {sorted(lost)}")
    say(f"ok    {wheel.name} ({wheel.stat().st_size // 1024} kB) and {sdist.name}")
    return [wheel, sdist]


def repository(folder: Path) -> Path:
    folder.mkdir()
    git("init", "--quiet", "--initial-branch=main", at=folder)
    (folder / "app.js").write_text(BAD)
    git("add", "--all", at=folder)
    git("commit", "--quiet", "-m", "Add it", at=folder)
    return folder


def try_package(package: Path, clone: Path, version: str) -> None:
    """Install a package in an empty environment outside of the tree, and use it."""
    place = clone.parent / f"empty-{package.suffix.removeprefix('.')}"
    venv.create(place / "venv", with_pip=False, symlinks=True)
    python, program = place / "venv/bin/python", place / "venv/bin/batch-action"
    pip = (sys.executable, "-m", "pip", "--python", python, "install", "--quiet", "--no-cache-dir")
    lock = clone / "requirements.lock"
    run(*pip, "--disable-pip-version-check", "--require-hashes", "-r", lock, at=place)
    run(*pip, "--disable-pip-version-check", "--no-deps", "--no-build-isolation", package, at=place)
    shown = run(program, "--version", at=place)
    require(version in shown.split(), f"--version prints {shown}")
    run(program, "--help", at=place)
    repo = repository(place / "repo")
    [plan] = json.loads(run(program, "plan", "--json", "--first-run", "all", at=repo))["tasks"]
    require([f["path"] for f in plan["files"]] == ["app.js"], f"plan selects {plan['files']}")
    run(program, "init", at=repo)
    written = (repo / ".github/workflows/batch-action.yml").read_text("utf-8")
    require("uses: batch-action/batch-action@v1\n" in written, "init writes another workflow")
    where = run(python, "-I", "-c", "import batch_action; print(batch_action.__file__)", at=place)
    require(str(place) in where, f"the package is imported from {where}")
    say(f"ok    {package.name} is installed in an empty environment: --version, --help, plan, init")
    if package.suffix == ".whl":
        say(try_demo(pip, package, program, place))


def try_demo(pip: Iterable[str | Path], wheel: Path, program: Path, place: Path) -> str:
    run(*pip, "--disable-pip-version-check", f"batch-action[demo] @ {wheel.as_uri()}", at=place)
    run(program, "demo", "--out", place / "demo", at=place)
    require(list((place / "demo").glob("*")), "the demo wrote nothing")
    return "ok    with the extra demo its demo submits and collects"


def try_image(clone: Path, version: str) -> str:
    """Build the image for this platform and run it."""
    from tests.container.machine import prepare as prepare_engine  # noqa: PLC0415

    engine = prepare_engine()
    tag = "localhost/batch-action:release-dry-run"
    options = (*engine.build_options, "--build-arg", f"VERSION={version}", "--tag", tag)
    engine.run("build", *options, str(clone), timeout=1800)
    shown = engine.run("run", "--rm", tag, "--version")
    require(version in shown.split(), f"the image prints {shown}")
    labels = json.loads(engine.run("image", "inspect", tag))[0]["Config"]["Labels"]
    require(labels["org.opencontainers.image.version"] == version, f"its labels are {labels}")
    repo = repository(clone.parent / "repo-of-the-image")
    inside = ("-v", f"{repo}:/repo:ro", "-w", "/repo", tag, "plan", "--first-run", "all")
    require("app.js" in engine.run("run", "--rm", *inside), "the image plans nothing")
    return "ok    the image is built and runs: --version, its label, plan"


def make_commit(clone: Path, version: str) -> None:
    """Make the commit beside the branch and check what users would get."""
    before = git("rev-parse", "HEAD", at=clone)
    commit = step(clone, "commit", version, f"{IMAGE}:{version}@{DIGEST}")
    require(git("rev-parse", "HEAD", at=clone) == before, "the branch has moved")
    require(
        git("rev-parse", f"v{version}", f"{commit}^", at=clone).split() == [commit, before], "tag"
    )
    require(
        git("diff", "--name-only", before, commit, at=clone) == "action.yml", "more has changed"
    )
    action = clone.parent / "action.yml"
    action.write_text(git("show", f"v{version}:action.yml", at=clone) + "\n")
    schema = ("--quiet", "--builtin-schema", "vendor.github-actions")
    run(Path(sys.executable).parent / "check-jsonschema", *schema, action, at=clone)
    runs = yaml.safe_load(action.read_text())["runs"]
    require(runs == {"using": "docker", "image": f"docker://{IMAGE}:{version}@{DIGEST}"}, str(runs))
    major = step(clone, "major", version)
    require(re.fullmatch(r"v\d+", major), f"no major tag moves: {major!r}")
    say(f"ok    the commit beside main: {commit[:12]}, tagged v{version}; {major} would move to it")


def has_containers() -> bool:
    tools = ("podman", "buildah", "runc", "debootstrap")
    path = os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/sbin"])
    return bool(shutil.which("docker")) or all(shutil.which(tool, path=path) for tool in tools)


def main() -> int:
    """Run the rehearsal and return the exit code."""
    left = [
        "the image for the other platform, its SBOM and provenance, and the registry",
        "one file at the real services (job live)",
        "the push of commit and tags, the immutable release, PyPI by trusted publishing",
    ]
    with tempfile.TemporaryDirectory(prefix="release-dry-run-") as name:
        try:
            clone, version = prepare(Path(name).resolve())
            for package in build_packages(clone, version):
                try_package(package, clone, version)
            if has_containers():
                say(try_image(clone, version))
            else:
                left.insert(0, "the image: there is neither docker nor podman")
            make_commit(clone, version)
        except RehearsalError as error:
            say(f"FAIL  {error}")
            return 1
    say("\nNot done here, but by .github/workflows/release.yml:")
    for line in left:
        say(f"  - {line}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
