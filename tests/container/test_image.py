"""What the image holds: one git program, the environment, and nothing else beside its base."""

from __future__ import annotations

import json

import pytest

from tests.container.machine import BASE_IMAGE, Engine

MAX_MEGABYTES = 120
"""What the image may add to its base."""
PYTHON = "/opt/venv/bin/python"
PACKAGES = "/opt/venv/lib/python3.13/site-packages"
OURS = {"/usr/bin/git", "/usr/share/doc/git/copyright", "/var/lib/dpkg/status.d/git"}
UNSTRIPPED = f"""
import pathlib
for path in pathlib.Path({PACKAGES!r}).rglob("*.so*"):
    if b"\\0.symtab\\0" in path.read_bytes():
        print(path)
"""


def shell(engine: Engine, image: str, command: str) -> list[str]:
    """Run a command in a container and return its lines."""
    words = ("run", "--rm", "--network", "none", "--entrypoint", "/bin/sh", image, "-c", command)
    return engine.run(*words).splitlines()


def inspect(engine: Engine, image: str) -> dict:
    return json.loads(engine.run("image", "inspect", image))[0]


@pytest.fixture(scope="module")
def base(engine, image) -> str:
    """The Python image that ours is made from; a builder may not have kept it."""
    try:
        inspect(engine, BASE_IMAGE)
    except RuntimeError:
        engine.run("pull", "--quiet", BASE_IMAGE, timeout=300)
    return BASE_IMAGE


@pytest.fixture(scope="module")
def added(engine, image, base) -> set[str]:
    """The files that the image has beside those of its base."""
    find = "find / -xdev -path /proc -prune -o -path /sys -prune -o ! -type d -print"
    return set(shell(engine, image, find)) - set(shell(engine, base, find))


def test_it_is_small(engine, image, base):
    megabytes = (inspect(engine, image)["Size"] - inspect(engine, base)["Size"]) / 1e6
    assert megabytes <= MAX_MEGABYTES, f"{megabytes:.1f} MB over the base"


def test_it_adds_one_git_program_and_the_environment(engine, added):
    # Podman leaves empty files where it mounted this machine's package settings for the build.
    mounted = {option.split(":")[1] for option in engine.build_options if ":" in option}
    outside = {path for path in added - mounted if not path.startswith("/opt/venv/")}
    run_time = ("/etc/host", "/etc/resolv.conf", "/run/", "/dev/", "/.dockerenv")
    assert {path for path in outside if not path.startswith(run_time)} == OURS


@pytest.mark.parametrize(
    "part",
    [
        *(
            "/pip/",
            "/setuptools/",
            "/flit_core/",
            "/tests/",
            "/cryptography/",
            "/pygments/",
            "/ruff",
        ),
        *("/batch_action/sandbox/", "/batch_action/commands/demo/", ".pyi", ".c", ".h", ".pyx"),
    ],
)
def test_it_has_no_samples_tools_and_sources(added, part):
    assert [p for p in added if (p.endswith(part) if part[0] == "." else part in p)] == []


def test_bytecode_stays(added):
    modules = {p for p in added if p.startswith(f"{PACKAGES}/batch_action/") and p.endswith(".py")}
    assert modules
    for path in modules:
        folder, _, name = path.rpartition("/")
        assert f"{folder}/__pycache__/{name.removesuffix('.py')}.cpython-313.pyc" in added


def test_libraries_have_no_symbols_for_debuggers(engine, image):
    command = ("run", "--rm", "--entrypoint", PYTHON, image, "-c", UNSTRIPPED)
    assert engine.run(*command).split() == []


def test_nobody_else_can_write_to_it(engine, image, base):
    find = "find / -xdev -path /proc -prune -o -path /sys -prune -o ! -type l -perm /022 -print"
    assert set(shell(engine, image, find)) - set(shell(engine, base, find)) == set()
    owned = "find /opt/venv /usr/bin/git ! -user root -o ! -group root"
    assert shell(engine, image, owned) == []


def test_no_cache_is_left(engine, image):
    caches = "find /root /tmp /var/tmp /var/cache/apt /var/lib/apt/lists -type f"
    left = [p for p in shell(engine, image, caches) if not p.endswith(("/.bashrc", "/.profile"))]
    assert left == []


def test_scanners_find_git(engine, image):
    status = shell(engine, image, "cat /var/lib/dpkg/status.d/git")
    assert "Package: git" in status
    assert any(line.startswith("Version: ") for line in status)


def test_git_is_complete(engine, image):
    shown = shell(engine, image, "git --version; ldd /usr/bin/git")
    assert shown[0].startswith("git version")
    assert not any("not found" in line for line in shown)


def test_the_settings_are_those_the_runner_needs(engine, image):
    config = inspect(engine, image)["Config"]
    assert config["Entrypoint"][0] == PYTHON
    assert "-I" in config["Entrypoint"]
    assert config.get("User", "") == ""
    assert config["Labels"]["org.opencontainers.image.title"] == "batch-action"


def test_it_knows_its_version(engine, image):
    """The version is that of pyproject.toml, by the package's metadata."""
    from importlib.metadata import version  # noqa: PLC0415

    assert version("batch-action") in engine.run("run", "--rm", image, "--version")
