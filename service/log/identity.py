"""Digests for the identity of commands. They include the person's salt, so they reveal nothing once it is erased."""

from __future__ import annotations

from hashlib import blake2b, sha256

DIGEST_BYTES = 16
AUTO = "auto:"


def content_digest(content: bytes, salt: bytes) -> bytes:
    """Digest a command's canonical content (`Command.content`); 16 bytes."""
    return blake2b(content, digest_size=DIGEST_BYTES, key=salt).digest()


def row_digest(covered: bytes, recorded_at: bytes) -> bytes:
    """Digest an event's row; 16 bytes, as segments.event_digest() has them.

    covered: the encoded row except recorded_at, which is known last (`log.copy_format`).
    """
    return sha256(covered + recorded_at).digest()[:DIGEST_BYTES]


def personal_digest(salt: bytes, free_text: bytes, identifier: bytes) -> bytes:
    """Digest the part of an event that an erasure blanks; 16 bytes, as segments.personal_digest() has them.

    free_text: user as sent, description and metadata as encoded (`log.copy_format`). identifier: `network_id:user`.
    """
    return sha256(salt + free_text + identifier).digest()[:DIGEST_BYTES]


def request_digest(
    content: bytes,
    salt: bytes,
    *,
    segment_id: int,
    user: str,
    reference_id: str | None,
    status_change_timestamp: int | None,
) -> bytes:
    """Digest all that an idempotency key covers: the content, and segment, user, reference and time as sent."""
    as_sent = repr((segment_id, user, reference_id, status_change_timestamp)).encode(
        "utf-8", "surrogatepass"
    )
    framed = len(as_sent).to_bytes(4, "big") + as_sent + content
    return blake2b(framed, digest_size=DIGEST_BYTES, key=salt, person=b"request").digest()


def key_digest(idempotency_key: str) -> bytes:
    """Digest an idempotency key; 16 bytes."""
    return blake2b(idempotency_key.encode("ascii"), digest_size=DIGEST_BYTES).digest()


def record_digest(key: bytes | None, value: bytes | None) -> bytes:
    """Digest a Kafka record, to compare it later; 16 bytes."""
    framed = blake2b(digest_size=DIGEST_BYTES)
    for part in (key, value):
        framed.update(b"\x00" if part is None else b"\x01" + len(part).to_bytes(4, "big") + part)
    return framed.digest()
