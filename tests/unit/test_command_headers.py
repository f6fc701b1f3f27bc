"""Record headers: which count, who vouches for them."""

import hashlib
import hmac

import pytest

from schemas.headers import NO_HEADERS, Headers, read_headers, sign, verify
from schemas.refusal import Reason, Refusal

SECRET = b"secret"
Raw = list[tuple[str, bytes | None]]


def signed(key: bytes | None = b"k", value: bytes = b"v") -> Raw:
    return [
        ("segments-source", b"http"),
        ("segments-actor", "Ána".encode()),
        ("segments-request-id", b"q"),
        ("segments-signature", sign(SECRET, key, value, "http", "Ána", "q")),
    ]


def test_a_signature_is_the_hmac_of_a_framing_that_any_language_can_write() -> None:
    framed = (
        b"segments-1"
        + b"\xff" * 8
        + b"\0\0\0\0\0\0\0\x02{}"
        + b"\0\0\0\0\0\0\0\x04http"
        + b"\0\0\0\0\0\0\0\0"
        + b"\xff" * 8
    )
    expected = hmac.new(SECRET, framed, hashlib.sha256).hexdigest().encode()
    assert sign(SECRET, None, b"{}", "http", "", None) == expected


def test_what_is_signed_is_believed() -> None:
    headers = read_headers(signed(), b"k", b"v", SECRET)
    assert headers == Headers(source="http", actor="Ána", request_id="q")


@pytest.mark.parametrize(
    ("key", "value", "secret"),
    [
        (None, b"v", SECRET),
        (b"", b"v", SECRET),
        (b"kv", b"", SECRET),
        (b"k", b"w", SECRET),
        (b"k", b"v", b"other"),
        (b"k", b"v", None),
    ],
)
def test_a_signature_of_something_else_vouches_for_nothing(
    key: bytes | None, value: bytes, secret: bytes | None
) -> None:
    assert read_headers(signed(), key, value, secret) == NO_HEADERS


@pytest.mark.parametrize("index", [0, 1, 2, 3])
@pytest.mark.parametrize("content", [None, b"", b"x", b"\xff", "é".encode()])
def test_a_header_that_was_changed_or_taken_away_is_not_believed(
    index: int, content: bytes | None
) -> None:
    raw = signed()
    raw[index] = (raw[index][0], content)
    assert read_headers(raw, b"k", b"v", SECRET) == NO_HEADERS
    del raw[index]
    assert read_headers(raw, b"k", b"v", SECRET) == NO_HEADERS


def test_absent_is_not_empty() -> None:
    pairs = [(None, None), ("", None), (None, ""), ("", "")]
    assert len({sign(SECRET, b"k", b"v", "http", *pair) for pair in pairs}) == 4
    assert sign(SECRET, None, b"v", "http") != sign(SECRET, b"", b"v", "http")


def test_a_signature_is_verified_whole() -> None:
    signature = sign(SECRET, b"k", b"v", "http", None, None)
    assert verify(SECRET, b"k", b"v", b"http", None, None, signature)
    assert not verify(SECRET, b"k", b"v", b"http", None, None, signature[:-1])
    assert not verify(SECRET, b"k", b"v", b"http", None, None, b"")
    assert not verify(SECRET, b"k", b"v", b"http", None, None, b"\xff\x00")


@pytest.mark.parametrize("actor", [b"\xff", b"a\x00"])
def test_what_is_signed_but_no_text_is_not_believed(actor: bytes) -> None:
    raw: Raw = [
        ("segments-source", b"http"),
        ("segments-actor", actor),
        ("segments-signature", sign(SECRET, None, b"v", b"http", actor)),
    ]
    assert read_headers(raw, None, b"v", SECRET) == NO_HEADERS


@pytest.mark.parametrize("key", [b"a", b" ", b"~" * 255, b"a b\x20"])
def test_an_idempotency_key_is_1_to_255_printable_ascii_characters(key: bytes) -> None:
    headers = read_headers([("idempotency-key", key)])
    headers.check()
    assert headers == Headers(idempotency_key=key.decode())


@pytest.mark.parametrize("key", [None, b"", b"x" * 256, b"\x1f", b"\x7f", b"\xc3\xa9", b"a\n"])
def test_any_other_idempotency_key_is_an_invalid_field(key: bytes | None) -> None:
    headers = read_headers([("idempotency-key", key)])
    assert headers.idempotency_key is None
    with pytest.raises(Refusal) as caught:
        headers.check()
    assert caught.value.reason is Reason.INVALID_FIELD
    assert "idempotency-key" in caught.value.detail


def test_an_idempotency_key_given_twice_must_be_the_same() -> None:
    assert read_headers([("idempotency-key", b"a")] * 2).idempotency_key == "a"
    twice = read_headers([("idempotency-key", b"a"), ("idempotency-key", b"b")])
    assert twice.idempotency_key is None
    assert twice.error is not None


def test_of_other_headers_the_last_counts() -> None:
    raw: Raw = [("segments-origin", b"a:0:0:1"), ("segments-origin", b"b:0:0:2")]
    assert read_headers(raw).origin == "b:0:0:2"
    assert read_headers([("segments-source", b"x"), *signed()], b"k", b"v", SECRET).source == "http"


def test_other_and_odd_headers_decide_nothing() -> None:
    raw: Raw = [
        ("\udcff", b"\xff"),
        ("", None),
        ("Idempotency-Key", b""),
        ("x", b"\x00" * 1000),
        ("traceparent", b"\xff"),
        ("segments-origin", None),
    ]
    assert read_headers(raw) == NO_HEADERS
    assert read_headers([]) == NO_HEADERS
    assert read_headers([("traceparent", b"00-1-2-01")]).traceparent == "00-1-2-01"
