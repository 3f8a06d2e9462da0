"""Custom ids and packing: batches that the API would refuse are never sent."""

import itertools
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batch_action.models.ledger import RequestKey
from batch_action.models.requests import SubmissionMode, digest
from batch_action.requests import packing
from tests.harness.batches import a_request

BLOB = "0123456789abcdef" * 2 + "01234567"
ALLOWED = re.compile(r"\A[a-zA-Z0-9_-]{1,64}\Z")
HOSTILE = (
    "",
    "/",
    "a.py",
    "src/api/users.ts",
    "dir with space/ü.go",
    "../../etc/passwd",
    "-rf",
    'n"\n::error::x.py',
    "日本語.py",
    "x" * 5000,
    "\ud800.py",
    "a\0b",
    "___",
)


def request(number=0, size=10, **values):
    name = f"code-review-a-{number}"
    key = RequestKey(id=name, path="a.py", blob=BLOB)
    return a_request(request_key=key, size_bytes=size, **values)


class TestCustomIds:
    @given(st.text(min_size=1, max_size=30), st.text() | st.sampled_from(HOSTILE), st.text())
    def test_any_task_and_path_make_an_allowed_id(self, task, path, field):
        made = packing.custom_id(task, path, BLOB, digest(field))
        assert ALLOWED.match(made)
        assert packing.CUSTOM_ID.fullmatch(made)

    @pytest.mark.parametrize("path", HOSTILE)
    def test_hostile_paths(self, path):
        made = packing.custom_id("security-scan", path, BLOB, digest(path))
        assert ALLOWED.match(made)
        assert made.startswith("security-sca-")
        assert made.endswith(f"-{BLOB[:12]}-{digest(path)}")

    def test_they_are_stable(self):
        """A change here would send, and pay for, every request of every ledger again."""
        request_key = digest(
            "42", "code-review", "0" * 16, "claude-sonnet-5-5", "medium", "src/a.py", "1/1", BLOB
        )
        assert request_key == "e07e9938615f42"
        made = packing.custom_id("code-review", "src/a.py", BLOB, request_key)
        assert made == "code-review-src_a_py-0123456789ab-e07e9938615f42"

    @given(st.lists(st.none() | st.text(max_size=5), max_size=4), st.data())
    def test_different_fields_have_different_digests(self, fields, data):
        other = data.draw(st.lists(st.none() | st.text(max_size=5), max_size=4))
        same = digest(*fields) == digest(*other)
        assert same == (fields == other)

    @pytest.mark.parametrize(
        ("one", "two"),
        [
            (("ab", "c"), ("a", "bc")),
            (("a", ""), ("a",)),
            (("a", None), ("a", "")),
            (("a", "null"), ("a", None)),
            (('a","b',), ("a", "b")),
            (("é",), ("e\u0301",)),
            (("\ud800",), ("?",)),
        ],
    )
    def test_boundaries_between_fields_count(self, one, two):
        assert digest(*one) != digest(*two)
        assert re.fullmatch(r"[0-9a-f]{14}", digest(*one))

    @given(st.sets(st.text(min_size=1, max_size=40), min_size=2, max_size=40))
    def test_similar_paths_have_different_ids(self, paths):
        made = {packing.custom_id("t", path, BLOB, digest(path)) for path in paths}
        assert len(made) == len(paths)


class TestPacking:
    sizes = st.lists(st.integers(1, 100), max_size=40)

    @given(sizes, st.integers(1, 7), st.integers(100, 300))
    def test_the_invariants(self, sizes, most, max_bytes):
        requests = [request(n, size) for n, size in enumerate(sizes)]
        batches = packing.pack(iter(requests), max_requests=most, max_bytes=max_bytes)
        assert [r for batch in batches for r in batch] == requests
        assert all(1 <= len(batch) <= most for batch in batches)
        assert all(sum(r.size_bytes for r in batch) <= max_bytes for batch in batches)
        for one, two in itertools.pairwise(batches):
            full = (
                len(one) == most or sum(r.size_bytes for r in one) + two[0].size_bytes > max_bytes
            )
            assert full, "a batch was closed although the next request would have fitted"

    def test_no_requests_make_no_batch(self):
        assert packing.pack([]) == ()

    def test_exactly_the_limit_fits(self):
        assert len(packing.pack([request(1, 50), request(2, 50)], max_bytes=100)) == 1
        assert len(packing.pack([request(1, 100)], max_bytes=100)) == 1

    def test_a_request_larger_than_a_batch_is_a_bug(self):
        with pytest.raises(ValueError, match="larger than a batch"):
            packing.pack([request(1, 101)], max_bytes=100)

    def test_the_limits_are_below_those_of_the_api(self):
        assert packing.MAX_REQUESTS == 100_000
        assert 240_000_000 <= packing.MAX_BATCH_BYTES < 256_000_000
        assert packing.MAX_REQUEST_BYTES <= 32_000_000


class TestPackByModel:
    @pytest.mark.parametrize("mode", SubmissionMode)
    def test_the_order_stays(self, mode):
        batches = packing.pack_by_model([request(n) for n in range(4)], mode, max_requests=9)
        assert [len(batch) for batch in batches] == (
            [1, 3] if mode is SubmissionMode.WARM_UP else [4]
        )
        assert list(itertools.chain(*batches)) == [request(n) for n in range(4)]

    def test_each_model_has_its_own_batches(self):
        requests = [request(n, model="ab"[n % 2]) for n in range(5)]
        batches = packing.pack_by_model(requests, SubmissionMode.BATCH, max_requests=2)
        assert [[r.model for r in batch] for batch in batches] == [["a", "a"], ["a"], ["b", "b"]]


class TestCheckBatch:
    def test_a_valid_batch_passes(self):
        packing.check_batch([request(n) for n in range(3)])
        packing.check_batch([request(1, packing.MAX_BATCH_BYTES)])

    @pytest.mark.parametrize(
        ("batch", "why"),
        [
            ([], "0 requests"),
            ([request()] * (packing.MAX_REQUESTS + 1), "100001 requests"),
            ([request(1), request(1)], "twice"),
            ([request(1, packing.MAX_BATCH_BYTES), request(2, 1)], "too many bytes"),
        ],
    )
    def test_what_the_api_would_refuse(self, batch, why):
        with pytest.raises(ValueError, match=why):
            packing.check_batch(batch)

    @pytest.mark.parametrize("bad", ["", "a/b", "a.b", "x" * 65, "é", "a\n", "a b"])
    def test_ids_outside_of_the_pattern(self, bad):
        request_key = RequestKey(id=bad, path="a.py", blob=BLOB)
        with pytest.raises(ValueError, match="not allowed"):
            packing.check_batch([a_request(request_key=request_key)])
