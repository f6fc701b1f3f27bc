-- Set the published positions of lanes; only forward, in case a later statement came first. Not in another incarnation
-- of Postgres, where lower offsets may be other events that are not published yet.
-- Parameters: lane_id[], next offset[], incarnation.
INSERT INTO projections.membership_outbox AS t (lane_id, next_offset)
SELECT w.lane_id, w.next_offset FROM unnest($1::integer[], $2::bigint[]) AS w (lane_id, next_offset)
WHERE segments.incarnation() = $3 ORDER BY w.lane_id
ON CONFLICT (lane_id) DO UPDATE SET next_offset = excluded.next_offset WHERE t.next_offset < excluded.next_offset
