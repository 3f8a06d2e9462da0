"""Prepare this machine to build and run the image.

With a Docker daemon there is nothing to do. Without one, podman is installed, and a substitute for
the base image is made from Debian packages, because there may be no access to an image registry.
All files are below one cache folder with its own image storage.

    python tests/container/machine.py     # prepare, then print the engine's command as JSON
"""

from __future__ import annotations

import ast
import fcntl
import hashlib
import json
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[2]
BASE_IMAGE = "docker.io/library/python:3.13-slim"
BASE_SUITE = "trixie"  # the Debian release whose python3 is 3.13
STAND_IN = "batch-action.stand-in"
TOOLS = {"podman": "podman", "buildah": "buildah", "runc": "runc", "debootstrap": "debootstrap"}

# runc and cgroupfs work where systemd does not run; limits low enough for any machine; locks in
# files are not shared with the machine's own podman.
CONTAINERS_CONF = """\
[containers]
default_ulimits = ["nofile=1024:1024", "nproc=1000:1000"]
netns = "host"

[engine]
runtime = "runc"
cgroup_manager = "cgroupfs"
events_logger = "file"
lock_type = "file"
image_default_format = "docker"
"""


@dataclass(frozen=True)
class Engine:
    """The command that builds and runs containers on this machine."""

    command: tuple[str, ...]
    build_options: tuple[str, ...] = ()
    environ: Mapping[str, str] = field(default_factory=dict)

    def start(self, *words: str, environ: Mapping[str, str] | None = None) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [*self.command, *words],
            env={**os.environ, **self.environ, **(environ or {})},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
        )

    def run(
        self, *words: str, environ: Mapping[str, str] | None = None, timeout: float = 60
    ) -> str:
        """Run to the end and return the output.

        Raises RuntimeError: with the output, when the command fails.
        """
        process = self.start(*words, environ=environ)
        try:
            log, _ = process.communicate(timeout=timeout)
        except subprocess.TimeoutExpired:
            process.kill()
            raise
        if process.returncode:
            raise RuntimeError(f"{shlex.join(words)} ended with {process.returncode}\n{log}")
        return log

    def build(self, tag: str, context: Path = PROJECT) -> None:
        self.run("build", *self.build_options, "--tag", tag, str(context), timeout=900)


def prepare() -> Engine:
    """Prepare what is missing; later calls on a machine take less than a second."""
    if _docker_answers():
        return Engine(command=("docker",))
    cache = Path(os.environ.get("CONTAINER_CACHE") or PROJECT / ".cache" / "container").resolve()
    cache.mkdir(parents=True, exist_ok=True)
    with _lock(cache):
        _install_tools()
        engine = _podman(cache)
        if not _has_base_image(engine):
            _make_base_image(engine, cache)
    return engine


@contextmanager
def serve(engine: Engine) -> Iterator[str]:
    """Yield the engine's address for clients of Docker's API; podman is started for them."""
    if engine.command == ("docker",):
        yield os.environ.get("DOCKER_HOST", "unix:///var/run/docker.sock")
        return
    with tempfile.TemporaryDirectory() as folder:
        address = f"unix://{folder}/podman.sock"
        process = engine.start("system", "service", "--time=0", address)
        try:
            while not Path(folder, "podman.sock").exists():
                if process.poll() is not None:
                    raise RuntimeError(f"podman does not serve\n{process.communicate()[0]}")
                time.sleep(0.05)
            yield address
        finally:
            process.terminate()
            process.communicate()


def _docker_answers() -> bool:
    if not shutil.which("docker"):
        return False
    command = ["docker", "info", "--format", "{{.ServerVersion}}"]
    return subprocess.run(command, capture_output=True, check=False, timeout=60).returncode == 0


