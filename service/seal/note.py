"""Signed notes and checkpoints (C2SP signed-note, tlog-checkpoint); keys as golang.org/x/mod/sumdb/note has them."""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import (
    Ed25519PrivateKey,
    Ed25519PublicKey,
)

from service.seal.tree import HASH_BYTES

if TYPE_CHECKING:
    from typing import Self

_ED25519 = b"\x01"
_KEY_BYTES = 32
_ID_BYTES = 4
_DASH = "\u2014"
_PRIVATE = "PRIVATE+KEY"
_PARTS = 3  # of a verifier key
_LINES = 3  # of a checkpoint's text


class NoteError(ValueError):
    """A note, a checkpoint or a key is malformed, or a signature is wrong."""


def is_name(name: str) -> bool:
    """Whether a text can name a key, and so be an origin: not empty, without white space, control characters or +."""
    return bool(name) and name.isprintable() and not any(c.isspace() or c == "+" for c in name)


def _key_id(name: str, public: bytes) -> bytes:
    return sha256(name.encode() + b"\n" + _ED25519 + public).digest()[:_ID_BYTES]


@dataclass(frozen=True, slots=True)
class Verifier:
    """A public key under a name."""

    name: str
    public: bytes

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read `name+id+base64`. Raises: NoteError."""
        parts = text.strip().split("+", _PARTS - 1)
        try:
            name, key_id, encoded = parts
            raw = base64.b64decode(encoded, validate=True)
        except (ValueError, binascii.Error) as error:
            raise NoteError("a verifier key is name+id+base64") from error
        made = cls(name, raw[1:])
        if raw[:1] != _ED25519 or len(raw) != 1 + _KEY_BYTES or not is_name(name):
            raise NoteError("the verifier key is not an Ed25519 key with a name")
        if made.key_id.hex() != key_id:
            raise NoteError("the verifier key's id is not that of its name and key")
        return made

    @property
    def key_id(self) -> bytes:
        """The four bytes that name the key in signatures."""
        return _key_id(self.name, self.public)

    def __str__(self) -> str:
        """Write `name+id+base64`."""
        return f"{self.name}+{self.key_id.hex()}+{_base64(_ED25519 + self.public)}"

    def checks(self, signature: bytes, text: str) -> bool:
        """Whether this key made a signature of 64 bytes over a text."""
        try:
            Ed25519PublicKey.from_public_bytes(self.public).verify(signature, text.encode())
        except (InvalidSignature, ValueError):
            return False
        return True


class Signer:
    """A private key of 32 bytes under a name."""

    def __init__(self, name: str, seed: bytes) -> None:
        self._key = Ed25519PrivateKey.from_private_bytes(seed)
        self._seed = seed
        self.verifier = Verifier(name, self._key.public_key().public_bytes_raw())

    @classmethod
    def generate(cls, name: str) -> Self:
        """Make a new key."""
        return cls(name, Ed25519PrivateKey.generate().private_bytes_raw())

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read `PRIVATE+KEY+name+id+base64`. Raises: NoteError, without the key."""
        start, plus, rest = text.strip().partition(_PRIVATE + "+")
        parts = rest.split("+", _PARTS - 1)
        if start or not plus or len(parts) != _PARTS:
            raise NoteError("a signing key is PRIVATE+KEY+name+id+base64")
        name, key_id, encoded = parts
        try:
            raw = base64.b64decode(encoded, validate=True)
        except binascii.Error:
            raise NoteError("the signing key is not base64") from None
        if raw[:1] != _ED25519 or len(raw) != 1 + _KEY_BYTES or not is_name(name):
            raise NoteError("the signing key is not an Ed25519 key with a name")
        made = cls(name, raw[1:])
        if made.verifier.key_id.hex() != key_id:
            raise NoteError("the signing key's id is not that of its name and key")
        return made

    def named(self, name: str) -> Signer:
        """Return the same key under another name."""
        return Signer(name, self._seed)

    def private_text(self) -> str:
        """Write `PRIVATE+KEY+name+id+base64`."""
        verifier = self.verifier
        return (
            f"{_PRIVATE}+{verifier.name}+{verifier.key_id.hex()}+{_base64(_ED25519 + self._seed)}"
        )

    def sign(self, text: str) -> str:
        """Sign a text that ends in a newline; returns the note."""
        signature = self.verifier.key_id + self._key.sign(text.encode())
        return f"{text}\n{_DASH} {self.verifier.name} {_base64(signature)}\n"


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """The size and the root of a log's tree."""

    origin: str
    size: int
    root: bytes

    def text(self) -> str:
        """Write what is signed."""
        return f"{self.origin}\n{self.size}\n{_base64(self.root)}\n"

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read what is signed; extension lines are passed over. Raises: NoteError."""
        lines = text.split("\n")
        if len(lines) <= _LINES or lines[-1] or not all(lines[:-1]):
            raise NoteError("a checkpoint has at least three lines")
        origin, size, root = lines[:_LINES]
        try:
            raw = base64.b64decode(root, validate=True)
        except binascii.Error:
            raw = b""
        if not (size.isascii() and size.isdecimal()) or str(int(size)) != size:
            raise NoteError("a checkpoint's second line is the tree's size")
        if len(raw) != HASH_BYTES:
            raise NoteError("a checkpoint's third line is the root, 32 bytes in base64")
        return cls(origin, int(size), raw)


def open_checkpoint(note: str, verifier: Verifier) -> Checkpoint:
    """Read a checkpoint that a key signed, whose name is the origin. Signatures of other keys are passed over.

    Raises: NoteError if it is malformed, or the signature is missing or wrong.
    """
    text, blank, signatures = note.rpartition("\n\n")
    text += "\n"
    if not blank or not signatures.endswith("\n"):
        raise NoteError("a note has a text, an empty line and signatures")
    found = False
    for line in signatures.removesuffix("\n").split("\n"):
        dash, name, encoded = [*line.split(" ", 2), "", ""][:3]
        try:
            raw = base64.b64decode(encoded, validate=True)
        except binascii.Error:
            raw = b""
        if dash != _DASH or len(raw) <= _ID_BYTES:
            raise NoteError("a signature is a dash, a name and base64")
        if (name, raw[:_ID_BYTES]) == (verifier.name, verifier.key_id):
            if not verifier.checks(raw[_ID_BYTES:], text):
                raise NoteError(f"the signature of {verifier.name} is wrong")
            found = True
    if not found:
        raise NoteError(f"there is no signature of {verifier}")
    checkpoint = Checkpoint.parse(text)
    if checkpoint.origin != verifier.name:
        raise NoteError(f"the checkpoint is of {checkpoint.origin}, not of {verifier.name}")
    return checkpoint


def _base64(raw: bytes) -> str:
    return base64.b64encode(raw).decode()
