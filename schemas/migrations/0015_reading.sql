-- The HTTP API looks up what became of commands by reference: duplicates and refused records among them.
GRANT SELECT ON segments.duplicate, segments.rejected TO segments_api;
