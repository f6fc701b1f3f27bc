"""A client of Segments: `Segments` sends commands and reads, `models` has what is sent and returned.

Problems of the API are raised as ProblemError, a service that can't be reached as httpx2.TransportError.
"""

from segments_client.batches import Batch, NotAllTakenError
from segments_client.client import Segments
from segments_client.problems import ProblemError

__all__ = ["Batch", "NotAllTakenError", "ProblemError", "Segments"]
