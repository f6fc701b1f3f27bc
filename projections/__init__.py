"""The read side: the fold, the workers that keep its tables, rebuild, verify, explain and status.

May be imported from segments; imports service and schemas.
"""
