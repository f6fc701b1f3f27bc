"""A siege: hostile tenants beside a well-behaved network, on real servers and processes; then checks, and a report.

`make siege MINUTES=20` is the long form; `test_siege.py` runs a short one. Hostile programs speak to 127.0.0.1 alone,
are seeded and bounded, and end by themselves.
"""
