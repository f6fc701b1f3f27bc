"""Attacks by malformed requests: framing, headers, and what follows a body."""

from __future__ import annotations

from tests.support.attack_target import (
    NEXT,
    SMALL,
    Attacks,
    Target,
    answers,
    at_most_one,
    authorization,
    drain,
    flood,
    get,
    post,
    refuses,
)

ATTACKS = Attacks()

# Bodies and their lengths


@ATTACKS.add
def trailers_without_end(target: Target) -> None:
    flood(target, post(b"Transfer-Encoding: chunked", authorization(target)) + b"0\r\n",
          b"X-Trailer: " + b"x" * 100 + b"\r\n")  # fmt: skip


@ATTACKS.add
def trailers_without_end_and_without_a_key(target: Target) -> None:
    flood(
        target,
        post(b"Transfer-Encoding: chunked") + b"0\r\n",
        b"X-Trailer: " + b"x" * 100 + b"\r\n",
    )


@ATTACKS.add
def one_trailer_without_end(target: Target) -> None:
    flood(target, post(b"Transfer-Encoding: chunked") + b"0\r\nX: ", b"x" * 1000)


@ATTACKS.add
def trailers_are_no_headers(target: Target) -> None:
    statuses = at_most_one(
        target,
        post(b"Transfer-Encoding: chunked", b"Connection: close", b"Trailer: Authorization"),
        b"2\r\n{}\r\n0\r\n" + authorization(target) + b"\r\n\r\n",
    )
    assert statuses in ([], [400], [401]), statuses
    statuses = at_most_one(
        target,
        post(b"Transfer-Encoding: chunked", b"Connection: close")
        + b"2\r\n{}\r\n0\r\n" + authorization(target) + b"\r\n\r\n",
    )  # fmt: skip
    assert statuses in ([], [400], [401]), statuses


@ATTACKS.add
def chunk_extensions_without_end(target: Target) -> None:
    flood(target, post(b"Transfer-Encoding: chunked", authorization(target)) + b"2;", b"x=y;" * 100)


@ATTACKS.add
def many_little_chunk_extensions(target: Target) -> None:
    flood(target, post(b"Transfer-Encoding: chunked", authorization(target)),
          b"1;" + b"x" * 1000 + b"\r\nx\r\n")  # fmt: skip


@ATTACKS.add
def chunk_sizes_that_are_none(target: Target) -> None:
    for size in (b"-1", b"+2", b"0x2", b"2 2", b"g", b"", b"1" + b"0" * 16, b"f" * 17, b"f" * 1000):
        refuses(
            target,
            post(b"Transfer-Encoding: chunked", authorization(target))
            + size
            + b"\r\n{}\r\n0\r\n\r\n"
            + NEXT,
        )


@ATTACKS.add
def a_chunk_that_is_said_to_be_huge(target: Target) -> None:
    refuses(
        target,
        post(b"Transfer-Encoding: chunked", authorization(target))
        + b"7fffffffffffffff\r\n{}\r\n0\r\n\r\n"
        + NEXT,
    )


@ATTACKS.add
def transfer_encoding_beside_a_content_length(target: Target) -> None:
    for lines in (
        (b"Transfer-Encoding: chunked", b"Content-Length: %d"),
        (b"Content-Length: %d", b"Transfer-Encoding: chunked"),
    ):
        body = b"0\r\n\r\n" + NEXT
        at_most_one(
            target, post(*(line.replace(b"%d", b"%d" % len(body)) for line in lines), body=body)
        )


@ATTACKS.add
def transfer_encodings_that_are_none(target: Target) -> None:
    for coding in (
        b"xchunked",
        b"chunked, identity",
        b"chunked, chunked",
        b"identity",
        b"\x0bchunked",
        b"gzip",
    ):
        statuses = at_most_one(
            target, post(b"Transfer-Encoding: " + coding, body=b"0\r\n\r\n" + NEXT)
        )
        assert statuses == [] or statuses[0] >= 400, (coding, statuses)


@ATTACKS.add
def several_content_lengths(target: Target) -> None:
    body = b"{}" + NEXT
    lengths = b"Content-Length: 2", b"Content-Length: %d" % len(body)
    refuses(target, post(*lengths, body=body))
    refuses(target, post(*reversed(lengths), body=body))
    refuses(target, post(b"Content-Length: 2, %d" % len(body), body=body))


@ATTACKS.add
def content_lengths_that_are_none(target: Target) -> None:
    for length in (b"-1", b"+2", b"0x2", b"2 2", b"1" * 30, b"2.0"):
        refuses(target, post(b"Content-Length: " + length, body=b"{}"))


@ATTACKS.add
def an_upgrade_does_not_make_a_body_the_next_request(target: Target) -> None:
    for upgrade in (b"h2c", b"websocket", b"TLS/1.0", b"x"):
        head = post(
            b"Connection: Upgrade", b"Upgrade: " + upgrade, b"Content-Length: %d" % len(NEXT),
            b"HTTP2-Settings: AAMAAABkAAQAoAAAAAIAAAAA", authorization(target),
        )  # fmt: skip
        statuses = answers(target.ask(head, NEXT))
        assert len(statuses) == 1, (upgrade, statuses)
        assert 400 <= statuses[0] < 500, (upgrade, statuses)


