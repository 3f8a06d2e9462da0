"""Signatures of webhook deliveries: those of the reference libraries are accepted, no others."""

import base64
import hashlib
import hmac
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from standardwebhooks import Webhook

from batch_action.errors import ConfigError
from batch_action.server.signatures import Keys, UnsignedError, keys_from, verify

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
OTHER = "whsec_" + base64.b64encode(b"another key, 24 bytes ok").decode()
PLAIN = "a shared secret of enough length"
KEYS = keys_from({"A": SECRET}, {})
HEX_KEYS = keys_from({}, {"H": PLAIN})
BODY = b'{"type":"batch.completed","data":{"batch_id":"msgbatch_1"}}'

FROM_JAVASCRIPT = (
    "msg_p5jXN8AQM9LWM0D4loKWxJek",
    1795313820,
    '{"type":"message_batch.ended","data":{"id":"msgbatch_01Grün"}}',
    "v1,R79iUQRhMff0emODEiMwJl7pFnPJl+ARRYafPxgdgt0=",
)
"""What npm's standardwebhooks 1.1.1 signs with SECRET; `make e2e-webhooks` runs it again."""


def signed(
    body: bytes = BODY, *, secret: str = SECRET, name: str = "msg_1", age: timedelta = timedelta()
) -> dict[str, str]:
    """Return the headers that the Python library of Standard Webhooks writes."""
    when = datetime.now(UTC) - age
    return {
        "webhook-id": name,
        "webhook-timestamp": str(int(when.timestamp())),
        "webhook-signature": Webhook(secret).sign(name, when, body.decode()),
    }


def signed_in_hex(body: bytes = BODY, secret: str = PLAIN) -> dict[str, str]:
    return {"anthropic-signature": hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()}


def is_refused(headers: dict[str, str], body: bytes = BODY, keys: Keys = KEYS) -> bool:
    try:
        verify(headers, body, keys)
    except UnsignedError:
        return True
    return False


def test_a_signed_delivery_is_accepted_with_its_id() -> None:
    assert verify(signed(), BODY, KEYS) == ("webhook", "msg_1")


def test_the_javascript_library_signs_like_the_one_that_verifies() -> None:
    name, timestamp, body, signature = FROM_JAVASCRIPT
    assert Webhook(SECRET).sign(name, datetime.fromtimestamp(timestamp, UTC), body) == signature


@given(
    body=st.text(st.characters(codec="utf-8"), max_size=200),
    name=st.text("abcXYZ019_-. /:", min_size=1, max_size=400),
    key=st.binary(min_size=16, max_size=64),
)
def test_every_body_id_and_key_is_accepted(body: str, name: str, key: bytes) -> None:
    secret = "whsec_" + base64.b64encode(key).decode().rstrip("=")
    headers = signed(body.encode(), secret=secret, name=name)
    keys = keys_from({"A": OTHER, "B": secret}, {})
    assert verify(headers, body.encode(), keys) == ("webhook", name)


