"""Wake-ups as with a broker, with the stand-in for nucleus lite."""

# ruff: noqa: F401
import pytest
from parts.greengrass import client, connect, nucleus
from test_wakeups import (
    test_a_wrong_message_is_answered_within_a_moment_although_others_gather,
    test_at_rest_nothing_wakes_the_process,
    test_the_process_wakes_a_few_times_a_second_at_any_rate,
)

pytestmark = pytest.mark.host_only
