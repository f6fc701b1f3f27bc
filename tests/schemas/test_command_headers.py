"""Record headers: which count, who vouches for them."""

import hashlib
import hmac

import pytest

from schemas.command.refusal import Reason, Refusal
from schemas.headers import (
    ACCEPTED_SECONDS,
    NO_HEADERS,
    SIGNED,
    Headers,
    Nonce,
    Reader,
    SignatureFault,
    keep_headers,
    make_nonce,
    read_headers,
    sign,
)

SECRET = b"secret"
READER = Reader((SECRET,), "t")
NOW = 1_800_000_000
NONCE = f"{NOW}.{'0f' * 16}"
WRONG = Headers(signature_fault=SignatureFault.WRONG, claimed="http")
Raw = list[tuple[str, bytes | None]]


def signed(key: bytes | None = b"k", value: bytes = b"v") -> Raw:
    given = {
        "segments-nonce": NONCE,
        "segments-source": "http",
        "segments-actor": "Ána",
        "segments-request-id": "q",
    }
    made = sign(SECRET, "t", key, value, given)
    return [*((name, text.encode()) for name, text in given.items()), ("segments-signature", made)]


def read(
    raw: Raw,
    key: bytes | None = b"k",
    value: bytes = b"v",
    reader: Reader | None = READER,
    received: int = NOW,
) -> Headers:
    return read_headers(raw, key, value, reader, received)


def test_a_signature_is_the_hmac_of_a_framing_that_any_language_can_write() -> None:
    framed = (
        b"segments-2\0\0\0\0\0\0\0\x01t"
        + b"\xff" * 8
        + b"\0\0\0\0\0\0\0\x02{}"
        + b"\0\0\0\0\0\0\0\x03n.1"
        + b"\0\0\0\0\0\0\0\x04http"
        + b"\0\0\0\0\0\0\0\0"
        + b"\xff" * 8 * 2
        + b"\0\0\0\0\0\0\0\x01i"
    )
    expected = hmac.new(SECRET, framed, hashlib.sha256).hexdigest().encode()
    given = {
        "segments-nonce": "n.1",
        "segments-source": "http",
        "segments-actor": "",
        "idempotency-key": "i",
    }
    assert sign(SECRET, "t", None, b"{}", given) == expected


def test_what_is_signed_is_accepted() -> None:
    nonce = Nonce(NOW, b"\x0f" * 16)
    expected = Headers(source="http", actor="Ána", request_id="q", nonce=nonce)
    assert read(signed()) == expected
    assert read(signed(), reader=Reader((b"other", SECRET), "t")) == expected


def test_a_signature_is_accepted_for_an_hour_before_and_after_it_was_made() -> None:
    for late in (-ACCEPTED_SECONDS, ACCEPTED_SECONDS):
        assert read(signed(), received=NOW + late).source == "http"
        later = read(signed(), received=NOW + late + (1 if late > 0 else -1))
        assert later == Headers(signature_fault=SignatureFault.LATE, claimed="http")


def test_a_signature_that_was_accepted_on_another_record_vouches_for_nothing() -> None:
    found = read_headers(signed(), b"k", b"v", READER, NOW, again=True)
    assert found == Headers(signature_fault=SignatureFault.AGAIN, claimed="http")
    assert read_headers([("segments-source", b"http")], again=True) == NO_HEADERS


@pytest.mark.parametrize(
    ("key", "value", "reader"),
    [
        (None, b"v", READER),
        (b"", b"v", READER),
        (b"kv", b"", READER),
        (b"k", b"w", READER),
        (b"k", b"v", Reader((b"other", b"another"), "t")),
        (b"k", b"v", Reader((SECRET,), "another topic")),
    ],
)
def test_a_signature_of_something_else_vouches_for_nothing(
    key: bytes | None, value: bytes, reader: Reader
) -> None:
    assert read(signed(), key, value, reader) == WRONG


def test_without_a_key_nothing_is_accepted() -> None:
    for reader in (None, Reader((), "t")):
        found = read(signed(), reader=reader)
        assert found == Headers(signature_fault=SignatureFault.NO_KEY, claimed="http")


@pytest.mark.parametrize("index", [0, 1, 2, 3])
@pytest.mark.parametrize("content", [None, b"", b"x", b"\xff", "é".encode()])
def test_a_header_that_was_changed_or_taken_away_is_not_accepted(
    index: int, content: bytes | None
) -> None:
    raw = signed()
    raw[index] = (raw[index][0], content)
    assert (read(raw).source, read(raw).signature_fault) == ("kafka", SignatureFault.WRONG)
    del raw[index]
    assert (read(raw).source, read(raw).signature_fault) == ("kafka", SignatureFault.WRONG)


@pytest.mark.parametrize("name", SIGNED)
def test_a_header_that_decides_something_and_was_added_is_not_accepted(name: str) -> None:
    assert read([*signed(), (name, b"x")]).signature_fault is SignatureFault.WRONG


def test_absent_is_not_empty() -> None:
    made = {
        sign(SECRET, "t", key, b"v", {name: empty})
        for key in (None, b"")
        for name in SIGNED
        for empty in (None, "")
    }
    assert len(made) == 2 * (len(SIGNED) + 1)


def test_a_signature_is_verified_whole() -> None:
    *headers, (name, signature) = signed()
    assert signature is not None
    for other in (signature[:-1], signature + b"0", b"", b"\xff\x00", signature.upper()):
        assert read([*headers, (name, other)]) == WRONG


def test_a_source_that_is_none_of_ours_is_counted_as_other() -> None:
    raw: Raw = [("segments-source", b"x" * 900), ("segments-signature", b"0")]
    assert read(raw).claimed == "other"


def test_of_headers_no_more_is_kept_than_is_read() -> None:
    key = "idempotency-key"
    given: list[Raw] = [
        [*signed(), ("x", b"y")] * 1000,
        [(key, b"a"), (key, b"b"), (key, b"b")],
        [(key, b"a")] * 3,
        [("segments-origin", b"a"), ("segments-origin", b"b"), (key, None), (key, b"b")],
    ]
    for raw in given:
        kept = keep_headers(raw)
        assert len(kept) <= 9
        assert read(kept) == read(raw)


@pytest.mark.parametrize("actor", [b"\xff", b"a\x00"])
def test_what_is_signed_but_no_text_is_not_accepted(actor: bytes) -> None:
    given = {
        "segments-nonce": make_nonce(NOW).encode(),
        "segments-source": b"http",
        "segments-actor": actor,
    }
    made = sign(SECRET, "t", None, b"v", given)
    assert read([*given.items(), ("segments-signature", made)], None) == WRONG


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
    assert read([("segments-source", b"x"), *signed()]).source == "http"


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
