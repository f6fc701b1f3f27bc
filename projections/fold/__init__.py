"""The fold: the worker that follows the log, the rebuild, and their statements.

segments.fold and projections.fold_key stand in the migrations; nothing here says again what an event does.
"""
