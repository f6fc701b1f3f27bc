"""The HTTP API on a real broker and database, spoken to by a real client over a socket."""
