"""`check --online` on prepared faults of credentials and the service: the right step fails with the right sentence."""

import re

import pytest

from parts.connector import definition
from parts.credentials import ACTIONS, ContainerEndpoint, user
from parts.doctor import is_only_fault
from parts.service import arn


def test_no_credentials_and_the_service_is_there(check):
    report = check(AWS_ACCESS_KEY_ID=None, AWS_SECRET_ACCESS_KEY=None)
    is_only_fault(report, "credentials", "no AWS credentials, provide one of: AWS_ACCESS_KEY_ID")
    assert [report.steps[step]["result"] for step in ["service-dns", "service-tcp"]] == ["ok", "ok"]


def test_credentials_that_expire_and_expired_ones(check, standin):
    keys = {"AWS_ACCESS_KEY_ID": "ASIAEXAMPLE", "AWS_SECRET_ACCESS_KEY": "secret"}
    unset = dict.fromkeys(keys)
    with ContainerEndpoint(keys, token="Basic c2VjcmV0") as endpoint:
        container = {
            "AWS_CONTAINER_CREDENTIALS_FULL_URI": endpoint.url,
            "AWS_CONTAINER_AUTHORIZATION_TOKEN": endpoint.token,
        }
        report = check(**unset, **container)
        assert report.steps["credentials"]["found"].endswith("key ASIAEXAMPLE, until 2099-01-01 00:00:00 UTC")
        assert report.code == 0
        code = {"code": "ExpiredTokenException", "message": "The security token included in the request is expired"}
        standin.set_faults(keys={"ASIAEXAMPLE": code})
        report = check(**unset, **container)
        is_only_fault(report, "firehose", "ExpiredTokenException: The security.*renewed")
    with ContainerEndpoint(keys, token="Basic c2VjcmV0", end="2026-01-01T00:00:00Z") as endpoint:
        container["AWS_CONTAINER_CREDENTIALS_FULL_URI"] = endpoint.url
        report = check(**unset, **container)
        assert report.steps["credentials"]["result"] == "warn"
        assert "expired 2026-01-01 00:00:00 UTC, and to this device it is" in report.steps["credentials"]["found"]
        assert report.steps["firehose"]["result"] == "fail"
        container["AWS_CONTAINER_AUTHORIZATION_TOKEN"] = "wrong"
        report = check(**unset, **container)
        is_only_fault(report, "credentials", "answers 401 .check AWS_CONTAINER_AUTHORIZATION_TOKEN")


def test_a_region_that_does_not_exist(check):
    region = arn("stream-name").replace("eu-west-1", "eu-nowhere-1")
    report = check(document=definition(DefaultDeliveryStreamArn=region), AWS_ENDPOINT_URL_FIREHOSE=None)
    words = "firehose.eu-nowhere-1.amazonaws.com:443 (has no address|cannot be looked up).*region in DefaultDeliveryStreamArn"
    is_only_fault(report, "service-dns", words)


def test_a_service_that_is_down(check, standin):
    standin.set_faults(down=True)
    is_only_fault(check(), "service-tcp", f"127.0.0.1:{standin.port} refuses connections")


def test_a_captive_portal_is_named_with_what_it_says(check, standin):
    standin.set_faults(every_request=1, request_fault="portal")
    report = check("--send-test-record")
    is_only_fault(report, "firehose", "HTTP 200. is not the service's.*captive portal.*sign in.*<title>Sign in")
    assert report.steps["service-clock"]["result"] == "skip", "its time is not to be trusted"


REFUSALS = {
    "secret": "SignatureDoesNotMatch: The request signature .*check that the secret key belongs to the key",
    "key": "InvalidClientTokenId: The security token .* is invalid.*does not know this key",
    "permission": "AccessDenied: User: .* is not authorized to perform: firehose:PutRecordBatch.*allow firehose:Put",
    "stream": "ResourceNotFoundException: Firehose no-such-stream .*not found.*check name, region and account",
    "region": "ResourceNotFoundException: Firehose stream-.*not found.*check name, region and account",
}


@pytest.mark.parametrize("record", [(), ("--send-test-record",)], ids=["without a record", "with a record"])
@pytest.mark.parametrize("wrong", REFUSALS)
def test_a_request_that_moto_refuses(wrong, record, moto, check):
    stream = "no-such-stream" if wrong == "stream" else moto.stream()
    region = arn(stream).replace("eu-west-1", "us-west-2") if wrong == "region" else arn(stream)
    keys = user(moto, ["firehose:PutRecord"] if wrong == "permission" else ACTIONS)
    if wrong in ["secret", "key"]:
        keys["AWS_SECRET_ACCESS_KEY" if wrong == "secret" else "AWS_ACCESS_KEY_ID"] = "wrong"
    report = check(
        *record, document=definition(DefaultDeliveryStreamArn=region), AWS_ENDPOINT_URL_FIREHOSE=moto.url, **keys
    )
    is_only_fault(report, "firehose", REFUSALS[wrong])
    assert report.steps["test-record"]["result"] == "skip"
    if wrong not in ["stream", "region"]:
        assert moto.arrived(stream) == b""


def test_refusals_in_the_service_s_own_form(check, standin):
    refusal = {"code": "AccessDeniedException", "message": "User: x is not authorized to perform: firehose:PutRecordBatch"}
    standin.set_faults(keys={"AKIDEXAMPLE": refusal})
    is_only_fault(check(), "firehose", "AccessDeniedException: User: x .*allow firehose:PutRecordBatch on arn:aws:firehose")
    unknown = {"code": "UnrecognizedClientException", "message": "The security token included in the request is invalid."}
    standin.set_faults(keys={"AKIDEXAMPLE": unknown})
    is_only_fault(check(), "firehose", "UnrecognizedClientException.*does not know this key")
    standin.set_faults(every_request=1, request_fault="unavailable")
    is_only_fault(check(), "firehose", "ServiceUnavailableException: Slow down.*sends again by itself")


@pytest.mark.parametrize("hours", [-3, 30 * 24])
def test_a_clock_that_is_off_by_hours(hours, check, standin):
    standin.set_faults(clock_ahead_s=hours * 3600)
    report = check("--send-test-record")
    assert report.code == 0
    assert report.steps["firehose"]["result"] == report.steps["test-record"]["result"] == "ok"
    clock = report.steps["service-clock"]
    assert clock["result"] == "warn"
    (seconds,) = re.findall(r"signatures are corrected by (-?\d+) s", clock["found"])
    assert abs(int(seconds) - hours * 3600) <= 5
    assert len(standin.records()) == 1


def test_one_record_that_the_service_does_not_take(check, standin):
    standin.set_faults(every_record=1, record_code="InternalFailure")
    report = check("--send-test-record")
    is_only_fault(report, "test-record", "the service put the record off")
