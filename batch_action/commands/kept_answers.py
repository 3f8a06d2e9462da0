"""`collect --answers`: render kept answers again, without network, key or cost."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from batch_action.batches import kept_answers
from batch_action.batches.answers import build_answers
from batch_action.context import RunContext
from batch_action.errors import ConfigError
from batch_action.ledger.store import LedgerSession
from batch_action.ledger.view import LedgerView
from batch_action.publishers import finding_policy, job_summary, pipeline, run_report
from batch_action.publishers.exit_code import exit_code
from batch_action.publishers.files import publisher as files
from batch_action.text import plural

DESTINATIONS = ("summary", "files")
"""Those that change nothing but the workspace."""


def render_kept_answers(ctx: RunContext, session: LedgerSession, *, paths: Sequence[Path]) -> int:
    """Render the answers in some files with the settings of this run; return the exit code.

    No ledger and no other destination is changed. Raises ConfigError: another destination in
    `report`, or no answer of the task.
    """
    others = [f"`{name}`" for name in ctx.settings.report if name not in DESTINATIONS]
    if others:
        raise ConfigError(
            f"`--answers` changes nothing outside of the workspace, so not {', '.join(others)}.",
            fix="Use `--report summary,files`, or leave `--report` out.",
        )
    kept = kept_answers.read_files(paths)
    for problem in kept.problems:
        ctx.warn(problem)
    ledger, batch_results = kept_answers.results_of(ctx, session.ledger, kept)
    if not batch_results.reviews:
        raise ConfigError(
            f"None of the {plural(len(kept.ids), 'answer')} is about a file of this repository for "
            f"the task {ctx.task.name}.",
            fix="Check `--task`, and that this clone has the commits that were reviewed.",
        )
    before = LedgerView(ledger)
    view = LedgerView(ledger.add(*batch_results.facts))
    answers = build_answers(ctx, view, batch_results)
    states = pipeline.read_states(ctx, publishers={})
    # What the batches cost was paid and reported before.
    report = replace(run_report.build(ctx, view, batch_results, answers), spending=None)
    policy = finding_policy.build(
        ctx,
        view,
        states,
        report,
        reviewed_before=view.reviewed_files,
        before_run=before,
    )
    reconciliation = pipeline.reconcile_states(ctx.git, report, answers, states, policy)
    published = pipeline.publish(report, reconciliation, states, ctx.settings).published
    if "files" in ctx.settings.report:
        published = replace(published, results=(files.notify(ctx, published),))
    rendered = LedgerSession(access=session.access, ledger=view.ledger, saved=view.ledger)
    job_summary.report_collected(ctx, rendered, published)
    return exit_code(ctx.runner, ctx.settings, published, None)
