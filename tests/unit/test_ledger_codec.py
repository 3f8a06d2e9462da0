"""The bytes of an artifact: what we wrote comes back, and nothing else comes in."""

import io
import json
import random
import struct
import zipfile

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from batch_action.ledger import codec
from batch_action.ledger.codec import (
    LEDGER_ENTRY,
    SIGNATURE_ENTRY,
    RefusedLedgerError,
    TooLargeError,
    decode,
    encode,
)
from batch_action.models.ledger import FileEntry, Selected, Withdrawn
from tests.harness.replayed_runs import hours, ledger, ledgers, sha

SECRET = "a long secret"
FACT = Withdrawn(batch="msgbatch_1", actor="ada", at=hours(1))
KNOWN = ledger(FACT)
TEXT = KNOWN.model_dump_json()


def opened(data, *secrets, repository="42", task="code-review"):
    return decode(data, repository=repository, task=task, secrets=secrets)


def refusal(data, *secrets, **whose):
    with pytest.raises(RefusedLedgerError) as caught:
        opened(data, *secrets, **whose)
    sentence = str(caught.value)
    assert 0 < len(sentence) <= 300
    assert sentence.isprintable()
    return sentence


def zipped(*entries, method=zipfile.ZIP_DEFLATED):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive:
        for name, text in entries:
            archive.writestr(zipfile.ZipInfo(name), text, method)
    return buffer.getvalue()


def forged(**changes):
    """A whole ledger with some of its fields replaced."""
    return zipped((LEDGER_ENTRY, json.dumps(json.loads(TEXT) | changes)))


def with_fact(**changes):
    return forged(facts=[FACT.model_dump(mode="json") | changes])


class TestOurOwn:
    @given(ledgers, st.none() | st.just(SECRET))
    def test_what_was_sealed_comes_back(self, one, secret):
        data = encode(one, secret)
        assert opened(data, *([secret] if secret else [])) == one
        assert opened(data) == one

    @given(ledgers)
    def test_the_same_facts_make_the_same_bytes(self, one):
        again = one.model_validate_json(one.model_dump_json())
        assert encode(one, SECRET) == encode(again, SECRET)

    def test_a_secret_that_was_changed_is_still_accepted_as_the_previous_one(self):
        data = encode(KNOWN, "old")
        assert opened(data, "new", "old") == KNOWN
        assert "signature" in refusal(data, "new")

    def test_an_unsigned_ledger_is_refused_where_a_secret_is_set(self):
        assert "`state-secret`" in refusal(encode(KNOWN, None), SECRET)

    def test_a_signature_belongs_to_its_text(self):
        with zipfile.ZipFile(io.BytesIO(encode(KNOWN, SECRET))) as archive:
            signature = archive.read(SIGNATURE_ENTRY)
        other = TEXT.replace("ada", "eve")
        assert "signature" in refusal(zipped((LEDGER_ENTRY, other), (SIGNATURE_ENTRY, signature)), SECRET)
        assert "signature" in refusal(zipped((LEDGER_ENTRY, TEXT), (SIGNATURE_ENTRY, "é" * 64)), SECRET)

    def test_what_could_not_be_read_back_is_not_written(self, monkeypatch):
        noise = random.Random(1)
        entries = tuple(
            FileEntry(path=f"{noise.random()}.py", blob=sha(str(n))) for n in range(200)
        )
        big = ledger(Selected(head=sha("h"), base=None, branch="m", at=hours(1), files=entries))
        size = len(encode(big, None))
        monkeypatch.setattr(codec, "MAX_ZIPPED_BYTES", size)
        assert opened(encode(big, None)) == big
        monkeypatch.setattr(codec, "MAX_ZIPPED_BYTES", size - 1)
        with pytest.raises(TooLargeError, match="MiB"):
            encode(big, None)
        monkeypatch.undo()
        monkeypatch.setattr(codec, "MAX_UNZIPPED_BYTES", 1000)
        with pytest.raises(TooLargeError):
            encode(big, None)


