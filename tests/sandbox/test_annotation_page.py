"""The web page of the annotations of a run."""

from batch_action.sandbox.github.annotation_page import render_annotations
from batch_action.sandbox.server import Sandbox


def shown(log: str) -> str:
    with Sandbox() as box:
        return render_annotations("review", log, box.github.add_repository("octo/shop"))


def test_an_annotation_is_listed_with_its_location():
    html = shown("::error file=a%2Cb.py,line=3,endLine=5,title=Bad%3A it::100%25%0Asure\n")
    assert "<b>Bad: it</b>" in html
    assert "<code>a,b.py#L3-L5</code>" in html
    assert "<p>100%\nsure</p>" in html


def test_hostile_text_is_escaped():
    assert "<script>" not in shown("::notice title=<script>::<script>\n")


def test_other_lines_and_the_eleventh_are_not_shown():
    html = shown("hello::error::no\n::debug::no\n" + "::warning title=W::yes\n" * 11)
    assert html.count("<p>yes</p>") == 10
    assert "<p>no</p>" not in html