@given(data=st.data())
def test_one_other_bit_anywhere_is_refused(data: st.DataObject) -> None:
    headers = signed()
    field = data.draw(st.sampled_from(["body", *headers]))
    if field == "body":
        position = data.draw(st.integers(0, len(BODY) * 8 - 1))
        changed = bytearray(BODY)
        changed[position // 8] ^= 1 << position % 8
        assert is_refused(headers, bytes(changed))
        return
    value = headers[field].encode()
    # The signature's last character has bits that base64 does not count.
    position = data.draw(st.integers(0, (len(value) - 2) * 8 - 1))
    flipped = bytearray(value)
    flipped[position // 8] ^= 1 << position % 8
    assert is_refused({**headers, field: flipped.decode("latin-1")})


@pytest.mark.parametrize(
    ("minutes", "accepted"), [(0, True), (4.9, True), (-4.9, True), (5.1, False), (-5.1, False)]
)
def test_five_minutes_are_tolerated(minutes: float, accepted: bool) -> None:
    assert is_refused(signed(age=timedelta(minutes=minutes))) is not accepted


@pytest.mark.parametrize(
    ("changes", "accepted"),
    [
        ({"webhook-signature": "v1,AAAA {}"}, True),
        ({"webhook-signature": "v1a,ed25519 v2,AAAA {}"}, True),
        ({"webhook-signature": "{} {}"}, True),
        ({"webhook-signature": " {}"}, False),
        ({"webhook-signature": ""}, False),
        ({"webhook-signature": "v1,"}, False),
        ({"webhook-signature": "v1,é"}, False),
        ({"webhook-signature": "v1,%"}, False),
        ({"webhook-signature": "v1"}, False),
        ({"webhook-id": ""}, False),
        ({"webhook-id": "\udcff"}, False),
        ({"webhook-timestamp": ""}, False),
        ({"webhook-timestamp": "now"}, False),
        ({"webhook-timestamp": "nan"}, False),
        ({"webhook-timestamp": "1e9"}, False),
        ({"webhook-timestamp": "9" * 400}, False),
    ],
    ids=repr,
)
def test_header_formats(changes: dict[str, str], accepted: bool) -> None:
    headers = signed()
    signature = headers["webhook-signature"]
    changed = {name: value.replace("{}", signature) for name, value in changes.items()}
    assert is_refused({**headers, **changed}) is not accepted


@pytest.mark.parametrize("change", [("v1,", "v2,"), ("v1,", "")])
def test_another_version_of_the_signature_is_refused(change: tuple[str, str]) -> None:
    headers = signed()
    headers["webhook-signature"] = headers["webhook-signature"].replace(*change)
    assert is_refused(headers)


def test_a_body_that_is_not_utf_8_is_refused() -> None:
    body = b"\xff\xfe\x00"
    headers = signed()
    key = base64.b64decode(SECRET.removeprefix("whsec_"))
    message = f"msg_1.{headers['webhook-timestamp']}.".encode() + body
    digest = hmac.digest(key, message, "sha256")
    headers["webhook-signature"] = f"v1,{base64.b64encode(digest).decode()}"
    assert is_refused(headers, body)


def test_the_hex_form_is_accepted_only_with_its_own_secret() -> None:
    source, name = verify(signed_in_hex(), BODY, HEX_KEYS)
    assert (source, name) == ("hex-signature", f"sha256:{hashlib.sha256(BODY).hexdigest()}")
    assert is_refused(signed_in_hex(), keys=KEYS)
    assert is_refused(signed_in_hex(secret="another secret of that length"), keys=HEX_KEYS)
    assert is_refused(signed_in_hex(), BODY + b" ", HEX_KEYS)
    assert is_refused(signed(), keys=HEX_KEYS)
    both = Keys(KEYS.standard, HEX_KEYS.hexadecimal)
    assert not is_refused(signed_in_hex(), keys=both)
    assert not is_refused(signed(), keys=both)
    assert is_refused({**signed(secret=OTHER), **signed_in_hex(secret=SECRET)}, keys=both)


@pytest.mark.parametrize(
    ("value", "accepted"),
    [
        (signed_in_hex()["anthropic-signature"].upper(), True),
        ("sha256=" + signed_in_hex()["anthropic-signature"], True),
        (f" {signed_in_hex()['anthropic-signature']} ", True),
        ("", False),
        ("zz" * 32, False),
        (signed_in_hex()["anthropic-signature"][:-2], False),
        (signed_in_hex()["anthropic-signature"] + "00", False),
    ],
)
def test_formats_of_the_hex_form(value: str, accepted: bool) -> None:
    assert is_refused({"anthropic-signature": value}, keys=HEX_KEYS) is not accepted


def test_without_a_secret_everything_is_refused() -> None:
    assert not keys_from({}, {})
    assert is_refused(signed(), keys=Keys())
    assert is_refused({})


@given(headers=st.dictionaries(st.sampled_from(sorted(signed())), st.text()), body=st.binary())
@example(headers={"webhook-signature": "v1"}, body=b"")
def test_nonsense_is_refused_without_another_error(headers: dict[str, str], body: bytes) -> None:
    assert is_refused(headers, body)


@pytest.mark.parametrize(
    ("standard", "hexadecimal", "message"),
    [
        ({"A": "whsec_%%%"}, {}, "A contains no key"),
        ({"A": "whsec_é"}, {}, "A contains no key"),
        ({"A": "whsec_"}, {}, "A is too short"),
        ({"A": "whsec_c2hvcnQ="}, {}, "A is too short"),
        ({}, {"H": "short"}, "H is too short"),
    ],
)
def test_an_invalid_key_is_reported_without_its_text(standard, hexadecimal, message) -> None:
    with pytest.raises(ConfigError, match=message) as error:
        keys_from(standard, hexadecimal)
    assert "%%%" not in str(error.value)
    assert "c2hvcnQ" not in str(error.value)


def test_the_text_of_keys_contains_no_secret() -> None:
    assert "MfKQ9r8" not in repr(KEYS)
    assert repr(KEYS.standard[0]) not in repr(KEYS)
    assert PLAIN not in repr(HEX_KEYS)
