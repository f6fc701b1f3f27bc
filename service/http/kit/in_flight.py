"""Limits on requests and bytes in flight, for the process and for each network."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from service.http.kit.problems import unavailable
from service.http.kit.time_limit import TimeLimit
from service.runtime.telemetry import HTTP_IN_FLIGHT, measures

if TYPE_CHECKING:
    from service.runtime.settings import Settings

# Stands for requests without a known key; no network has this name.
NOBODY = ""


class InFlight:
    """Requests in flight, and the bytes of bodies and responses that they hold.

    A network may use as much as is left free: alone a half, beside an equally busy one a third. Some room is always
    left for the next network (Choudhury and Hahne, Dynamic Queue Length Thresholds, 1998).
    """

    def __init__(self, settings: Settings) -> None:
        # The time limit for sending a body. A client may take three times as long to read a piece of the response.
        self.seconds = settings.http_timeout_seconds
        self.body_time = TimeLimit(self.seconds)
        self.places_free = settings.http_in_flight
        self.bytes_free = settings.http_memory_mib * 2**20
        self.places: Counter[str] = Counter()
        self.bytes: Counter[str] = Counter()
        HTTP_IN_FLIGHT.set_function(lambda: settings.http_in_flight - self.places_free)
        measures(HTTP_IN_FLIGHT)

    def enter(self) -> Place | None:
        """Take a place; None if none is free."""
        if self.places_free <= 0:
            return None
        self.places_free -= 1
        return Place(self, counted=True)

    def aside(self) -> Place:
        """Return a place that is not counted, for requests that are answered even when the process is full."""
        return Place(self, counted=False)


class Place:
    """What one request holds. held: bytes. seconds: the time limit for its body; body_time: the limiter for it."""

    __slots__ = ("_counted", "_in_flight", "_network", "body_time", "held", "seconds")

    def __init__(self, in_flight: InFlight, *, counted: bool) -> None:
        self._in_flight = in_flight
        self._counted = counted
        self.held = 0
        self._network: str | None = None
        self.seconds = in_flight.seconds
        self.body_time = in_flight.body_time

    def claim(self, network_id: str) -> None:
        """Count the request for a network, once. Raises: Problem 503."""
        if self._network is not None:
            return
        in_flight = self._in_flight
        if self._counted:
            if in_flight.places[network_id] > in_flight.places_free:
                raise unavailable("busy", "too many requests of this network are in flight")
            in_flight.places[network_id] += 1
        self._network = network_id

    def hold(self, size: int) -> None:
        """Count bytes as held until the request ends. Raises: Problem 503."""
        if self._network is None:
            self.claim(NOBODY)
        in_flight, network = self._in_flight, self._network or NOBODY
        if in_flight.bytes[network] + size > in_flight.bytes_free:
            raise unavailable("busy", "bodies and responses in flight hold too many bytes")
        in_flight.bytes_free -= size
        in_flight.bytes[network] += size
        self.held += size

    def leave(self) -> None:
        """Release everything; from then on the place is not counted."""
        in_flight, network = self._in_flight, self._network
        if self._counted:
            self._counted = False
            in_flight.places_free += 1
            if network is not None:
                _take(in_flight.places, network, 1)
        if network is None:
            return
        if self.held:
            in_flight.bytes_free += self.held
            _take(in_flight.bytes, network, self.held)
            self.held = 0
        self._network = None


def _take(counter: Counter[str], network: str, size: int) -> None:
    counter[network] -= size
    if not counter[network]:
        del counter[network]
