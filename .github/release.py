"""The steps of a release that are more than one command; release.yml and the dry run call them.

    python .github/release.py prepare 1.2.0        write the version and the changelog's heading
    python .github/release.py check 1.2.0          may this commit become this version?
    python .github/release.py notes 1.2.0          print the notes of the release
    python .github/release.py commit 1.2.0 IMAGE   print the commit whose action.yml names IMAGE
    python .github/release.py major 1.2.0          print v1, if v1 is to move to this version
    python .github/release.py live SENT STATUS COST RESULTS    was one file reviewed, and paid for?

It needs Python 3.11 and git. A step that cannot go on prints one line and ends with 1.
"""

import json
import os
import re
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Callable
from datetime import UTC, datetime
from inspect import signature
from pathlib import Path

VERSION = re.compile(r"(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)")
IMAGE = re.compile(r"[a-z0-9][a-z0-9.:-]*(?:/[a-z0-9._-]+)+:[\w.-]+@sha256:[0-9a-f]{64}")
UNRELEASED = "## [Unreleased]\n"
USED = re.compile(r"uses: batch-action/batch-action@(v\d+)$", re.MULTILINE)
EXAMPLE = "workflows-examples/nightly.yml"
MAX_LIVE_USD = 0.05
BOT = "github-actions[bot]"
BUILT_BY_THE_RUNNER = "\n  image: Dockerfile\n"


class ReleaseError(Exception):
    """Why there can be no release."""


