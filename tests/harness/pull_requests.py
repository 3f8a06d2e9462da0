"""Stories of pull requests: a branch, its pull request, and runs that are about it.

pull = PullStory.begin(night, {"app.js": BAD})
pull.run("submit")
assert night.run("collect").exit == 0
assert pull.inline
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from batch_action.publishers.pull_request import render, review_comments
from batch_action.sandbox.github import merging
from batch_action.sandbox.github.state import Comment, Issue, Pull, ReviewComment
from tests.harness.workflow import Result, WorkflowHarness, path_in

PERMISSIONS = {"contents": "read", "actions": "read", "pull-requests": "write"}
REPORT = "pr-review, summary"


@dataclass(kw_only=True)
class PullStory:
    """One pull request of a night's repository."""

    workflow: WorkflowHarness
    issue: Issue
    branch: str

    @classmethod
    def begin(
        cls,
        workflow: WorkflowHarness,
        files: Mapping[str, str | None],
        branch: str = "change",
        **how: Any,
    ) -> "PullStory":
        """A branch from main with one commit, and its pull request."""
        workflow.inputs["report"] = REPORT
        workflow.repo.git("checkout", "--quiet", "-b", branch)
        workflow.commit(files)
        workflow.repo.git("checkout", "--quiet", "main")
        issue = workflow.sandbox.github.open_pull(workflow.hub.full_name, head=branch, **how)
        return cls(workflow=workflow, issue=issue, branch=branch)

    def push(self, files: Mapping[str, str | None]) -> str:
        """One more commit on the branch; its id."""
        self.workflow.repo.git("checkout", "--quiet", self.branch)
        sha = self.workflow.commit(files)
        self.workflow.repo.git("checkout", "--quiet", "main")
        return sha

    def rewrite(self, files: Mapping[str, str | None]) -> str:
        """A force push: the branch begins anew from main with these files."""
        self.workflow.repo.git("checkout", "--quiet", "-B", self.branch, "main")
        sha = self.workflow.commit(files)
        self.workflow.repo.git("checkout", "--quiet", "main")
        return sha

    def merge(self, *, squash: bool = False) -> str:
        """Merge it into main, as its owner."""
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
        github.end_pull(self.workflow.hub.full_name, self.number, merged_as=merged_as)

    def run(self, mode: str = "run", how: Mapping[str, Any] | None = None, **more: Any) -> Result:
        """A run of the event `pull_request`, about the newest head."""
        event = {
            "event": "pull_request",
            "payload": {"number": self.number},
            "head_sha": self.head,
            "permissions": PERMISSIONS,
        }
        return self.workflow.start(mode, event | dict(how or {}), **more)

    def collect(self, mode: str = "collect", **more: Any) -> Result:
        """A scheduled run on the default branch."""
        permissions = PERMISSIONS | {"issues": "write"}
        return self.workflow.start(mode, {"permissions": permissions}, **more)

    def says(self, text: str, by: str = "octo", below: ReviewComment | None = None) -> None:
        """A person comments on the pull request, or below a comment on its lines."""
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
        merging.follow(self.workflow.hub, self.issue)
        assert self.issue.pull
        return self.issue.pull

    @property
    def head(self) -> str:
        return self.pull.head_sha

    @property
    def inline(self) -> list[ReviewComment]:
        """Our comments on lines."""
        return [c for c in self.pull.comments if review_comments.parse(c.body)]

    @property
    def summary(self) -> str:
        """The one summary; empty when there is none."""
        found = [c.body for c in self.issue.comments if "<!-- batch-action:review " in c.body]
        assert len(found) < 2
        return found[0] if found else ""

    @property
    def session(self) -> render.Memory:
        return render.parse(self.summary)

    def states(self) -> dict[str, str]:
        """Rule to state, as the summary remembers."""
        return {k.rule: k.state.value for k in self.session.tracked}


def remark(rule: str, evidence: str, **more: Any) -> dict[str, Any]:
    """What a model says in a code review about one place."""
    return {
        "rule": rule,
        "severity": "high",
        "confidence": "high",
        "start_line": 1,
        "end_line": 1,
        "evidence": evidence,
        "title": f"About {rule}",
        "explanation": f"Because of {rule}.",
        "remediation": "Change it.",
        "suggestion": None,
        "pre_existing": False,
        "category": "bug",
    } | more


def answering(workflow: WorkflowHarness, said: Mapping[str, Sequence[Mapping[str, Any]]]) -> None:
    """The newest batch's results say this about each path, and nothing about the others."""
    lines = []
    for request in workflow.batches[-1].requests:
        answer = {"findings": list(said.get(path_in(request), ()))}
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
        service="claude",
        path=rf"{workflow.batches[-1].id}/results$",
        status=200,
        body="\n".join(lines) + "\n",
    )
