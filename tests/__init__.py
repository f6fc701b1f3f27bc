"""All tests; `tests.oracle` is the referee, `tests.histories` makes what it is compared on."""
