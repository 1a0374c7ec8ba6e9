"""What is tested with a broker, with the stand-in for the classic nucleus: wrong messages, and messages of the greatest size."""

# ruff: noqa: F401
import pytest
from parts.greengrass import client, connect, nucleus
from test_input import (
    test_a_bad_arn_fails_naming_it,
    test_a_bad_message_fails_naming_what_is_wrong,
    test_an_id_may_be_absent_or_empty,
    test_empty_data_is_delivered_as_an_empty_record,
    test_strings_are_exact,
    test_unknown_keys_are_ignored,
    test_version_1_says_so_in_its_own_form,
)
from test_limits import (
    test_a_batch_has_500_records_at_most,
    test_a_full_queue_rejects_what_is_new_and_keeps_what_it_has,
    test_one_byte_more_is_too_large,
    test_the_largest_record_is_delivered,
    test_the_largest_records_fill_requests_but_never_too_much,
)


@pytest.fixture(autouse=True)
def classic(nucleus):
    """It takes frames of 24 MiB."""
    nucleus.lite = False