@contextmanager
def _lock(cache: Path) -> Iterator[None]:
    with (cache / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _install_tools() -> None:
    path = os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/sbin"])
    missing = [package for tool, package in TOOLS.items() if not shutil.which(tool, path=path)]
    if not missing:
        return
    if os.geteuid() != 0 or not shutil.which("apt-get"):
        raise SystemExit(
            f"No Docker daemon answers, and {', '.join(missing)} cannot be installed here: "
            "start Docker, or run as root on Debian or Ubuntu.",
        )
    apt = ["apt-get", "-q", "-o", "Acquire::Retries=3"]
    quiet = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    _call([*apt, "update"], environ=quiet)
    _call([*apt, "install", "-y", "--no-install-recommends", *missing], environ=quiet)


def _podman(cache: Path) -> Engine:
    conf = cache / "containers.conf"
    conf.write_text(CONTAINERS_CONF)
    scratch = cache / "tmp"
    scratch.mkdir(exist_ok=True)
    # podman refuses a run root of more than 50 characters, so this one cannot live in the cache.
    digest = hashlib.sha256(os.fsencode(cache)).hexdigest()[:12]
    runroot = Path("/tmp") / f"batch-action-{digest}"
    return Engine(
        command=(
            "podman",
            f"--root={cache / 'storage'}",
            f"--runroot={runroot / 'run'}",
            f"--tmpdir={runroot / 'tmp'}",
            f"--storage-driver={'overlay' if _overlay_works(cache) else 'vfs'}",
        ),
        build_options=("--pull=never", *_machine_volumes(cache / "machine")),
        environ={"CONTAINERS_CONF": str(conf), "TMPDIR": str(scratch)},
    )


def _overlay_works(cache: Path) -> bool:
    """Return whether overlay mounts work; they do not on top of another overlay file system."""
    answer = cache / "overlay-works"
    if not answer.exists():
        probe = cache / "probe"
        for name in ("lower", "upper", "work", "merged"):
            (probe / name).mkdir(parents=True, exist_ok=True)
        layers = f"lowerdir={probe}/lower,upperdir={probe}/upper,workdir={probe}/work"
        mount = ["mount", "-t", "overlay", "overlay", "-o", layers, str(probe / "merged")]
        works = subprocess.run(mount, capture_output=True, check=False).returncode == 0
        if works:
            _call(["umount", str(probe / "merged")])
        shutil.rmtree(probe)
        answer.write_text("yes" if works else "no")
    return answer.read_text() == "yes"


# --- what the build inherits from the machine -----------------------------------------------------


def _machine_volumes(folder: Path) -> list[str]:
    """Show the machine's package settings to the build, without writing them into the image."""
    folder.mkdir(exist_ok=True)
    settings = _pip_settings()
    trusted = settings["global"].pop("cert", None) or os.environ.get("SSL_CERT_FILE")
    volumes = {}
    if trusted and Path(trusted).is_file():
        volumes["/run/machine/ca.crt"] = trusted
        settings["global"]["cert"] = "/run/machine/ca.crt"
    volumes |= {path: path for path in _local_folders(settings)}
    volumes["/etc/pip.conf"] = str(folder / "pip.conf")
    volumes["/etc/apt/apt.conf.d/99machine"] = str(folder / "apt.conf")
    (folder / "pip.conf").write_text(_as_ini(settings))
    (folder / "apt.conf").write_text(_apt_settings(trusted=bool(trusted)))
    return [f"--volume={source}:{target}:ro" for target, source in volumes.items()]


def _pip_settings() -> dict[str, dict[str, str]]:
    """Return pip's settings by section, from its environment variables and all files."""
    output = _output([sys.executable, "-m", "pip", "config", "list"])
    settings: dict[str, dict[str, str]] = {"global": {}}
    from_environ = {}
    for line in output.splitlines():
        name, _, value = line.partition("=")
        section, _, key = name.rpartition(".")
        if section == ":env:":
            from_environ[key] = ast.literal_eval(value)
        else:
            settings.setdefault(section, {})[key] = ast.literal_eval(value)
    settings["global"] |= {k: v for k, v in from_environ.items() if k != "config-file"}
    # The lock file pins the versions; a file of constraints would have to be mounted, too.
    settings["global"].pop("constraint", None)
    return settings


def _as_ini(settings: Mapping[str, Mapping[str, str]]) -> str:
    lines = []
    for section, values in settings.items():
        lines.append(f"[{section}]")
        lines += [f"{key} = {value.strip()}".replace("\n", "\n  ") for key, value in values.items()]
    return "\n".join(lines) + "\n"


def _local_folders(settings: Mapping[str, Mapping[str, str]]) -> set[str]:
    """Find the package folders on this machine that pip's settings point to."""
    folders = set()
    for values in settings.values():
        for key in ("index-url", "extra-index-url", "find-links"):
            for word in values.get(key, "").split():
                path = Path(word.removeprefix("file://"))
                if path.is_absolute() and path.is_dir():
                    # An index links to its neighbors: simple/NAME/index.html -> ../../files/.
                    folders.add(str(path.parent if path.name == "simple" else path))
    return folders


def _apt_settings(*, trusted: bool) -> str:
    options = ("Acquire::http::Proxy", "Acquire::https::Proxy")
    dump = _output(["apt-config", "dump"]).splitlines()
    lines = [line for line in dump if line.startswith(options)]
    if trusted:
        lines.append('Acquire::https::CAInfo "/run/machine/ca.crt";')
    return "".join(f"{line}\n" for line in lines)


# --- the stand-in for the base image --------------------------------------------------------------


def _has_base_image(engine: Engine) -> bool:
    process = engine.start("image", "exists", BASE_IMAGE)
    process.communicate()
    return process.returncode == 0


def _make_base_image(engine: Engine, cache: Path) -> None:
    """Import Debian's Python 3.13 as the base image, with the paths of the real one."""
    rootfs = cache / "rootfs"
    shutil.rmtree(rootfs, ignore_errors=True)
    mirror = _debian_mirror()
    packages = "--include=python3,python3-venv,python3-pip,ca-certificates,netbase,tzdata"
    _call(
        ["debootstrap", "--variant=minbase", packages, BASE_SUITE, str(rootfs), mirror],
        environ={**os.environ, "PATH": os.environ.get("PATH", "") + ":/usr/sbin:/sbin"},
    )
    (rootfs / "etc/apt/sources.list").write_text(f"deb {mirror} {BASE_SUITE} main\n")
    for marker in (rootfs / "usr/lib").glob("python3*/EXTERNALLY-MANAGED"):
        marker.unlink()
    for name in ("python", "python3", "python3.13"):
        (rootfs / "usr/local/bin" / name).symlink_to("/usr/bin/python3.13")
    for name in ("pip", "pip3"):
        (rootfs / "usr/local/bin" / name).symlink_to("/usr/bin/pip3")
    for waste in ("var/cache/apt", "var/lib/apt/lists", "usr/share/doc", "usr/share/man"):
        shutil.rmtree(rootfs / waste, ignore_errors=True)
        (rootfs / waste).mkdir()
    archive = cache / "rootfs.tar"
    _call(["tar", "-C", str(rootfs), "--numeric-owner", "-cf", str(archive), "."])
    change = f"--change=LABEL {STAND_IN}=yes"
    engine.run("import", change, '--change=CMD ["python3"]', str(archive), BASE_IMAGE, timeout=300)
    archive.unlink()
    shutil.rmtree(rootfs)


def _debian_mirror() -> str:
    """Return the Debian mirror of this machine's apt sources."""
    targets = _output(
        ["apt-get", "indextargets", "--format", "$(REPO_URI) $(CODENAME)", "Created-By: Packages"],
    )
    pairs = [line.split() for line in targets.splitlines()]
    plain = [uri for uri, codename in pairs if "-" not in codename and "debian" in uri]
    if not plain:
        raise SystemExit("No Debian mirror in this machine's apt sources: run `apt-get update`.")
    return plain[0].rstrip("/")


# --- helpers --------------------------------------------------------------------------------------


def _call(command: list[str], environ: Mapping[str, str] | None = None) -> None:
    """Run a command; raise RuntimeError with its output when it fails."""
    done = subprocess.run(
        command,
        env=environ,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(f"{shlex.join(command)} ended with {done.returncode}\n{done.stdout}")


def _output(command: list[str]) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


if __name__ == "__main__":
    ready = prepare()
    words = [*(f"{key}={value}" for key, value in ready.environ.items()), *ready.command]
    sys.stdout.write(json.dumps({"command": ["env", *words], "build": ready.build_options}) + "\n")
