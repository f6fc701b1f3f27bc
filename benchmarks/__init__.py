"""Benchmarks: each figure of the contract's section 8, with its limit from the same run.

May import everything; nothing imports it. Run with `python -m benchmarks`.
"""
