"""Publishes from the projections: memberships, tombstones of erased users, due expiries.

Imports fold and service.
"""
