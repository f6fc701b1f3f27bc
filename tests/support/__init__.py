"""Shared by tests on the real stack: settings, processes, publishing, reading, comparison with the oracle."""