@ATTACKS.add
def an_upgrade_that_nobody_wants_is_passed_over(target: Target) -> None:
    for upgrade in (b"h2c", b"websocket", b"x"):
        statuses = answers(target.ask(get(SMALL.encode(), b"Connection: Upgrade", b"Upgrade: " + upgrade,
            b"HTTP2-Settings: AAMAAABkAAQAoAAAAAIAAAAA")))  # fmt: skip
        assert statuses in ([200], []), (upgrade, statuses)


# Heads


@ATTACKS.add
def folded_lines_hide_no_header(target: Target) -> None:
    statuses = at_most_one(target, post(b"X-Folded: a", b" " + authorization(target), b"Content-Length: 2",
        b"Connection: close", body=b"{}"))  # fmt: skip
    assert statuses in ([], [400], [401]), statuses


@ATTACKS.add
def line_feeds_alone_end_no_chunk(target: Target) -> None:
    at_most_one(target, post(b"Transfer-Encoding: chunked", body=b"2;\n{}\r\n0\r\n\r\n" + NEXT))
    at_most_one(target, post(b"Transfer-Encoding: chunked", body=b"2\n{}\n0\n\n" + NEXT))


@ATTACKS.add
def carriage_returns_alone_are_refused(target: Target) -> None:
    refuses(
        target, post(b"X-Bare: a\rTransfer-Encoding: chunked", b"Content-Length: 2", body=b"{}")
    )


@ATTACKS.add
def names_of_headers_hold_no_spaces(target: Target) -> None:
    refuses(target, post(b"Content-Length : 2", body=b"{}"))
    refuses(target, post(b"Content Length: 2", body=b"{}"))
    refuses(target, post(b"X-\x00: 2", b"Content-Length: 2", body=b"{}"))
    refuses(target, post(b": 2", b"Content-Length: 2", body=b"{}"))


@ATTACKS.add
def a_header_without_end(target: Target) -> None:
    flood(target, f"GET {SMALL} HTTP/1.1\r\nHost: x\r\nX-Long: ".encode(), b"x" * 1000)


@ATTACKS.add
def headers_without_end(target: Target) -> None:
    flood(target, f"GET {SMALL} HTTP/1.1\r\nHost: x\r\n".encode(), b"a:\r\n")


@ATTACKS.add
def a_name_of_a_header_without_end(target: Target) -> None:
    flood(target, f"GET {SMALL} HTTP/1.1\r\nHost: x\r\n".encode(), b"x" * 1000)


@ATTACKS.add
def a_target_without_end(target: Target) -> None:
    flood(target, b"GET /", b"x" * 1000)


@ATTACKS.add
def a_method_without_end(target: Target) -> None:
    flood(target, b"", b"G" * 1000)


@ATTACKS.add
def empty_lines_without_end(target: Target) -> None:
    flood(target, b"", b"\r\n")


@ATTACKS.add
def what_is_no_http(target: Target) -> None:
    refuses(target, b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\x00" * 200)
    refuses(target, b"G\x00T / HTTP/1.1\r\nHost: x\r\n\r\n")
    refuses(target, b"GET / HTTP/9.9\r\nHost: x\r\n\r\n")


@ATTACKS.add
def http_2_by_prior_knowledge_is_not_spoken(target: Target) -> None:
    response = target.ask(
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\x00\x00\x00\x04\x00\x00\x00\x00\x00"
    )
    assert not response or (response.startswith(b"HTTP/1.1 ") and answers(response)[0] >= 400), (
        response[:60]
    )


@ATTACKS.add
def odd_targets_are_told_so(target: Target) -> None:
    for path in (
        b"http://elsewhere/health/live", b"/health/live%00", b"/%00", b"/networks/%00/sizes", b"/" + b"x" * 8000,
        b"/networks/n/users/%00/segments", b"//health//live", b"/../../etc/passwd", b"*", b"/\xff\xfe", b"/%ff%fe",
        b"/a b", b"/health/live?%00=%00", b"/health/live#x",
    ):  # fmt: skip
        statuses = answers(target.ask(get(path, authorization(target), b"Connection: close")))
        assert len(statuses) <= 1, (path, statuses)
        assert all(status < 500 for status in statuses), (path[:60], statuses)


@ATTACKS.add
def http_1_0_is_answered(target: Target) -> None:
    statuses = answers(target.ask(f"GET {SMALL} HTTP/1.0\r\n\r\n".encode()))
    assert statuses == [200], statuses
    statuses = answers(
        target.ask(f"GET {SMALL} HTTP/1.0\r\nConnection: keep-alive\r\n\r\n".encode())
    )
    assert statuses == [200], statuses


@ATTACKS.add
def who_expects_to_be_told_to_go_on_is(target: Target) -> None:
    with target.connection() as connection:
        connection.sendall(post(b"Expect: 100-continue", b"Content-Length: 2", b"Connection: close",
                                authorization(target)))  # fmt: skip
        assert b" 100 " in connection.recv(100)
        connection.sendall(b"{}")
        assert answers(drain(connection, 3 * target.seconds + 2)) == [400]