def git(*arguments: str, environ: dict[str, str] | None = None, feed: str = "") -> str:
    """Run git in the working directory and return its output without the last line feed."""
    done = subprocess.run(
        ["git", *arguments],
        env={**os.environ, **(environ or {})},
        input=feed,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise ReleaseError(f"git {arguments[0]} failed: {done.stderr.strip()}")
    return done.stdout.rstrip("\n")


def parse(version: str) -> tuple[int, ...]:
    """Return the three numbers of a version. Raises ReleaseError: it has another form."""
    match = VERSION.fullmatch(version)
    if not match:
        raise ReleaseError(f"{version!r} is no version such as 1.2.0.")
    return tuple(int(number) for number in match.groups())


def declared_version(pyproject: str) -> str:
    """Return the version in the text of pyproject.toml."""
    return str(tomllib.loads(pyproject)["project"]["version"])


def notes(changelog: str, version: str) -> str:
    """Return the text below `## [version]`. Raises ReleaseError: there is none, or no date."""
    heading = rf"^## \[{re.escape(version)}\](.*)\n"
    match = re.search(heading + r"((?:.*\n)*?)(?=## \[|\[[^\]]+\]: |\Z)", changelog, re.MULTILINE)
    if not match or not match[2].strip():
        raise ReleaseError(f"CHANGELOG.md says nothing about {version}.")
    if not re.fullmatch(r" - \d{4}-\d{2}-\d{2}", match[1]):
        raise ReleaseError(f"The heading of {version} in CHANGELOG.md has no date.")
    return match[2].strip() + "\n"


def released_versions() -> dict[tuple[int, ...], str]:
    """Return the versions that have a tag, with its commit."""
    lines = git("for-each-ref", "--format=%(refname:strip=2) %(objectname)", "refs/tags")
    tags = (line.split(" ") for line in lines.splitlines())
    return {
        parse(name[1:]): target
        for name, target in tags
        if name.startswith("v") and VERSION.fullmatch(name[1:])
    }


def prepare(version: str) -> str:
    """Write the version to pyproject.toml, and today's heading above what is unreleased."""
    parse(version)
    project, log = Path("pyproject.toml"), Path("CHANGELOG.md")
    text, changelog = project.read_text("utf-8"), log.read_text("utf-8")
    if f"## [{version}]" in changelog:
        raise ReleaseError(f"CHANGELOG.md has a section {version} already.")
    line = f'version = "{declared_version(text)}"\n'
    heading = f"{UNRELEASED}\n## [{version}] - {datetime.now(UTC):%Y-%m-%d}\n"
    if text.count(line) != 1 or changelog.count(UNRELEASED) != 1:
        raise ReleaseError("pyproject.toml or CHANGELOG.md does not have the usual form.")
    project.write_text(text.replace(line, f'version = "{version}"\n'), "utf-8")
    log.write_text(changelog.replace(UNRELEASED, heading), "utf-8")
    return f"Commit pyproject.toml and CHANGELOG.md; when they are on main, release {version}."


def check(version: str) -> str:
    """Return a line when HEAD may become this version; raise ReleaseError when it may not."""
    numbers = parse(version)
    declared = declared_version(git("show", "HEAD:pyproject.toml"))
    if declared != version:
        raise ReleaseError(f"pyproject.toml says {declared}, not {version}: prepare it first.")
    notes(git("show", "HEAD:CHANGELOG.md") + "\n", version)
    if numbers in released_versions():
        raise ReleaseError(f"v{version} is released: a version never changes.")
    used = set(USED.findall(git("show", f"HEAD:{EXAMPLE}")))
    if used != {f"v{numbers[0]}"}:
        raise ReleaseError(f"{EXAMPLE} uses {', '.join(used) or 'nothing'}, not v{numbers[0]}.")
    return f"{git('rev-parse', 'HEAD')} may be released as {version}."


def commit(version: str, image: str) -> str:
    """Create the commit beside the branch and its tag, without touching the working tree.

    It is a child of HEAD that differs in action.yml, which names the image by its digest. The same
    HEAD, version and image give the same commit, so the step can be repeated.

    Raises ReleaseError: the image has no digest, or the tag is on another commit.
    """
    parse(version)
    if not IMAGE.fullmatch(image) or f":{version}@" not in image:
        raise ReleaseError(f"{image} is not the image of {version} with its digest.")
    action = git("show", "HEAD:action.yml") + "\n"
    if action.count(BUILT_BY_THE_RUNNER) != 1:
        raise ReleaseError("action.yml does not say `image: Dockerfile`.")
    action = action.replace(BUILT_BY_THE_RUNNER, f"\n  image: docker://{image}\n")
    blob = git("hash-object", "-w", "--stdin", feed=action)
    with tempfile.TemporaryDirectory() as folder:
        index = {"GIT_INDEX_FILE": f"{folder}/index"}
        git("read-tree", "HEAD", environ=index)
        git("update-index", "--cacheinfo", f"100644,{blob},action.yml", environ=index)
        tree = git("write-tree", environ=index)
    when = git("show", "--no-patch", "--format=%cI", "HEAD")
    bot = {"NAME": BOT, "EMAIL": f"{BOT}@users.noreply.github.com", "DATE": when}
    identity = {f"GIT_{who}_{k}": v for who in ("AUTHOR", "COMMITTER") for k, v in bot.items()}
    message = f"Release {version}\n\nThe action uses {image}.\n"
    created = git("commit-tree", tree, "-p", "HEAD", "-m", message, environ=identity)
    tagged = released_versions().get(parse(version), created)
    if tagged != created:
        raise ReleaseError(f"v{version} is on {tagged}, not on {created}: a version never changes.")
    git("update-ref", f"refs/tags/v{version}", created)
    return created


def major(version: str) -> str:
    """Return the tag of the major version if this is its newest version, else nothing."""
    numbers = parse(version)
    newer = [other for other in released_versions() if other > numbers]
    return "" if any(other[0] == numbers[0] for other in newer) else f"v{numbers[0]}"


def print_notes(version: str) -> str:
    """Return the notes of a version from the changelog of HEAD."""
    return notes(git("show", "HEAD:CHANGELOG.md") + "\n", version).rstrip("\n")


def live(sent: str, status: str, cost: str, results: str) -> str:
    """Return a line when outputs and results are those of one file; raise ReleaseError if not.

    Args:
        sent: the output `requests-count` of the submit.
        status: the output `status` of the collect.
        cost: its output `cost-usd`.
        results: the file that its output `results-file` names.
    """
    seen = f"requests: {sent or '-'}, status: {status or '-'}, cost: ${cost or '-'}"
    if (sent, status) != ("1", "collected"):
        raise ReleaseError(f"One request should have been sent and collected. {seen}")
    if not 0 < float(cost or 0) <= MAX_LIVE_USD:
        raise ReleaseError(f"It should have cost at most ${MAX_LIVE_USD}. {seen}")
    statuses = json.loads(Path(results).read_text("utf-8"))["file_statuses"]["files"]
    reviewed = [entry["path"] for entry in statuses if entry["status"] == "reviewed"]
    if len(reviewed) != 1:
        raise ReleaseError(f"One file should have been reviewed, not {len(reviewed)}. {seen}")
    return f"{reviewed[0]} was reviewed. {seen}"


STEPS: dict[str, Callable[..., str]] = {
    "prepare": prepare,
    "check": check,
    "notes": print_notes,
    "commit": commit,
    "major": major,
    "live": live,
}


def main(arguments: list[str]) -> int:
    """Run one step and return the exit code."""
    step, *values = arguments or [""]
    if step not in STEPS or len(values) != len(signature(STEPS[step]).parameters):
        sys.stderr.write(f"{__doc__}")
        return 2
    try:
        output = STEPS[step](*values)
    except ReleaseError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    sys.stdout.write(f"{output}\n" if output else "")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
