"""Tests that need neither Kafka nor Postgres."""
