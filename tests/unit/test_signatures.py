"""Whose deliveries count: signed by the reference libraries, and by nobody else."""

import base64
import hashlib
import hmac
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from standardwebhooks import Webhook

from batch_action.errors import ConfigError
from batch_action.models.dispatch import DeliverySource
from batch_action.server.signatures import TOLERANCE, Keys, UnsignedError, keys_from, verified

NOW = datetime(2026, 11, 22, 2, 17, tzinfo=UTC)
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
"""What npm's standardwebhooks 1.1.1 makes of these with SECRET; `make e2e` asks it anew."""


def signed(
    body: bytes = BODY, *, secret: str = SECRET, name: str = "msg_1", when: datetime = NOW
) -> dict[str, str]:
    """Headers as the Python library of Standard Webhooks writes them."""
    return {
        "webhook-id": name,
        "webhook-timestamp": str(int(when.timestamp())),
        "webhook-signature": Webhook(secret).sign(name, when, body.decode()),
    }


def hexed(body: bytes = BODY, secret: str = PLAIN) -> dict[str, str]:
    return {"anthropic-signature": hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()}


def refused(headers: dict[str, str], body: bytes = BODY, keys: Keys = KEYS) -> bool:
    try:
        verified(headers, body, NOW, keys)
    except UnsignedError:
        return True
    return False


def test_the_python_library_s_deliveries_are_proven() -> None:
    assert verified(signed(), BODY, NOW, KEYS) == (DeliverySource.WEBHOOK, "msg_1")


def test_the_javascript_library_s_deliveries_are_proven() -> None:
    name, stamp, body, signature = FROM_JAVASCRIPT
    headers = {
        "webhook-id": name,
        "webhook-timestamp": str(stamp),
        "webhook-signature": signature,
    }
    when = datetime.fromtimestamp(stamp, UTC)
    assert verified(headers, body.encode(), when, KEYS) == (DeliverySource.WEBHOOK, name)


@given(
    body=st.text(st.characters(codec="utf-8"), max_size=200),
    name=st.text("abcXYZ019_-.", min_size=1, max_size=40),
    key=st.binary(min_size=16, max_size=64),
)
def test_whatever_is_signed_well_is_proven(body: str, name: str, key: bytes) -> None:
    secret = "whsec_" + base64.b64encode(key).decode().rstrip("=")
    headers = signed(body.encode(), secret=secret, name=name)
    keys = keys_from({"A": OTHER, "B": secret}, {})
    assert verified(headers, body.encode(), NOW, keys) == (DeliverySource.WEBHOOK, name)


