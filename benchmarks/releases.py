"""Make a repository of each of some packages, with a commit for each of some releases.

    python -m benchmarks.releases FOLDER

Downloads the releases with `pip` and `npm`; nothing of them is built or run. So
`python -m benchmarks.excerpts FOLDER/*` measures changes that others have made.
"""

import subprocess
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import Iterable
from pathlib import Path

PYTHON = {
    "click": ("8.1.6", "8.1.7", "8.1.8"),
    "Django": ("5.0.6", "5.0.7", "5.0.8"),
    "httpx": ("0.27.0", "0.27.2", "0.28.0"),
    "pytest": ("8.2.0", "8.2.1", "8.2.2"),
    "requests": ("2.31.0", "2.32.0", "2.32.3"),
    "rich": ("13.7.0", "13.7.1", "13.8.0"),
    "Sphinx": ("7.3.5", "7.3.6", "7.3.7"),
    "Werkzeug": ("3.0.3", "3.0.4", "3.0.6"),
}
NPM = {
    "@reduxjs/toolkit": ("2.2.1", "2.2.2", "2.2.3"),
    "@tanstack/query-core": ("5.28.0", "5.28.4", "5.28.9"),
    "effect": ("3.0.0", "3.0.1", "3.0.2"),
    "eslint": ("8.55.0", "8.56.0", "8.57.0"),
    "fastify": ("4.26.0", "4.26.1", "4.26.2"),
    "mongoose": ("8.1.0", "8.1.1", "8.1.2"),
    "undici": ("6.6.0", "6.6.1", "6.6.2"),
    "webpack": ("5.90.0", "5.90.1", "5.90.2"),
}


def main(folder: Path) -> None:
    """Create the repositories in this folder."""
    for packages, download in ((PYTHON, _download_python), (NPM, _download_npm)):
        for name, versions in packages.items():
            repository = folder / name.strip("@").replace("/", "-")
            _git(repository, "init", "-q", "-b", "main", str(repository))
            for version in versions:
                _commit(repository, download(name, version), version)


def _download_python(name: str, version: str) -> Iterable[tuple[str, bytes]]:
    """Return the path and content of each file of a release."""
    options = ("--quiet", "--no-deps", "--only-binary", ":all:")
    with tempfile.TemporaryDirectory() as temp:
        command = (sys.executable, "-m", "pip", "download", *options, f"{name}=={version}")
        subprocess.run(command, check=True, cwd=temp)
        (path,) = Path(temp).iterdir()
        with zipfile.ZipFile(path) as archive:
            return [(each.filename, archive.read(each)) for each in archive.filelist]


def _download_npm(name: str, version: str) -> Iterable[tuple[str, bytes]]:
    with tempfile.TemporaryDirectory() as temp:
        command = ("npm", "pack", "--silent", f"{name}@{version}")
        subprocess.run(command, check=True, cwd=temp, stdout=subprocess.DEVNULL)
        (path,) = Path(temp).iterdir()
        with tarfile.open(path) as archive:
            files = [member for member in archive if member.isfile()]
            return [(each.name, archive.extractfile(each).read()) for each in files]  # type: ignore[union-attr]


def _commit(repository: Path, files: Iterable[tuple[str, bytes]], subject: str) -> None:
    """Commit these files in place of those of the release before."""
    _git(repository, "rm", "-rq", "--ignore-unmatch", ".")
    for name, data in files:
        path = repository / name
        if ".dist-info/" not in name and path.resolve().is_relative_to(repository.resolve()):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
    _git(repository, "add", "-Af", ".")
    _git(repository, "-c", "user.name=x", "-c", "user.email=x", "commit", "-qm", subject)


def _git(repository: Path, *arguments: str) -> None:
    repository.mkdir(parents=True, exist_ok=True)
    subprocess.run(("git", "-C", str(repository), *arguments), check=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
