"""The rights of each role on tables, views and columns."""

from __future__ import annotations

LOG = {
    "duplicate", "erasure", "event", "hole", "idempotency", "lane", "lane_event", "network",
    "person", "registry_event", "rejected", "rejected_outbox", "retry", "segment", "installation", "topics_owner",
    "signature", "signature_horizon", "invalid_signature",
}  # fmt: skip

KEPT = {
    "checkpoint", "generation", "kept_state", "kept_state_0", "kept_state_1", "membership",
    "membership_0", "membership_1", "outcome", "outcome_0", "outcome_1", "past_interval", "past_interval_0",
    "past_interval_1", "size", "size_0", "size_1", "size_daily", "size_daily_0", "size_daily_1", "membership_outbox",
}  # fmt: skip

SERVING = {
    "history", "key_interval", "serving", "serving_checkpoint", "serving_interval", "serving_kept_state",
    "serving_membership", "serving_outcome", "serving_size", "serving_size_daily",
}  # fmt: skip


VIEWS = {
    "automation_disagreement", "duplicate", "event", "freshness", "hole", "lane", "membership", "membership_history",
    "override", "rejected", "rejected_retry", "result", "retroactive_change", "segment", "segment_history",
    "segment_size", "segment_size_calendar", "segment_size_daily", "user_segment", "watermark", "admin_event",
    "access_event",
}  # fmt: skip


# role → {schema.table: rights}; s select, i insert, u update, d delete, t truncate.
ALLOWED = {
    "segments_ingest": {
        **{f"segments.{name}": "s" for name in LOG},
        **{
            f"segments.{name}": "si"
            for name in (
                "person",
                "event",
                "duplicate",
                "rejected",
                "hole",
                "idempotency",
                "lane_event",
                "signature",
            )
        },
        "segments.lane": "siu",
        "segments.rejected_outbox": "siu",
        "segments.topics_owner": "siu",
        "segments.invalid_signature": "siu",
        "segments.source": "s",
        "segments.source_version": "s",
        "segments.erasure_gate": "si",
        **{f"projections.{name}": "s" for name in KEPT | {"history"}},
        "projections.trace": "i",
    },
    "segments_project": {
        **{f"segments.{name}": "s" for name in LOG},
        "segments.source": "s",
        "segments.topics_owner": "siu",
        "segments.erasure_gate": "s",
        **{f"projections.{name}": "siudt" for name in KEPT},
        **{f"projections.{name}": "s" for name in SERVING},
        "projections.trace": "sd",
        "projections.expiry": "siud",
        "projections.tombstone_outbox": "su",
        "projections.membership_topic": "su",
        "projections.lease": "su",
        "projections.progress": "s",
        "reporting.watermark": "s",
    },
    "segments_registry": {
        "segments.segment": "si",
        "segments.network": "siu",
        "segments.source_version": "su",
        "segments.registry_event": "si",
        "segments.source": "s",
        "segments.source_event": "si",
        "segments.api_key": "si",
        "segments.sign_in_link": "i",
        "segments.key_event": "i",
    },
    "segments_api": {
        "segments.session": "sid",
        "segments.sign_in_link": "sd",
        "segments.import": "siud",
        "segments.import_line": "siud",
        "segments.key_event": "i",
        "segments.access_event": "i",
        "segments.task": "s",
        **{
            f"segments.{name}": "s"
            for name in (
                "api_key",
                "source_version",
                "segment",
                "lane",
                "person",
                "event",
                "idempotency",
                "duplicate",
                "rejected",
                "hole",
                "source",
                "retry",
            )
        },
        **{f"projections.{name}": "s" for name in KEPT | SERVING},
        "projections.named_interval": "s",
        **{f"reporting.{name}": "s" for name in VIEWS},
    },
    "segments_seal": {
        **{
            f"segments.{name}": "s"
            for name in (
                "event",
                "duplicate",
                "rejected",
                "hole",
                "lane",
                "segment",
                "person",
                "registry_event",
                "source_event",
                "analyst_event",
                "lane_event",
                "retry",
                "erasure",
                "rejected_erasure",
                "installation",
                "numbered_leaf",
            )
        },
        **{
            f"segments.{name}": "si"
            for name in ("seal", "seal_round", "seal_stretch", "seal_checkpoint")
        },
        "segments.seal_lease": "su",
        "segments.topics_owner": "siu",
    },
    "segments_operate": {
        **{f"segments.{name}": "s" for name in LOG},
        **{
            f"segments.{name}": "si"
            for name in ("lane_event", "rejected", "hole", "retry", "person", "signature")
        },
        "segments.lane": "siu",
        "segments.source": "s",
        "segments.source_event": "s",
        "segments.source_version": "s",
        "segments.erasure_gate": "si",
        "segments.analyst": "s",
        "segments.analyst_event": "s",
        "segments.rejected_erasure": "s",
        "segments.access_event": "i",
        **{
            f"segments.{name}": "s"
            for name in ("seal", "seal_round", "seal_stretch", "seal_checkpoint")
        },
        **{f"projections.{name}": "s" for name in KEPT | SERVING},
        "projections.named_interval": "s",
        "projections.expiry": "s",
        "projections.tombstone_outbox": "s",
        "projections.membership_topic": "s",
        **{f"reporting.{name}": "s" for name in VIEWS},
        "migrations.applied": "s",
        "segments.task": "si",
    },
    "segments_erase": {
        "segments.person": "su",
        "segments.event": "s",
        "segments.rejected": "s",
        "segments.erasure": "si",
        "segments.rejected_erasure": "si",
        "segments.lane": "s",
        "segments.erasure_gate": "u",
    },
    "segments_report": {
        **{f"reporting.{name}": "s" for name in VIEWS},
        "projections.named_interval": "s",  # of membership_as_of(); the schema can't be named
    },
    "segments_report_network": {f"reporting_network.{name}": "s" for name in VIEWS},
}


COLUMNS = {
    "segments_operate": {
        "projections.membership_topic": {
            "republish",
            "republish_because",
            "republish_by",
            "republish_at",
        },
        "segments.task": {
            "cancelled_at",
            "cancelled_by",
            "started_at",
            "step",
            "steps_done",
            "steps",
            "ended_at",
            "outcome",
            "result",
        },
    },
    "segments_api": {"segments.api_key": {"last_used_at"}},
    "segments_registry": {
        "segments.api_key": {"revoked_at", "revoked_by"},
        "segments.segment": {"segment_name", "description", "is_visible", "archived_at"},
    },
    "segments_erase": {
        "segments.event": {"user_sent", "description", "metadata", "blanked"},
        "segments.rejected": {
            "detail",
            "record_key",
            "payload",
            "payload_text",
            "headers",
            "salt",
            "blanked",
        },
    },
}
