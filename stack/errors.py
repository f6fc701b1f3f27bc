"""The errors of a stack."""


class StackError(Exception):
    """No Kafka or Postgres could be started or reached; the message says what to do about it."""


class PortTakenError(StackError):
    """Another process bound the port between its choice and its use; try another port."""


class NotFittingError(StackError):
    """A method of starting a stack is not available on this machine; try the next one."""
