"""Structured logs on stderr, as JSON or for reading on a console.

structlog is imported with the first logger or the first warning of another library, because the import takes 0.1 s
that a command without log lines need not spend.
"""

from __future__ import annotations

import logging
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    import structlog

    from service.runtime.settings import Settings


class _Structured(logging.Formatter):
    """Formats the records of all libraries alike. make: creates the formatter for the first record."""

    def __init__(self, make: Callable[[], logging.Formatter]) -> None:
        super().__init__()
        self._made = cache(make)

    def format(self, record: logging.LogRecord) -> str:
        return self._made().format(record)


def set_up_logging(settings: Settings) -> None:
    """Write structured lines to stderr, including the warnings of other libraries."""
    level = logging.getLevelNamesMapping()[settings.log_level.upper()]
    handler = logging.StreamHandler()
    handler.setFormatter(_Structured(lambda: _formatter(as_json=settings.log_format == "json")))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(max(level, logging.WARNING))
    logging.getLogger("segments").setLevel(level)


def get_logger(name: str) -> structlog.stdlib.BoundLogger:
    """Return the logger of a module, `segments.<name>`."""
    from structlog import stdlib  # noqa: PLC0415

    _configure()
    logger: structlog.stdlib.BoundLogger = stdlib.get_logger(f"segments.{name}")
    return logger


def _shared() -> list[structlog.types.Processor]:
    from structlog import contextvars, processors  # noqa: PLC0415

    return [
        contextvars.merge_contextvars,
        processors.add_log_level,
        processors.TimeStamper(fmt="iso", utc=True),
        processors.format_exc_info,
    ]


def _formatter(*, as_json: bool) -> logging.Formatter:
    from structlog import dev, processors, stdlib  # noqa: PLC0415

    last = processors.JSONRenderer() if as_json else dev.ConsoleRenderer(colors=False)
    return stdlib.ProcessorFormatter(
        foreign_pre_chain=_shared(),
        processors=[stdlib.ProcessorFormatter.remove_processors_meta, last],
    )


@cache
def _configure() -> None:
    """Configure structlog, once, to pass its lines to the standard library's loggers."""
    import structlog  # noqa: PLC0415

    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *_shared(),
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,
    )
