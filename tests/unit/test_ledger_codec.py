"""Encoding and decoding ledgers: a round trip, and everything else is refused."""

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
from batch_action.models.ledger import (
    SCHEMA,
    FileEntry,
    Intended,
    RequestKey,
    Selected,
    Withdrawn,
)
from tests.harness.replayed_runs import hours, ledger, ledgers, sha

SECRET = "a long secret"
FACT = Withdrawn(batch="msgbatch_1", actor="ada", at=hours(1))
KNOWN = ledger(FACT)
TEXT = KNOWN.model_dump_json()


def decoded(data, *secrets, repository="42", task="code-review"):
    return decode(data, repository=repository, task=task, secrets=secrets)


def refusal(data, *secrets, **owner):
    with pytest.raises(RefusedLedgerError) as caught:
        decoded(data, *secrets, **owner)
    message = str(caught.value)
    assert 0 < len(message) <= 300
    assert message.isprintable()
    return message


def zip_of(*entries, method=zipfile.ZIP_DEFLATED):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive:
        for name, text in entries:
            archive.writestr(zipfile.ZipInfo(name), text, method)
    return buffer.getvalue()


def forged(**changes):
    """Return a ledger with some of its fields replaced."""
    return zip_of((LEDGER_ENTRY, json.dumps(json.loads(TEXT) | changes)))


def with_fact(**changes):
    return forged(facts=[FACT.model_dump(mode="json") | changes])


class TestRoundTrip:
    @given(ledgers, st.none() | st.just(SECRET))
    def test_an_encoded_ledger_is_decoded_again(self, original, secret):
        data = encode(original, secret)
        assert decoded(data, *([secret] if secret else [])) == original
        assert decoded(data) == original

    @given(ledgers)
    def test_the_same_facts_make_the_same_bytes(self, original):
        again = original.model_validate_json(original.model_dump_json())
        assert encode(original, SECRET) == encode(again, SECRET)

    @pytest.mark.parametrize("at_once", [1, 2, 200])
    def test_a_ledger_is_the_json_of_its_model(self, at_once, monkeypatch):
        monkeypatch.setattr(codec, "ENTRIES_AT_ONCE", at_once)
        keys = [
            RequestKey(id=f"r{n}", path='"batches":[].py', blob=sha("a"), shown="1-2")
            for n in range(4)
        ]
        about = RequestKey(
            id="v", path="b.py", blob=sha("b"), purpose="verification", findings=("f" * 16,)
        )
        entries = tuple(FileEntry(path=f"{n}.py", blob=sha("a")) for n in range(5))
        facts = [
            FACT,
            Selected(head=sha("h"), branch='"files":[]', at=hours(1), files=entries),
            Selected(head=sha("i"), branch="m", at=hours(2), files=()),
            *(
                Intended(
                    intent=f"{n}" * 16,
                    at=hours(1),
                    run='"batches":[',
                    head=sha("h"),
                    model="m",
                    batches=batches,
                )
                for n, batches in enumerate(
                    [(), ((),), ((), (about,)), (tuple(keys), (), (*keys, about))]
                )
            ),
        ]
        with zipfile.ZipFile(io.BytesIO(encode(ledger(*facts), None))) as archive:
            text = archive.read(LEDGER_ENTRY).decode()
        assert text == ledger(*facts).model_dump_json(exclude_none=True)

    def test_equal_strings_of_several_entries_are_one_string_in_memory(self):
        entry = FileEntry(path="src/a.py", blob=sha("a"))
        heads = [Selected(head=sha(x), branch="m", at=hours(1), files=(entry,)) for x in "xyz"]
        files = [fact.files[0] for fact in decoded(encode(ledger(*heads), None)).facts]
        assert len(files) == 3
        assert len({id(file.path) for file in files}) == 1
        assert len({id(file.blob) for file in files}) == 1

    def test_a_secret_that_was_changed_is_still_accepted_as_the_previous_one(self):
        data = encode(KNOWN, "old")
        assert decoded(data, "new", "old") == KNOWN
        assert "signature" in refusal(data, "new")

    def test_an_unsigned_ledger_is_refused_where_a_secret_is_set(self):
        assert "`state-secret`" in refusal(encode(KNOWN, None), SECRET)

    def test_a_signature_belongs_to_its_text(self):
        with zipfile.ZipFile(io.BytesIO(encode(KNOWN, SECRET))) as archive:
            signature = archive.read(SIGNATURE_ENTRY)
        other = TEXT.replace("ada", "eve")
        assert "signature" in refusal(
            zip_of((LEDGER_ENTRY, other), (SIGNATURE_ENTRY, signature)), SECRET
        )
        assert "signature" in refusal(
            zip_of((LEDGER_ENTRY, TEXT), (SIGNATURE_ENTRY, "é" * 64)), SECRET
        )

    def test_a_ledger_over_the_limit_is_not_encoded(self, monkeypatch):
        noise = random.Random(1)
        entries = tuple(
            FileEntry(path=f"{noise.random()}.py", blob=sha(str(n))) for n in range(200)
        )
        big = ledger(Selected(head=sha("h"), base=None, branch="m", at=hours(1), files=entries))
        size = len(encode(big, None))
        monkeypatch.setattr(codec, "MAX_ZIPPED_BYTES", size)
        assert decoded(encode(big, None)) == big
        monkeypatch.setattr(codec, "MAX_ZIPPED_BYTES", size - 1)
        with pytest.raises(TooLargeError, match="MiB"):
            encode(big, None)
        monkeypatch.undo()
        monkeypatch.setattr(codec, "MAX_UNZIPPED_BYTES", 1000)
        with pytest.raises(TooLargeError):
            encode(big, None)


