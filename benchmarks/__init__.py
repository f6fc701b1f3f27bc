"""Benchmarks: each figure of the contract's section 8, beside its limit in the same run.

May import everything; imported by nobody. Run with `python -m benchmarks`.
"""
