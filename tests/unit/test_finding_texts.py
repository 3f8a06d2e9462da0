"""The texts of findings on disk are what was kept."""

import gc
import weakref
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from batch_action.batches import finding_texts
from batch_action.batches.finding_texts import FindingTextsFile
from batch_action.models.findings import Confidence, FindingTexts, Severity
from tests.harness.reports import finding_status

any_text = st.text(st.characters(), max_size=20)


@st.composite
def texts(draw) -> FindingTexts:
    finding = finding_status().finding
    assert finding is not None
    raw = replace(
        finding.texts.read().raw,
        severity=draw(st.sampled_from(Severity)),
        confidence=draw(st.sampled_from(Confidence)),
        start_line=draw(st.integers(1)),
        suggestion=draw(st.none() | any_text),
        explanation=draw(any_text),
        security=draw(st.booleans()),
    )
    return FindingTexts(
        raw=raw,
        evidence=draw(any_text),
        quoted=draw(any_text),
        quotes_lines=draw(st.booleans()),
        replacement=draw(st.none() | any_text),
    )


@given(st.lists(texts(), min_size=1, max_size=6), st.data())
def test_each_finding_has_its_texts_whenever_they_are_read(written, data):
    file = FindingTextsFile()
    kept = []
    for one in written:
        kept.append(file.keep(one))
        number = data.draw(st.integers(0, len(kept) - 1))
        assert kept[number].read() == written[number]
    assert [one.read() for one in kept] == written
    assert kept[0].read() == written[0]


def test_texts_that_were_written_in_several_pieces(monkeypatch):
    monkeypatch.setattr(finding_texts, "WRITTEN_AT_ONCE", 2)
    finding = finding_status().finding
    assert finding is not None
    file = FindingTextsFile()
    lines = [f"line {number} \udcff" for number in range(5)]
    kept = [file.keep(replace(finding.texts.read(), evidence=line)) for line in lines]
    assert [one.read().evidence for one in reversed(kept)] == lines[::-1]
    assert all(one.read().raw == finding.texts.read().raw for one in kept)


def test_the_file_is_gone_with_the_last_finding():
    finding = finding_status().finding
    assert finding is not None
    file = FindingTextsFile()
    kept = [file.keep(finding.texts) for _ in range(2 * finding_texts.WRITTEN_AT_ONCE + 1)]
    assert kept[0].read() == kept[-1].read() == finding.texts.read()
    alive = weakref.ref(file._store.file)
    gc.disable()
    try:
        del file
        assert alive() is not None
        del kept
        assert alive() is None
    finally:
        gc.enable()
