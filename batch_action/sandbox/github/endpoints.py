"""All endpoints of the emulated REST and GraphQL API."""

from batch_action.sandbox.github import (
    actions,
    alerts,
    comments,
    commits,
    git_data,
    graphql,
    issue_events,
    issues,
    labels,
    pulls,
    reactions,
    refs,
    repositories,
    review_comments,
    reviews,
    scanning,
)

_MODULES = (
    repositories, issues, issue_events, comments, reactions, labels, actions, refs, git_data,
    commits, pulls, reviews, review_comments, scanning, alerts, graphql,
)  # fmt: skip

# Starlette takes the first route that matches. Literal parts come before parameters
# (`/issues/comments` before `/issues/{number}`), and these before parameters that match
# slashes (`/commits/{sha}/pulls` before `/commits/{sha:path}`).
ENDPOINTS = sorted(
    (endpoint for module in _MODULES for endpoint in module.ENDPOINTS),
    key=lambda endpoint: endpoint.path.replace(":path}", "\x7f}").replace("{", "\x7f"),
)
