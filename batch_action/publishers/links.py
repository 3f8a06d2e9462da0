"""Links to the reviewed lines on GitHub, and to other pages."""

from batch_action.escape import href, html_code, path_url
from batch_action.models.findings import Anchor
from batch_action.models.report import RunReport
from batch_action.text import shorten_path

RENDERED_SUFFIXES = (
    *(".md", ".markdown", ".mdown", ".mkdn", ".mkd", ".mdx", ".rst", ".rest", ".adoc", ".asciidoc"),
    *(".asc", ".ipynb", ".textile", ".org", ".rdoc", ".creole", ".mediawiki", ".wiki", ".pod"),
    *(".csv", ".tsv", ".svg", ".geojson", ".topojson", ".mermaid", ".mmd"),
)
"""The files that GitHub renders (github/markup, and its viewers of data and drawings)."""


def build_permalink(anchor: Anchor, report: RunReport) -> str | None:
    """Build the URL of the lines on GitHub at the reviewed commit; None if it is not there."""
    if report.repository is None or not report.is_on_github:
        return None
    path = path_url(anchor.path)
    # Only the plain view of a file that GitHub renders has lines.
    view = "?plain=1" if path.lower().endswith(RENDERED_SUFFIXES) else ""
    lines = f"#L{anchor.start_line}"
    if anchor.end_line != anchor.start_line:
        lines += f"-L{anchor.end_line}"
    return f"{report.server_url}/{report.repository}/blob/{anchor.commit}/{path}{view}{lines}"


def format_location(anchor: Anchor, report: RunReport) -> str:
    """Format `path:10-12`, as a link if there is a repository."""
    lines = f"{anchor.start_line}"
    if anchor.end_line != anchor.start_line:
        lines += f"-{anchor.end_line}"
    return link_lines(html_code(f"{shorten_path(anchor.path)}:{lines}"), anchor, report)


def link_lines(label: str, anchor: Anchor, report: RunReport) -> str:
    """Link a label, which is escaped, to the lines, if there is a repository."""
    url = build_permalink(anchor, report)
    return f"[{label}]({url})" if url else label


def format_link(label: str, url: str | None) -> str:
    """Format a label as a link if *url* is a safe one; *label* must not come from outside."""
    address = href(url) if url else ""
    return f"[{label}]({address})" if address else label