class TestOwner:
    @pytest.mark.parametrize("owner", [{"repository": "43"}, {"task": "security-scan"}])
    def test_another_repository_or_task(self, owner):
        assert "another repository or task" in refusal(encode(KNOWN, None), **owner)

    @pytest.mark.parametrize("version", [SCHEMA + 1, 99])
    def test_a_newer_schema_is_named(self, version):
        message = refusal(forged(schema_version=version, what_is_new=1))
        assert f"newer batch-action (schema {version})" in message

    @pytest.mark.parametrize("version", [0, -1, "1", 1.5, None, [1]])
    def test_an_invalid_schema(self, version):
        assert "schema_version" in refusal(forged(schema_version=version))


class TestBadZips:
    def test_not_a_zip(self):
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
    def test_unknown_entries(self, entries):
        assert (
            "entries" in (message := refusal(zip_of(*entries)))
            or f"no entry {LEDGER_ENTRY}" in message
        )

    def test_the_same_entry_twice(self):
        with pytest.warns(UserWarning, match="Duplicate"):
            data = zip_of((LEDGER_ENTRY, "{}"), (LEDGER_ENTRY, TEXT))
        assert "entries" in refusal(data)

    def test_a_bomb_that_declares_its_size(self, monkeypatch):
        data = zip_of((LEDGER_ENTRY, " " * 3_000_000 + TEXT))
        assert decoded(data) == KNOWN
        monkeypatch.setattr(codec, "MAX_UNZIPPED_BYTES", 3_000_000)
        assert "unpack" in refusal(data)

    @pytest.mark.parametrize("declared", [0, 1, 1000])
    def test_a_bomb_with_a_wrong_size(self, declared):
        data = bytearray(zip_of((LEDGER_ENTRY, " " * 50_000_000)))
        true = struct.pack("<I", 50_000_000)
        assert data.count(true) == 2
        refusal(bytes(data.replace(true, struct.pack("<I", declared))))

    def test_a_declared_size_that_is_too_small(self):
        # Zipfile trusts the size in the directory; the size and the checksum are both checked.
        data = zip_of((LEDGER_ENTRY, TEXT))
        wrong_size = data.replace(struct.pack("<I", len(TEXT)), struct.pack("<I", len(TEXT) - 1))
        refusal(wrong_size)

    @pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
    def test_methods_without_a_size_limit(self, method):
        assert "method" in refusal(zip_of((LEDGER_ENTRY, TEXT), method=method))

    def test_an_unknown_method(self):
        data = zip_of((LEDGER_ENTRY, TEXT), method=zipfile.ZIP_STORED)
        central = data.index(b"PK\x01\x02")
        for at in (8, central + 10):
            data = data[:at] + struct.pack("<H", 77) + data[at + 2 :]
        refusal(data)

    def test_an_encrypted_zip(self):
        data = bytearray(zip_of((LEDGER_ENTRY, TEXT), method=zipfile.ZIP_STORED))
        central = data.index(b"PK\x01\x02")
        data[6] |= 1
        data[central + 8] |= 1
        assert "not a readable zip" in refusal(bytes(data))

    def test_a_truncated_zip(self):
        data = encode(KNOWN, SECRET)
        for end in range(len(data)):
            refusal(data[:end])

    def test_a_valid_zip_with_a_broken_stream(self):
        data = bytearray(zip_of((LEDGER_ENTRY, TEXT)))
        start = 30 + len(LEDGER_ENTRY)
        data[start : start + 8] = b"\xff" * 8
        assert "not a readable zip" in refusal(bytes(data))

    @settings(max_examples=400)
    @given(st.data())
    def test_every_mutation_is_refused_or_harmless(self, data):
        """Some mutations change bytes that are not read; what is not refused is the original."""
        sound = encode(KNOWN, data.draw(st.none() | st.just(SECRET)))
        bad = bytearray(sound)
        for _ in range(data.draw(st.integers(1, 4))):
            at = data.draw(st.integers(0, len(bad) - 1))
            new = data.draw(st.binary(max_size=3))
            bad[at : at + data.draw(st.integers(0, 3))] = new
            if not bad:
                break
        try:
            assert decoded(bytes(bad)) == KNOWN
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
    def test_invalid_json(self, text):
        refusal(zip_of((LEDGER_ENTRY, text)))

    def test_bytes_that_are_not_text(self):
        refusal(zip_of((LEDGER_ENTRY, b"\xff\xfe{}")))
        refusal(zip_of((LEDGER_ENTRY, TEXT.encode().replace(b"ada", b"\xe9"))))
        refusal(zip_of((LEDGER_ENTRY, TEXT.encode("utf-16"))))

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
    def test_invalid_ids_and_times(self, change):
        message = refusal(with_fact(**change))
        assert "::error" not in message.splitlines()[0][:2]
        assert message.startswith("facts.0")

    @pytest.mark.parametrize("name", ["base", "head", "blob"])
    @pytest.mark.parametrize("value", ["HEAD", "--upload-pack=x", "0" * 39, "g" * 40, "A" * 40])
    def test_invalid_object_ids(self, name, value):
        entry = {"path": "a.py", "blob": sha("b")}
        fact = {
            "kind": "selected",
            "head": sha("h"),
            "base": None,
            "branch": "main",
            "at": "2026-11-01T02:00:00Z",
            "files": [entry],
        }
        assert len(decoded(forged(facts=[fact])).facts) == 1
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
    def test_invalid_numbers(self, name, value):
        fact = '{"kind":"collected","batch":"b","at":"2026-11-01T02:00:00Z",%s,"failed":{}}'
        sound = {"cost_usd": '"cost_usd":1', "usage": '"usage":{}'}

        def whole(**parts):
            body = fact % ",".join((sound | parts).values())
            return zip_of((LEDGER_ENTRY, TEXT.replace(FACT.model_dump_json(), body)))

        assert len(decoded(whole()).facts) == 1
        refusal(whole(**{name: f'"{name}":{value}'}))
