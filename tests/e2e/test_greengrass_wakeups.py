"""Wake-ups as with a broker, with the stand-in for nucleus lite."""

# ruff: noqa: F401
import time

import pytest
from parts.client import MESSAGE
from parts.connector import definition
from parts.greengrass import client, connect, nucleus
from parts.waiting import until
from parts.wakeups import Wakeups
from test_wakeups import (
    SECONDS,
    test_a_wrong_message_is_answered_within_a_moment_although_others_gather,
    test_at_rest_nothing_wakes_the_process,
    test_the_process_wakes_a_few_times_a_second_at_any_rate,
)

pytestmark = pytest.mark.host_only


def test_a_nucleus_that_does_not_read_makes_no_message_wake_the_process(connect, nucleus, standin):
    connector = connect(definition(PublishInterval="1"))
    nucleus.publish(MESSAGE, {"request": {"data": "x"}})
    # Only where a status was taken many are sent at once.
    until(lambda: "PublishToTopic" in nucleus.operations(), "a status")
    nucleus.reads.clear()
    # Their statuses are more than a socket holds.
    for number in range(4000):
        nucleus.publish(MESSAGE, {"request": {"data": "x"}, "id": f"{number:0100}"})
    until(lambda: standin.state()["accepted"] == 4001, "all records")
    wakeups, sent = Wakeups(connector.process.pid), 0
    end = time.monotonic() + SECONDS
    while time.monotonic() < end:
        nucleus.publish(MESSAGE, {"request": {"data": "x"}})
        sent += 1
        time.sleep(0.005)
    assert sent > 30 * SECONDS, "else they would be few in any case"
    assert wakeups.a_second() <= 15
    nucleus.reads.set()
    until(lambda: standin.state()["accepted"] == 4001 + sent, "all records")
