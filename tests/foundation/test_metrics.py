import pytest

from helpline.foundation import metrics
from helpline.foundation.metrics import Outcome, exposition, observe_request, observe_task, set_waiting, stopwatch


def value(name, **labels):
    return metrics.REGISTRY.get_sample_value(name, labels) or 0


def test_requests_and_tasks_are_counted_under_names_of_code():
    before = value("helpline_requests_total", route="calls.log", status="201")
    observe_request("calls.log", 201, 0.02)
    assert value("helpline_requests_total", route="calls.log", status="201") == before + 1
    assert value("helpline_request_seconds_sum", route="calls.log") >= 0.02
    observe_task("referrals.route_case", Outcome.RETRIED, 0.5)
    assert value("helpline_tasks_total", task="referrals.route_case", outcome="retried") >= 1
    set_waiting("outbox", 7)
    assert value("helpline_waiting", kind="outbox") == 7


@pytest.mark.parametrize("told", ["/calls/012345678", "Srey Neang", "", "calls.log?q=x", "ស្រីនាង"])
def test_nothing_but_names_becomes_a_label(told):
    observe_request(told, 200, 0.1)
    observe_task(told, Outcome.DONE, 0.1)
    text = exposition()[0].decode()
    assert "012345678" not in text
    assert "Srey" not in text
    assert "ស្រីនាង" not in text


def test_an_unmatched_route_and_a_strange_status_are_bounded():
    observe_request(None, 404, 0.1)
    observe_request("calls.log", 9999, 0.1)
    assert value("helpline_requests_total", route="unmatched", status="404") >= 1
    assert value("helpline_requests_total", route="calls.log", status="other") >= 1
    with pytest.raises(ValueError):
        observe_task("a.b", "whatever", 1)


def test_the_stopwatch_tells_even_when_the_block_fails():
    with pytest.raises(KeyError), stopwatch() as seconds:
        raise KeyError
    assert len(seconds) == 1
    assert seconds[0] >= 0
    assert exposition()[1].startswith("text/plain")
