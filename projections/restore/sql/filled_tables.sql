-- The tables that a new database has without rows, and this one has not.
SELECT t.name FROM (
    VALUES
    ('network', EXISTS (SELECT FROM segments.network)),
    ('segment', EXISTS (SELECT FROM segments.segment)),
    ('registry_event', EXISTS (SELECT FROM segments.registry_event)),
    ('source_event', EXISTS (SELECT FROM segments.source_event)),
    ('analyst_event', EXISTS (SELECT FROM segments.analyst_event)),
    ('lane', EXISTS (SELECT FROM segments.lane)),
    ('lane_event', EXISTS (SELECT FROM segments.lane_event)),
    ('person', EXISTS (SELECT FROM segments.person)),
    ('event', EXISTS (SELECT FROM segments.event)),
    ('duplicate', EXISTS (SELECT FROM segments.duplicate)),
    ('rejected', EXISTS (SELECT FROM segments.rejected)),
    ('rejected_outbox', EXISTS (SELECT FROM segments.rejected_outbox)),
    ('hole', EXISTS (SELECT FROM segments.hole)),
    ('retry', EXISTS (SELECT FROM segments.retry)),
    ('erasure', EXISTS (SELECT FROM segments.erasure)),
    ('rejected_erasure', EXISTS (SELECT FROM segments.rejected_erasure)),
    ('idempotency', EXISTS (SELECT FROM segments.idempotency)),
    ('signature', EXISTS (SELECT FROM segments.signature)),
    ('seal', EXISTS (SELECT FROM segments.seal)),
    ('seal_round', EXISTS (SELECT FROM segments.seal_round)),
    ('seal_stretch', EXISTS (SELECT FROM segments.seal_stretch)),
    ('seal_checkpoint', EXISTS (SELECT FROM segments.seal_checkpoint)),
    ('checkpoint', EXISTS (SELECT FROM projections.checkpoint))
) AS t (name, is_filled)
WHERE t.is_filled
