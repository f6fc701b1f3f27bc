"""`python -m stack`: start a stack, print its addresses, and keep it until Ctrl-C or SIGTERM."""

import logging
import os
import secrets
import signal
import sys

from stack import StackError, StackOptions, start_stack


def main() -> int:
    """Print lines that a shell can `export`; logs and errors go to stderr."""
    logging.basicConfig(level=logging.INFO, stream=sys.stderr, format="%(message)s")
    # SIGINT too: a shell starts background jobs with SIGINT ignored.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.default_int_handler)
    try:
        with start_stack(StackOptions.from_environment(os.environ)) as stack:
            lines = (
                f"SEGMENTS_DATABASE_URL={stack.database_url}\n"
                f"SEGMENTS_KAFKA_BOOTSTRAP_SERVERS={stack.bootstrap_servers}\n"
            )
            # Without a key no override expires. Any key will do here; one in the environment is exported already.
            if not os.environ.get("SEGMENTS_SIGNING_KEY"):
                lines += f"SEGMENTS_SIGNING_KEY={secrets.token_urlsafe()}\n"
            sys.stdout.write(lines)
            sys.stdout.flush()
            while True:
                signal.pause()
    except KeyboardInterrupt:
        return 0
    except StackError as error:
        notes = getattr(error, "__notes__", [])
        sys.stderr.write("\n".join([f"stack: {error}", *notes]) + "\n")
        return 1


if __name__ == "__main__":
    sys.exit(main())
