"""The web pages of the emulated GitHub."""

import pytest

from batch_action.sandbox.github import page
from batch_action.sandbox.github.markdown import markdown_to_html


def test_github_flavored_markdown() -> None:
    html = markdown_to_html(
        "> [!WARNING]\n> Careful.\n\n| a | b |\n|---|--:|\n| 1 | ~~2~~ |\n\n- [x] done\n\n"
        "<details><summary>More</summary>\n\n`code`\n\n</details>\n\n```diff\n-a\n+b\n```\n"
    )
    assert '<div class="markdown-alert markdown-alert-warning">' in html
    assert '<td style="text-align:right"><s>2</s></td>' in html
    assert '<input type="checkbox" disabled checked> done' in html
    assert "<details><summary>More</summary>\n<p><code>code</code></p>\n</details>" in html
    assert '<span class="del">-a</span>\n<span class="add">+b</span>' in html


@pytest.mark.parametrize(
    "hostile",
    [
        "<script>alert(1)</script>",
        "<ScRiPt src=//x>",
        "<img src=https://evil.example/x.png onerror=alert(1)>",
        "![beacon](https://evil.example/x.png)",
        "<a href='javascript:alert(1)' onclick=alert(1)>x</a>",
        "<a href=' JaVaScRiPt:alert(1)'>x</a>",
        "<svg onload=alert(1)></svg>",
        "<iframe src=https://evil.example></iframe>",
        "<style>@import 'https://evil.example'</style>",
        "<p style='background:url(https://evil.example)' class='card'>x</p>",
        "<!-- onload --><form action=https://evil.example><button>x</button></form>",
    ],
)
def test_no_script_runs_and_no_resource_is_loaded(hostile: str) -> None:
    html = markdown_to_html(hostile).lower()
    for danger in (
        "<script",
        "src=",
        "onerror",
        "onclick",
        "onload",
        "javascript:",
        "evil",
        "card",
    ):
        assert danger not in html


def test_a_body_cannot_break_out_of_its_card() -> None:
    assert markdown_to_html("</div></article><b>bold") == "<b>bold</b>"
    assert (
        markdown_to_html("<details><summary>open") == "<details><summary>open</summary></details>"
    )


def test_the_page_of_an_issue(hub, client, http) -> None:
    repo = client(hub.start_run("octo/demo", event="schedule").token)
    sha = client(hub.token_for("octo")).get_branch("main").commit.sha
    repo.create_label("ai", "fbca04")
    link = f"https://github.com/octo/demo/blob/{sha}/a.py#L15-L16"
    issue = repo.create_issue("Report & more", body=f"{link}\n", labels=["ai"])
    issue.create_comment("done?")
    issue.edit(state="closed", state_reason="not_planned")
    url = f"{hub.instance.origin}/octo/demo/issues"
    html = http.get(f"{url}/1").text
    assert "Report &amp; more <span>#1</span>" in html
    assert "Closed as not planned" in html
    assert '<td class="number">15</td><td class="code">line fifteen</td>' in html
    assert "background:#fbca04;color:#1f2328" in html
    assert "done?" in html
    assert "http" not in html.replace(link, "")
    assert "Report &amp; more</a>" in http.get(url).text
    assert http.get(f"{url}/2").status_code == 404


def test_lists_of_issues_and_pull_requests(hub, client, http) -> None:
    client(hub.token_for("octo")).create_issue("A report")
    hub.open_pull_request("octo/demo", head="feature", title="A feature")
    issues, pulls = (
        http.get(f"{hub.instance.origin}/octo/demo/{n}").text for n in ("issues", "pulls")
    )
    assert ("A report" in issues, "A feature" in issues) == (True, False)
    assert ("A report" in pulls, "A feature" in pulls) == (False, True)
    assert "1 open · 0 closed" in issues
    assert 'href="/octo/demo/pull/' in pulls


def test_the_page_of_a_markdown_text() -> None:
    html = page.render_markdown("Summary", "# Hello")
    assert "<title>Summary</title>" in html
    assert "<h1>Hello</h1>" in html
