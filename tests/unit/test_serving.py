"""Serving: what clients notice of the socket."""

from __future__ import annotations

import socket

from service.serving import _listen


def test_a_body_does_not_wait_for_the_headers_to_be_acknowledged() -> None:
    with (
        _listen("127.0.0.1", 0, 1.0) as listening,
        socket.create_connection(listening.getsockname()),
    ):
        accepted, _ = listening.accept()
        with accepted:
            assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