class TestWhose:
    @pytest.mark.parametrize("whose", [{"repository": "43"}, {"task": "security-scan"}])
    def test_another_repository_or_task(self, whose):
        assert "another repository or task" in refusal(encode(KNOWN, None), **whose)

    @pytest.mark.parametrize("version", [2, 99])
    def test_a_newer_schema_says_so(self, version):
        said = refusal(forged(schema_version=version, what_is_new=1))
        assert f"newer batch-action (schema {version})" in said

    @pytest.mark.parametrize("version", [0, -1, "1", 1.5, None, [1]])
    def test_a_schema_that_never_was(self, version):
        assert "schema_version" in refusal(forged(schema_version=version))


class TestBadZips:
    def test_no_zip(self):
        for data in (b"", b"PK", b"no zip at all", b"\x1f\x8b" + b"x" * 99, TEXT.encode()):
            assert "not a readable zip" in refusal(data)

    @pytest.mark.parametrize(
        "entries",
        [
            [],
            [("other.json", TEXT)],
            [(SIGNATURE_ENTRY, "00")],
            [(LEDGER_ENTRY, TEXT), ("more.txt", "x")],
            [(LEDGER_ENTRY, TEXT), ("../../etc/cron.d/x", "x")],
            [("../" + LEDGER_ENTRY, TEXT)],
            [("/" + LEDGER_ENTRY, TEXT)],
            [("C:\\" + LEDGER_ENTRY, TEXT)],
            [(LEDGER_ENTRY + "/", "")],
            [("Ledger.json", TEXT)],
        ],
    )
    def test_other_entries_than_ours(self, entries):
        assert "entries" in (said := refusal(zipped(*entries))) or f"no entry {LEDGER_ENTRY}" in said

    def test_the_same_entry_twice(self):
        with pytest.warns(UserWarning, match="Duplicate"):
            data = zipped((LEDGER_ENTRY, "{}"), (LEDGER_ENTRY, TEXT))
        assert "entries" in refusal(data)

    def test_a_bomb_that_declares_its_size(self, monkeypatch):
        data = zipped((LEDGER_ENTRY, " " * 3_000_000 + TEXT))
        assert opened(data) == KNOWN
        monkeypatch.setattr(codec, "MAX_UNZIPPED_BYTES", 3_000_000)
        assert "unpack" in refusal(data)

    @pytest.mark.parametrize("told", [0, 1, 1000])
    def test_a_bomb_that_lies_about_its_size(self, told):
        data = bytearray(zipped((LEDGER_ENTRY, " " * 50_000_000)))
        true = struct.pack("<I", 50_000_000)
        assert data.count(true) == 2
        refusal(bytes(data.replace(true, struct.pack("<I", told))))

    def test_one_that_tells_less_than_it_holds(self):
        # The directory's size is believed by zipfile; both the size and the checksum betray it.
        data = zipped((LEDGER_ENTRY, TEXT))
        lie = data.replace(struct.pack("<I", len(TEXT)), struct.pack("<I", len(TEXT) - 1))
        refusal(lie)

    @pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
    def test_methods_that_unpack_without_a_cap(self, method):
        assert "method" in refusal(zipped((LEDGER_ENTRY, TEXT), method=method))

    def test_an_unknown_method(self):
        data = zipped((LEDGER_ENTRY, TEXT), method=zipfile.ZIP_STORED)
        central = data.index(b"PK\x01\x02")
        for at in (8, central + 10):
            data = data[:at] + struct.pack("<H", 77) + data[at + 2 :]
        refusal(data)

    def test_an_encrypted_one(self):
        data = bytearray(zipped((LEDGER_ENTRY, TEXT), method=zipfile.ZIP_STORED))
        central = data.index(b"PK\x01\x02")
        data[6] |= 1
        data[central + 8] |= 1
        assert "not a readable zip" in refusal(bytes(data))

    def test_a_truncated_one(self):
        data = encode(KNOWN, SECRET)
        for end in range(len(data)):
            refusal(data[:end])

    def test_a_sound_zip_with_a_broken_stream(self):
        data = bytearray(zipped((LEDGER_ENTRY, TEXT)))
        start = 30 + len(LEDGER_ENTRY)
        data[start : start + 8] = b"\xff" * 8
        assert "not a readable zip" in refusal(bytes(data))

    @settings(max_examples=400)
    @given(st.data())
    def test_no_mutation_ends_in_anything_but_a_refusal(self, data):
        """Some mutations touch bytes nobody reads; what is not refused is what was sealed."""
        sound = encode(KNOWN, data.draw(st.none() | st.just(SECRET)))
        bad = bytearray(sound)
        for _ in range(data.draw(st.integers(1, 4))):
            at = data.draw(st.integers(0, len(bad) - 1))
            new = data.draw(st.binary(max_size=3))
            bad[at : at + data.draw(st.integers(0, 3))] = new
            if not bad:
                break
        try:
            assert opened(bytes(bad)) == KNOWN
        except RefusedLedgerError:
            refusal(bytes(bad))


