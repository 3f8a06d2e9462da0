"""Masking of secrets: real formats, no false positives, speed."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batch_action.clients.secrets import mask
from tests.harness.cpu import assert_at_most

# Concatenated here, so that no secret scanner reports this file.
KEY = "MIIE" + "vQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEAAoIBAQ" + "x" * 14
BEGIN, END = "-----BEGIN RSA PRIVATE " + "KEY-----", "-----END RSA PRIVATE " + "KEY-----"
JWT = "eyJhbGciOiJIUzI1NiJ9" + "." + "eyJzdWIiOiIxIn0" + "." + "abcDEF_-123456789"


@pytest.mark.parametrize(
    "secret",
    [
        "AKIA" + "IOSFODNN7EXAMPLE",
        "ghp_" + "a1B2" * 9,
        "github_pat_" + "A1b2_" * 16,
        "glpat-" + "a1B2" * 5,
        "xoxb-" + "123456789012-123456789012-" + "a1B2c3" * 4,
        "https://hooks.slack.com/services/" + "T00000000/B00000000/" + "X" * 24,
        "sk_live_" + "a1B2" * 6,
        "npm_" + "a1B2" * 9,
        "pypi-AgEIcHlwaS5vcmc" + "a1B2" * 20,
        "SG." + "a" * 22 + "." + "b" * 43,
        "SK" + "a1" * 16,
        "sk-ant-" + "api03-" + "a1B-" * 20,
        "sk-" + "a1B2" * 5 + "T3BlbkFJ" + "c3D4" * 5,
        "sk-proj-" + "a1B2_" * 16,
        "AccountKey=" + "a1B2" * 21 + "aa==",
        "M" + "a" * 23 + "." + "b" * 6 + "." + "c" * 27,
        JWT,
        f"{BEGIN}\n{KEY}\n{KEY}\nab=\n{END}",
        f"{BEGIN}\r\n{KEY}\r\n{END}",
        f"{BEGIN}\\n{KEY}\\n{KEY}\\n{END}",
        f'{BEGIN}\\n"\n    "{KEY}\\n"\n    "{END}',
        f"{BEGIN}\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,00\n\n{KEY}\n{END}",
        f"PuTTY-User-Key-File-2: ssh-rsa\nEncryption: none\nPublic-Lines: 1\n{KEY}\n"
        "Private-MAC: " + "a1" * 20,
    ],
)
def test_a_secret_is_masked_completely_and_counted_once(secret):
    text = f"a = 1\nb = '{secret}'\nc = 2\n"
    masked, count = mask(text)
    assert count == 1
    assert masked == text.replace(secret, re.sub(r"[^\r\n]", "•", secret))
    assert mask(masked) == (masked, 0)


def test_only_the_value_of_an_assignment_is_masked():
    text = "aws_secret_access_key = '" + "a1B/" * 10 + "'\n//r.org/:_authToken=npm_" + "a1B2" * 9
    masked, count = mask(text)
    assert count == 2
    assert masked.startswith("aws_secret_access_key = '••••")
    assert "\n//r.org/:_authToken=••••" in masked


def test_a_key_without_end_is_masked_to_its_last_line():
    masked, count = mask(f"{BEGIN}\n{KEY}\n{KEY}\n\nx = call(1)\n")
    assert count == 1
    assert KEY not in masked
    assert masked.endswith("\n\nx = call(1)\n")


@pytest.mark.parametrize(
    "text",
    [
        f'if "{BEGIN}" in text:\n    return parse(text)\nend = "{END}"\n',
        f"{BEGIN}\n...\n{END}\n",
        "integrity = 'sha512-" + "aB3/" * 20 + "'\n",
        "password = 'correct horse battery staple'\nsecret_key = os.environ['SECRET_KEY']\n",
        "commit = '" + "a1b2" * 10 + "'\n",
        "url = 'https://user:pass@example.com/'\n",
        "Back" + "a1" * 16 + "\n",
        "x = eyJ.parse(task-list)\n",
        'raise ValueError("no PRIVATE KEY here")',
    ],
)
def test_ordinary_code_is_unchanged(text):
    assert mask(text) == (text, 0)


@given(st.text(alphabet=st.sampled_from("aK1\n\r'•İ-_. ")))
def test_lengths_and_lines_are_unchanged(text):
    secret = "ghp_" + "a1B2" * 9
    whole = f"{text}\n{secret}\n{text}"
    masked, _ = mask(whole)
    assert len(masked) == len(whole)
    assert [i for i, c in enumerate(masked) if c == "\n"] == [
        i for i, c in enumerate(whole) if c == "\n"
    ]
    assert secret not in masked


def test_a_secret_in_a_long_line_is_found():
    secret = "ghp_" + "a1B2" * 9
    for offset in (4000, 4090, 9000, 100_000):
        masked, count = mask("x " * (offset // 2) + secret + " y" * 5000)
        assert (count, secret in masked) == (1, False)


@pytest.mark.parametrize(
    "text",
    [
        f"{BEGIN}\n" * 20_000,
        BEGIN * 20_000,
        f"{BEGIN}\n" + f"{KEY}\n" * 8000,
        "sk-" * 200_000 + "T3BlbkFJ",
        "def f(x):\n    return x + 1\n" * 25_000,
    ],
)
def test_a_large_text_is_fast(text):
    assert_at_most(50, lambda: mask(text), floor=lambda: list(map(ord, text)))
