"""The statements that run the fold: live and late (apply), whole (rebuild), and their comparison (verify).

The fold itself, segments.fold, stands in the migrations; nothing here says again what an event does.
"""