class TestBadText:
    @pytest.mark.parametrize(
        "text",
        [
            "",
            "null",
            "[]",
            '"ledger"',
            "7",
            "{",
            TEXT[:-1],
            TEXT + TEXT,
            "\ufeff" + TEXT,
            "[" * 100_000,
            '{"facts":' + "[" * 50_000 + "]" * 50_000 + "}",
            '{"a":' * 50_000 + "1" + "}" * 50_000,
            '{"schema_version": ' + "9" * 10_000 + "}",
            TEXT.replace("ada", "\\ud800"),
            "\x00",
        ],
    )
    def test_no_json_or_not_ours(self, text):
        refusal(zipped((LEDGER_ENTRY, text)))

    def test_bytes_that_are_no_text(self):
        refusal(zipped((LEDGER_ENTRY, b"\xff\xfe{}")))
        refusal(zipped((LEDGER_ENTRY, TEXT.encode().replace(b"ada", b"\xe9"))))
        refusal(zipped((LEDGER_ENTRY, TEXT.encode("utf-16"))))

    @pytest.mark.parametrize(
        "change",
        [
            {"batch": "../../x"},
            {"batch": "msgbatch_1/results?x="},
            {"batch": "msgbatch_1\n"},
            {"batch": ""},
            {"batch": "b" * 129},
            {"batch": 7},
            {"at": "yesterday"},
            {"at": "2026-11-01T02:00:00"},
            {"at": 10**30},
            {"at": None},
            {"at": "9999-12-31T23:59:59-12:00"},
            {"kind": "invented"},
            {"kind": None},
            {"more": 1},
            {"more\n::error::x" + "y" * 5000: 1},
            {"kind": "\n::error::x" + "y" * 5000},
        ],
    )
    def test_ids_that_are_no_ids_and_moments_that_are_none(self, change):
        said = refusal(with_fact(**change))
        assert "::error" not in said.splitlines()[0][:2]
        assert said.startswith("facts.0")

    @pytest.mark.parametrize("name", ["base", "head", "blob"])
    @pytest.mark.parametrize("value", ["HEAD", "--upload-pack=x", "0" * 39, "g" * 40, "A" * 40])
    def test_commits_and_blobs_that_are_no_object_ids(self, name, value):
        entry = {"path": "a.py", "blob": sha("b")}
        fact = {
            "kind": "selected",
            "head": sha("h"),
            "base": None,
            "branch": "main",
            "at": "2026-11-01T02:00:00Z",
            "files": [entry],
        }
        assert len(opened(forged(facts=[fact])).facts) == 1
        (entry if name == "blob" else fact)[name] = value
        assert name in refusal(forged(facts=[fact]))

    @pytest.mark.parametrize(
        ("name", "value"),
        [
            ("cost_usd", "NaN"),
            ("cost_usd", "Infinity"),
            ("cost_usd", "1e999"),
            ("cost_usd", "-1"),
            ("cost_usd", '"1"x'),
            ("usage", '{"input_tokens": 1' + "0" * 40 + "}"),
            ("usage", '{"input_tokens": 1' + "0" * 9999 + "}"),
            ("usage", '{"input_tokens": -1}'),
            ("usage", '{"input_tokens": 1.5}'),
        ],
    )
    def test_numbers_that_are_none(self, name, value):
        fact = '{"kind":"collected","batch":"b","at":"2026-11-01T02:00:00Z",%s,"failed":{}}'
        sound = {"cost_usd": '"cost_usd":1', "usage": '"usage":{}'}

        def whole(**parts):
            body = fact % ",".join((sound | parts).values())
            return zipped((LEDGER_ENTRY, TEXT.replace(FACT.model_dump_json(), body)))

        assert len(opened(whole()).facts) == 1
        refusal(whole(**{name: f'"{name}":{value}'}))