@given(data=st.data())
def test_one_other_bit_anywhere_is_refused(data: st.DataObject) -> None:
    headers = signed()
    field = data.draw(st.sampled_from(["body", *headers]))
    if field == "body":
        at = data.draw(st.integers(0, len(BODY) * 8 - 1))
        changed = bytearray(BODY)
        changed[at // 8] ^= 1 << at % 8
        assert refused(headers, bytes(changed))
        return
    value = headers[field].encode()
    # The signature's last character holds bits that base64 does not count.
    at = data.draw(st.integers(0, (len(value) - 2) * 8 - 1))
    flipped = bytearray(value)
    flipped[at // 8] ^= 1 << at % 8
    assert refused({**headers, field: flipped.decode("latin-1")})


@pytest.mark.parametrize(
    ("off", "good"),
    [
        (timedelta(), True),
        (TOLERANCE, True),
        (-TOLERANCE, True),
        (TOLERANCE + timedelta(seconds=1), False),
        (-TOLERANCE - timedelta(seconds=1), False),
    ],
)
def test_five_minutes_are_tolerated(off: timedelta, good: bool) -> None:
    assert refused(signed(when=NOW + off)) is not good


SIGNATURE = signed()["webhook-signature"]


@pytest.mark.parametrize(
    ("changes", "good"),
    [
        ({"webhook-signature": f"v1,AAAA {SIGNATURE}"}, True),
        ({"webhook-signature": f"v1a,ed25519 v1,%% v1 , ,, {SIGNATURE}"}, True),
        ({"webhook-signature": f"{SIGNATURE} {SIGNATURE}"}, True),
        ({"webhook-signature": "v1,AAAA " * 16 + SIGNATURE}, False),
        ({"webhook-signature": SIGNATURE.replace("v1", "v2")}, False),
        ({"webhook-signature": SIGNATURE.removeprefix("v1,")}, False),
        ({"webhook-signature": ""}, False),
        ({"webhook-signature": "v1,"}, False),
        ({"webhook-signature": "v1,é"}, False),
        ({"webhook-id": ""}, False),
        ({"webhook-id": "x" * 257}, False),
        ({"webhook-id": "msg_1\n"}, False),
        ({"webhook-timestamp": ""}, False),
        ({"webhook-timestamp": "now"}, False),
        ({"webhook-timestamp": "1e9"}, False),
        ({"webhook-timestamp": "٣"}, False),
        ({"webhook-timestamp": "9" * 400}, False),
        ({"webhook-timestamp": f" {int(NOW.timestamp())}"}, False),
    ],
    ids=repr,
)
def test_the_headers_forms(changes: dict[str, str], good: bool) -> None:
    assert refused({**signed(), **changes}) is not good


def test_a_body_that_is_no_text_is_only_bytes() -> None:
    body = b"\xff\xfe\x00"
    key = base64.b64decode(SECRET.removeprefix("whsec_"))
    stamp = str(int(NOW.timestamp()))
    digest = hmac.new(key, b"msg_1." + stamp.encode() + b"." + body, hashlib.sha256).digest()
    headers = {**signed(), "webhook-signature": f"v1,{base64.b64encode(digest).decode()}"}
    assert not refused(headers, body)


def test_the_other_form_is_good_only_with_its_own_secret() -> None:
    source, name = verified(hexed(), BODY, NOW, HEX_KEYS)
    assert (source, name) == (DeliverySource.HEX, f"sha256:{hashlib.sha256(BODY).hexdigest()}")
    assert refused(hexed(), keys=KEYS)
    assert refused(hexed(secret="another secret of that length"), keys=HEX_KEYS)
    assert refused(hexed(), BODY + b" ", HEX_KEYS)
    assert refused(signed(), keys=HEX_KEYS)
    both = Keys(KEYS.standard, HEX_KEYS.hexadecimal)
    assert not refused(hexed(), keys=both)
    assert not refused(signed(), keys=both)
    assert refused({**signed(secret=OTHER), **hexed(secret=SECRET)}, keys=both)


@pytest.mark.parametrize(
    ("value", "good"),
    [
        (hexed()["anthropic-signature"].upper(), True),
        ("sha256=" + hexed()["anthropic-signature"], True),
        (f" {hexed()['anthropic-signature']} ", True),
        ("", False),
        ("zz" * 32, False),
        (hexed()["anthropic-signature"][:-2], False),
        (hexed()["anthropic-signature"] + "00", False),
    ],
)
def test_the_other_form_s_spelling(value: str, good: bool) -> None:
    assert refused({"anthropic-signature": value}, keys=HEX_KEYS) is not good


def test_nothing_is_proven_without_a_secret() -> None:
    assert not keys_from({}, {})
    assert refused(signed(), keys=Keys())
    assert refused({})


@given(headers=st.dictionaries(st.sampled_from(sorted(signed())), st.text()), body=st.binary())
@example(headers={"webhook-signature": "v1"}, body=b"")
def test_nonsense_is_refused_and_nothing_else(headers: dict[str, str], body: bytes) -> None:
    assert refused(headers, body)


@pytest.mark.parametrize(
    ("standard", "hexadecimal", "said"),
    [
        ({"A": "whsec_%%%"}, {}, "A holds no key"),
        ({"A": "whsec_"}, {}, "A is too short"),
        ({"A": "whsec_c2hvcnQ="}, {}, "A is too short"),
        ({}, {"H": "short"}, "H is too short"),
    ],
)
def test_a_key_that_is_none_is_told_without_showing_it(standard, hexadecimal, said) -> None:
    with pytest.raises(ConfigError, match=said) as error:
        keys_from(standard, hexadecimal)
    assert "%%%" not in str(error.value)
    assert "c2hvcnQ" not in str(error.value)


def test_keys_show_nothing_of_themselves() -> None:
    assert "MfKQ9r8" not in repr(KEYS)
    assert repr(KEYS.standard[0]) not in repr(KEYS)
