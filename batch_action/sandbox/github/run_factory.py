"""Create workflow runs with their tokens and event payloads."""

import secrets
import uuid
import zlib
from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Unpack

from batch_action.sandbox.github import json_objects, pull_branches, pulls
from batch_action.sandbox.github.git import Git
from batch_action.sandbox.github.instance import ACTIONS_BOT, GitHubInstance
from batch_action.sandbox.github.records import Repository
from batch_action.sandbox.github.runs import Run, RunOptions
from batch_action.sandbox.github.tokens import Actor, unsigned_jwt

DEFAULT_PERMISSIONS = {"contents": "read", "actions": "read", "issues": "write"}
_NO_COMMIT = "0" * 40


def start_run(instance: GitHubInstance, full_name: str, **options: Unpack[RunOptions]) -> Run:
    """Start a run, or another attempt with `rerun_of`.

    Raises LookupError: when the repository or the earlier run does not exist.
    """
    repository = instance.repository(full_name)
    if repository is None:
        raise LookupError(f"No repository {full_name}: call add_repository first.")
    with instance.lock:
        run = _create_run(
            instance, repository, pull_branches.with_pull_request_defaults(repository, options)
        )
        _issue_tokens(instance, run)
        instance.runs.append(run)
        return run


def enqueue_run(
    instance: GitHubInstance,
    repository: Repository,
    *,
    title: str = "",
    **options: Unpack[RunOptions],
) -> Run:
    """Queue a run, as a dispatch does."""
    run = _create_run(instance, repository, options)
    run.status, run.title = "queued", title
    instance.runs.append(run)
    return run


def _create_run(instance: GitHubInstance, repository: Repository, options: RunOptions) -> Run:
    branch = options.get("branch", repository.default_branch)
    path = options.get("workflow_path", ".github/workflows/nightly.yml")
    head = options.get("head_repository") or repository.full_name
    head_repository = instance.repository(head)
    previous = _previous_attempt(instance, options.get("rerun_of"))
    sha = options.get("head_sha") or (
        previous.head_sha if previous else _branch_tip(repository, branch)
    )
    now = instance.now()
    run = Run(
        id=previous.id if previous else instance.new_id(),
        number=previous.number if previous else len(instance.runs_of(repository)) + 1,
        attempt=previous.attempt + 1 if previous else 1,
        repository=repository,
        event=options["event"],
        head_branch=branch,
        ref_type=options.get("ref_type", "branch"),
        head_sha=sha,
        workflow_path=path,
        workflow_id=workflow_id(path),
        head_repository=head,
        head_repository_id=head_repository.id
        if head_repository
        else zlib.crc32(head.lower().encode()),
        actor=instance.users.get(options.get("actor", ""), ACTIONS_BOT),
        permissions=dict(options.get("permissions", DEFAULT_PERMISSIONS)),
        created_at=previous.created_at if previous else now,
        updated_at=now,
        run_backend=previous.run_backend if previous else str(uuid.uuid4()),
        job_backend=str(uuid.uuid4()),
    )
    payload = options.get("payload", {})
    subject = _pull_request_payload(instance, repository, payload.get("number"))
    run.merge_sha = subject.get("pull_request", {}).get("merge_commit_sha") or ""
    run.payload = {**_event_payload(instance, run), **subject, **payload}
    return run


def _issue_tokens(instance: GitHubInstance, run: Run) -> None:
    """Create the tokens of a run."""
    run.token_actor = Actor(
        login=ACTIONS_BOT.login,
        repository_id=run.repository.id,
        permissions=run.permissions,
    )
    run.token = instance.tokens.issue("ghs_", run.token_actor)
    run.runtime_token = unsigned_jwt(
        {
            "scp": "Actions.GenericRead:00000000-0000-0000-0000-000000000000 "
            f"Actions.Results:{run.run_backend}:{run.job_backend}",
            "iat": int(instance.now().timestamp()),
            "exp": int((instance.now() + timedelta(hours=6)).timestamp()),
            "jti": str(uuid.uuid4()),
        }
    )
    if run.permissions.get("id-token") == "write":
        run.id_token_request_token = "oidc_" + secrets.token_hex(20)


def workflow_id(path: str) -> int:
    """Return the id of a workflow file."""
    return zlib.crc32(path.encode())


def _previous_attempt(instance: GitHubInstance, rerun_of: "Run | int | None") -> Run | None:
    if rerun_of is None:
        return None
    number = rerun_of if isinstance(rerun_of, int) else rerun_of.id
    attempts = [run for run in instance.runs if run.id == number]
    if not attempts:
        raise LookupError(f"No run {number} to run again.")
    return attempts[-1]


def _branch_tip(repository: Repository, branch: str) -> str:
    if repository.git_dir is None:
        return _NO_COMMIT
    return Git(repository.git_dir).resolve(branch) or _NO_COMMIT


def _pull_request_payload(
    instance: GitHubInstance, repository: Repository, number: object
) -> Mapping[str, Any]:
    """Return the payload of the pull request with a number; empty if there is none."""
    issue = repository.issues.get(number) if isinstance(number, int) else None
    if issue is None or issue.pull is None:
        return {}
    pull_branches.create_test_merge(repository, issue)
    return {
        "action": "synchronize",
        "pull_request": pulls.pull_request_json(instance, repository, issue),
    }


def _event_payload(instance: GitHubInstance, run: Run) -> Mapping[str, Any]:
    payload: dict[str, Any] = {
        "repository": json_objects.repository_json(instance, run.repository),
        "sender": json_objects.user_json(instance, run.actor),
    }
    ref = run.ref
    match run.event:
        case "schedule":
            payload |= {"schedule": "17 2 * * *"}
        case "push":
            payload |= {"ref": ref, "before": _NO_COMMIT, "after": run.head_sha, "commits": []}
        case "workflow_dispatch":
            payload |= {"ref": ref, "workflow": run.workflow_path, "inputs": None}
    return payload
