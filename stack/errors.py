"""What can go wrong with a stack."""


class StackError(Exception):
    """No Kafka or Postgres could be started or reached; the message says what to do about it."""


class PortTakenError(StackError):
    """Somebody bound the port between choosing it and using it; another one is to be tried."""


class NotFittingError(StackError):
    """One way of getting a stack does not fit this machine; the next is to be tried."""
