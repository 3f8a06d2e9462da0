"""The workflow of a release: its order, its rights, and what it leaves to nobody else."""

import re

import pytest
import yaml

from tests.documents.texts import read

WORKFLOW = yaml.safe_load(read(".github/workflows/release.yml"))
JOBS = WORKFLOW["jobs"]
ORDER = ["check", "tests", "live", "packages", "image", "release", "pypi"]
PERMISSIONS = {
    "image": dict.fromkeys(("packages", "id-token", "attestations"), "write")
    | {"contents": "read"},
    "check": {"contents": "read"},
    "tests": {"contents": "read"},
    "live": {"contents": "read", "actions": "read"},
    "packages": {"contents": "read"},
    "release": {"contents": "write"},
    "pypi": {"id-token": "write"},
}


def text_of(job: str) -> str:
    return yaml.safe_dump(JOBS[job])


def step_of(job: str, name: str) -> str:
    [step] = [s for s in JOBS[job]["steps"] if s.get("name") == name]
    return str(step["run"])


def test_a_person_starts_it_with_the_version():
    assert WORKFLOW[True].keys() == {"workflow_dispatch"}  # `on` in YAML 1.1
    assert WORKFLOW[True]["workflow_dispatch"]["inputs"]["version"]["required"] is True
    assert WORKFLOW["concurrency"] == {"group": "release", "cancel-in-progress": False}
    assert "refs/heads/main" in JOBS["check"]["if"]


@pytest.mark.parametrize("position", range(len(ORDER)))
def test_each_job_waits_for_all_before_it(position: int):
    assert list(JOBS) == ORDER
    assert JOBS[ORDER[position]].get("needs", []) == ORDER[:position]


@pytest.mark.parametrize("job", ORDER)
def test_a_job_has_the_rights_that_it_uses(job: str):
    assert WORKFLOW["permissions"] == {}
    assert JOBS[job]["permissions"] == PERMISSIONS[job]


@pytest.mark.parametrize(
    ("job", "environment"),
    [("live", "live"), ("image", "release"), ("release", "release"), ("pypi", "pypi")],
)
def test_what_spends_or_publishes_is_in_a_protected_environment(job: str, environment: str):
    assert JOBS[job]["environment"] == environment
    assert f"`{environment}`" in read(".github/CONTRIBUTING.md")


@pytest.mark.parametrize("job", ORDER)
def test_no_expression_is_pasted_into_a_shell(job: str):
    assert [s["run"] for s in JOBS[job].get("steps", []) if "${{" in s.get("run", "")] == []


def test_all_tests_are_those_of_ci():
    ci = yaml.safe_load(read(".github/workflows/ci.yml"))
    assert JOBS["tests"]["uses"] == "$/.github/workflows/ci.yml"
    assert "workflow_call" in ci[True]
    assert "github.workflow" in ci["concurrency"]["group"], "a push must not end a release's tests"


def test_live_is_capped_and_skipped_without_a_key():
    submit, collect = (s["with"] for s in JOBS["live"]["steps"] if s.get("uses") == "$/")
    assert (submit["mode"], collect["mode"]) == ("submit", "collect")
    assert float(submit["max-cost-usd"]) == 0.05
    skipped, *others = JOBS["live"]["steps"]
    assert "::notice" in skipped["run"]
    assert skipped["if"] == "${{ env.HAS_KEY != 'true' }}"
    assert {s["if"] for s in others} == {"${{ env.HAS_KEY == 'true' }}"}


def test_the_image_is_for_two_platforms_with_sbom_and_provenance():
    [build] = [s["with"] for s in JOBS["image"]["steps"] if "build-push" in s.get("uses", "")]
    assert build["platforms"] == "linux/amd64,linux/arm64"
    assert (build["push"], build["sbom"], build["provenance"]) == (True, True, "mode=max")
    assert "actions/attest-build-provenance@" in text_of("image")
    assert "--version" in step_of("image", "The image runs, on both platforms, and is this version")


def test_commit_tag_release_and_major_tag_come_in_this_order():
    names = [s["name"] for s in JOBS["release"]["steps"] if "name" in s]
    assert names[-3:] == [
        "The commit beside main, with its tag",
        "The release, which nobody can change",
        "The tag of the major version",
    ]
    assert "release.py commit" in step_of("release", names[-3])
    assert "--force" not in step_of("release", names[-3])
    assert ".immutable" in step_of("release", names[-2])
    assert "release.py major" in step_of("release", names[-1])


def test_nothing_but_the_last_job_knows_of_the_package_index():
    users = [job for job in ORDER if "gh-action-pypi-publish" in text_of(job)]
    assert users == ["pypi"]
    assert not re.search(r"(?i)password|secrets\.", text_of("pypi"))
