"""A real Kafka and a real Postgres for development, tests and `make run`, by the first available method.

Import `start_stack`, `StackOptions`, `Stack`, `Part` and `StackError` from here, and nothing from the modules.
"""

from stack.assembly import Stack, start_stack
from stack.errors import StackError
from stack.options import StackOptions
from stack.part import Part

__all__ = ["Part", "Stack", "StackError", "StackOptions", "start_stack"]
