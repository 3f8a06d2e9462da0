"""A pull request in an emulated repository: its branch, its runs, and what was posted on it.

pull = PullRequestHarness.open(workflow, {"app.js": BAD})
pull.run("submit")
assert pull.collect().exit == 0
assert pull.inline
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from batch_action.publishers.pull_request import render, review_comments
from batch_action.sandbox.github import pull_branches
from batch_action.sandbox.github.records import Comment, Issue, Pull, ReviewComment
from tests.harness.workflow import Result, WorkflowHarness, path_of_request

PERMISSIONS = {"contents": "read", "actions": "read", "pull-requests": "write"}
REPORT = "pr-review, summary"


@dataclass(kw_only=True)
class PullRequestHarness:
    """One pull request of a workflow's repository."""

    workflow: WorkflowHarness
    issue: Issue
    branch: str

    @classmethod
    def open(
        cls,
        workflow: WorkflowHarness,
        files: Mapping[str, str | None],
        branch: str = "change",
        **how: Any,
    ) -> "PullRequestHarness":
        """Create a branch from main with one commit, and open its pull request."""
        workflow.inputs["report"] = REPORT
        workflow.repo.git("checkout", "--quiet", "-b", branch)
        workflow.commit(files)
        workflow.repo.git("checkout", "--quiet", "main")
        issue = workflow.sandbox.github.open_pull_request(
            workflow.github_repository.full_name, head=branch, **how
        )
        return cls(workflow=workflow, issue=issue, branch=branch)

    def push(self, files: Mapping[str, str | None]) -> str:
        """Commit to the branch and return the commit's id."""
        self.workflow.repo.git("checkout", "--quiet", self.branch)
        sha = self.workflow.commit(files)
        self.workflow.repo.git("checkout", "--quiet", "main")
        return sha

    def rewrite(self, files: Mapping[str, str | None]) -> str:
        """Force-push one commit on main with these files, and return its id."""
        self.workflow.repo.git("checkout", "--quiet", "-B", self.branch, "main")
        sha = self.workflow.commit(files)
        self.workflow.repo.git("checkout", "--quiet", "main")
        return sha

    def merge(self, *, squash: bool = False) -> str:
        """Merge it into main and return the merge commit's id."""
        git = self.workflow.repo.git
        self.workflow.repo.commits += 1
        if squash:
            git("merge", "--quiet", "--squash", self.branch)
            git("commit", "--quiet", "--message", "squashed")
        else:
            git("merge", "--quiet", "--no-ff", "--message", "merged", self.branch)
        sha = self.workflow.repo.head()
        self.end(merged_as=sha)
        return sha

    def end(self, *, merged_as: str | None = None) -> None:
        github = self.workflow.sandbox.github
        github.close_pull_request(
            self.workflow.github_repository.full_name, self.number, merged_as=merged_as
        )

    def run(self, mode: str = "run", how: Mapping[str, Any] | None = None, **more: Any) -> Result:
        """Run on the event `pull_request`, for the newest head."""
        event = {
            "event": "pull_request",
            "payload": {"number": self.number},
            "head_sha": self.head,
            "permissions": PERMISSIONS,
        }
        return self.workflow.start(mode, event | dict(how or {}), **more)

    def collect(self, mode: str = "collect", **more: Any) -> Result:
        """Run on a schedule on the default branch."""
        permissions = PERMISSIONS | {"issues": "write"}
        return self.workflow.start(mode, {"permissions": permissions}, **more)

    def comment(self, text: str, by: str = "octo", below: ReviewComment | None = None) -> None:
        """Comment on the pull request as a person, or reply below a review comment."""
        ctx = self.workflow.sandbox.github.instance
        when = {"created_at": ctx.now(), "updated_at": ctx.now()}
        if below is None:
            comment = Comment(
                id=ctx.new_id(), number=self.number, user=ctx.users[by], body=text, **when
            )
            self.issue.comments.append(comment)
            return
        self.pull.comments.append(
            ReviewComment(
                id=ctx.new_id(),
                review_id=None,
                user=ctx.users[by],
                body=text,
                path=below.path,
                commit_id=below.commit_id,
                line=below.line,
                in_reply_to=below.id,
                **when,
            )
        )

    @property
    def number(self) -> int:
        return self.issue.number

    @property
    def pull(self) -> Pull:
        pull_branches.refresh_commits(self.workflow.github_repository, self.issue)
        assert self.issue.pull
        return self.issue.pull

    @property
    def head(self) -> str:
        return self.pull.head_sha

    @property
    def inline(self) -> list[ReviewComment]:
        """Our review comments."""
        return [c for c in self.pull.comments if review_comments.parse(c.body)]

    @property
    def summary(self) -> str:
        """The body of our summary comment; empty when there is none."""
        bodies = [c.body for c in self.issue.comments if "<!-- batch-action:review " in c.body]
        assert len(bodies) < 2
        return bodies[0] if bodies else ""

    @property
    def state(self) -> render.ReviewState:
        return render.parse(self.summary)

    def states(self) -> dict[str, str]:
        """Rule to state, as stored in the summary and its pages."""
        bodies = [c.body for c in self.issue.comments if "<!-- batch-action:review-page " in c.body]
        parts = [self.state, *map(render.parse, bodies)]
        return {t.rule: t.state.value for part in parts for t in part.tracked}


def raw_finding(rule: str, evidence: str, **more: Any) -> dict[str, Any]:
    """A finding of a code review in the model's answer."""
    return {
        "rule": rule,
        "severity": "high",
        "confidence": "high",
        "start_line": 1,
        "end_line": 1,
        "evidence": evidence,
        "title": f"About {rule}",
        "trigger": f"Whenever {rule} happens.",
        "explanation": f"Because of {rule}.",
        "remediation": "Change it.",
        "suggestion": None,
        "pre_existing": False,
        "security": False,
        "category": "bug",
    } | more


def set_answers(
    workflow: WorkflowHarness, findings: Mapping[str, Sequence[Mapping[str, Any]]], number: int = -1
) -> None:
    """Answer a batch, by default the newest, with these findings for each path, if any."""
    lines = []
    for request in workflow.batches[number].requests:
        answer = {"findings": list(findings.get(path_of_request(request), ()))}
        message = {
            "id": "msg_1",
            "type": "message",
            "role": "assistant",
            "model": request["params"]["model"],
            "content": [{"type": "text", "text": json.dumps(answer)}],
            "stop_reason": "end_turn",
            "stop_sequence": None,
            "usage": {"input_tokens": 10, "output_tokens": 10},
        }
        result = {"type": "succeeded", "message": message}
        lines.append(json.dumps({"custom_id": request["custom_id"], "result": result}))
    workflow.sandbox.faults.add(
        "status",
        service="anthropic",
        path=rf"{workflow.batches[number].id}/results$",
        status=200,
        body="\n".join(lines) + "\n",
    )
