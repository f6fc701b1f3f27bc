"""The read side: the fold, the workers that keep its tables, rebuild, verify, explain and status.

Imported by segments; imports service and schemas.
"""
