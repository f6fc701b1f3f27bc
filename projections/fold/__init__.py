"""The statements that run the fold: live and late (apply), whole (rebuild), and their comparison (verify).

The fold itself, segments.fold, and projections.fold_key, which whole.sql calls and a test holds equal to it, stand in
the migrations; nothing here says again what an event does.
"""
