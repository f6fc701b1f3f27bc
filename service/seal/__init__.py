"""The seal: a signed Merkle tree over all rows of the log, its proofs, and the audit that compares both.

Imports outbox (its runner), log, registry, kafka, postgres and runtime.
"""
