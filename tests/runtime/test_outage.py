"""An outage is told once, however long it lasts."""

from service.runtime.backoff import Outage


def test_each_kind_of_fault_is_news_once_until_all_is_well_again() -> None:
    outage = Outage()
    faults = [OSError("a"), OSError("b"), TimeoutError(), OSError("a"), TimeoutError()]
    assert [outage.is_news(fault) for fault in faults] == [True, False, True, False, False]
    outage.ends()
    assert outage.is_news(OSError("a"))
