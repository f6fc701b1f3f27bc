"""What is published from the projections: memberships, tombstones of erased people, expiries that are due.

Imports fold and service.
"""
