"""What a publisher can do about each reason of a rejection."""

from __future__ import annotations

from schemas.command.refusal import Reason

MENDING = {
    Reason.TOO_LARGE: "Send less metadata: store documents elsewhere and send their id. Send smaller batches.",
    Reason.TOMBSTONE: "A null value deletes nothing. Send leave, block or reset to remove a user.",
    Reason.NOT_JSON: "Send plain JSON in UTF-8. A first byte of 0x00 is that of an Avro or Protobuf serializer.",
    Reason.INVALID_FIELD: "The detail names each wrong field. Mend the publisher, and send the command again: a retry"
    " sends the same record, which is refused again.",
    Reason.NOT_ALLOWED: "Publish to the right topic, or ask an operator to allow it and to retry.",
    Reason.TIMESTAMP_TOO_OLD: "Send the real time, or leave the field out. A retry sends the same time again.",
    Reason.TIMESTAMP_IN_FUTURE: "Usually milliseconds were sent as seconds; otherwise correct the clock.",
    Reason.CONFLICT: "Give the other command another time, reference or idempotency key.",
    Reason.UNKNOWN_SEGMENT: "Create the segment with this id, and retry.",
    Reason.SEGMENT_ARCHIVED: "Restore the segment and retry, or stop sending.",
    Reason.UNSTORABLE: "No check foresaw this: report it to the operator. The record is kept.",
    Reason.SKIPPED: "An operator skipped these records; ask them. They can be retried.",
}
