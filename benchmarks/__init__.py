"""Benchmarks: each figure that has a goal, beside its limit or peer from the same run.

May import everything; nothing imports it. Run with `python -m benchmarks`.
"""
