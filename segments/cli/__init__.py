"""The command line: parses, calls one function, prints. `main` lists the commands; each is imported when it is called.

Imports every room; nobody imports it.
"""

from segments.cli.main import main

__all__ = ["main"]
