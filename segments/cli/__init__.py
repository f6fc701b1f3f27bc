"""The command line. Each command parses options, calls one function and prints the result.

`main` lists the commands; each is imported when it is called. Imports every package; no other package imports it.
"""

from segments.cli.main import main

__all__ = ["main"]
