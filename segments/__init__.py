"""The composition root: the command line and the roles it starts. No other package imports it."""
