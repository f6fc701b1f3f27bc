"""Signed notes, keys and checkpoints, as C2SP and golang.org/x/mod/sumdb/note write them."""

from __future__ import annotations

import pytest

from service.seal.note import (
    Checkpoint,
    NoteError,
    Signer,
    Verifier,
    is_name,
    open_checkpoint,
)

# The key, text and note of the Go package's documentation.
GO_VERIFIER = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
GO_SIGNER = "PRIVATE+KEY+PeterNeumann+c74f20a3+AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz"
GO_TEXT = "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n"
GO_NOTE = (
    GO_TEXT + "\n\u2014 PeterNeumann "
    "x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n"
)


def test_keys_and_signatures_are_those_of_the_go_package() -> None:
    signer = Signer.parse(GO_SIGNER)
    assert str(signer.verifier) == GO_VERIFIER
    assert Verifier.parse(GO_VERIFIER) == signer.verifier
    assert signer.sign(GO_TEXT) == GO_NOTE
    assert signer.private_text() == GO_SIGNER


def test_a_checkpoint_is_read_as_it_was_signed() -> None:
    signer = Signer.generate("example.com/seal")
    checkpoint = Checkpoint("example.com/seal", 5, b"r" * 32)
    note = signer.sign(checkpoint.text())
    assert open_checkpoint(note, signer.verifier) == checkpoint
    witnessed = note + Signer.generate("witness").sign("other\n").rpartition("\n\n")[2]
    assert open_checkpoint(witnessed, signer.verifier) == checkpoint


@pytest.mark.parametrize(
    ("old", "new", "fault"),
    [
        ("\n5\n", "\n6\n", "is wrong"),
        ("\n5\n", "\n05\n", "is wrong"),
        ("example.com/seal\n", "example.com/other\n", "is wrong"),
        ("\u2014 example.com/seal", "\u2014 example.com/other", "no signature of"),
        ("\u2014 ", "- ", "a dash"),
        ("\n\n", "\n", "an empty line"),
    ],
)
def test_an_altered_checkpoint_is_refused(old: str, new: str, fault: str) -> None:
    signer = Signer.generate("example.com/seal")
    note = signer.sign(Checkpoint("example.com/seal", 5, b"r" * 32).text())
    with pytest.raises(NoteError, match=fault):
        open_checkpoint(note.replace(old, new, 1), signer.verifier)


def test_a_checkpoint_of_another_origin_is_refused_though_it_is_signed() -> None:
    signer = Signer.generate("example.com/seal")
    note = signer.sign(Checkpoint("example.com/other", 5, b"r" * 32).text())
    with pytest.raises(NoteError, match=r"of example\.com/other"):
        open_checkpoint(note, signer.verifier)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "name",
        "name+00000000+AAAA",
        GO_VERIFIER.replace("PeterNeumann", "Peter"),
        GO_VERIFIER.replace("+AR", "+BR"),
        GO_VERIFIER[:-4],
    ],
)
def test_a_malformed_verifier_key_is_refused(text: str) -> None:
    with pytest.raises(NoteError):
        Verifier.parse(text)


def test_a_malformed_signing_key_is_refused_without_being_told() -> None:
    for text in ("", GO_VERIFIER, GO_SIGNER[:-3], GO_SIGNER.replace("Peter", "Paul")):
        with pytest.raises(NoteError) as raised:
            Signer.parse(text)
        assert "AYEKFALV" not in str(raised.value)


def test_names_hold_no_space_and_no_plus() -> None:
    assert is_name("example.com/seal")
    assert not any(map(is_name, ("", "a b", "a+b", "a\nb", "a\u00a0b")))
