"""An example publisher, outside the product: turns CDNOW's purchases into segment commands.

It imports nothing of the product, and publishes Kafka records of JSON like any publisher. Use::

    purchases = load()  # fetched once into the user's cache folder
    for key, value in records(purchases):
        ...  # publish to <prefix>.commands, in this order
    expected(purchases)  # the expected content of the tables

`SEGMENTS` must be defined in network `NETWORK` first, with those ids.
"""

from examples.cdnow.by_hand import BLOCKED, PINNED, RETURNED, UNPINNED
from examples.cdnow.commands import Record, records
from examples.cdnow.data import DataUnavailableError, Purchase, load
from examples.cdnow.expected import Expected, expected
from examples.cdnow.vocabulary import NETWORK, SEGMENTS, normalised, user_of

__all__ = [
    "BLOCKED",
    "NETWORK",
    "PINNED",
    "RETURNED",
    "SEGMENTS",
    "UNPINNED",
    "DataUnavailableError",
    "Expected",
    "Purchase",
    "Record",
    "expected",
    "load",
    "normalised",
    "records",
    "user_of",
]
