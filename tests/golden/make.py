#!/usr/bin/env python3
"""Writes requests.json beside this file: requests as botocore signs them, with fixed keys and time.

    python3 -m venv venv && venv/bin/pip install botocore && venv/bin/python tests/golden/make.py

The result is committed, so that the test needs neither Python nor a network.
"""

import datetime
import json
import pathlib
from unittest import mock

import botocore.config
import botocore.exceptions
import botocore.session

WHEN = datetime.datetime(2015, 8, 30, 12, 36, 0, tzinfo=datetime.timezone.utc)
KEY_ID, SECRET = "AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
TOKEN = "AQoDYXdzEPT//////////wEXAMPLEtc764bNrC9SAPBSM22wDOk4x4HIZ8j4FZTwdQWLWsKWHGBuFqwAeMicRXmxfpSPfIeoIYRqTflfKD8YUuwthAx7mSEI/qkPpKPi/kMcGd=="

CASES = [
    {"name": "PutRecord", "region": "eu-west-1", "stream": "one", "records": ["Data to send to the delivery stream."], "single": True},
    {"name": "PutRecordBatch", "region": "us-east-1", "stream": "a.b-c_D9", "records": ["a", "", "ab", "abc", "\u00e9\U0001f980" * 100]},
    {"name": "empty record", "region": "us-east-1", "stream": "one", "records": [""], "single": True},
    {"name": "session token", "region": "eu-central-1", "stream": "one", "records": ["x" * 1000], "token": TOKEN},
    {"name": "China", "region": "cn-north-1", "partition": "aws-cn", "stream": "one", "records": ["x"], "token": TOKEN},
    {"name": "GovCloud", "region": "us-gov-west-1", "partition": "aws-us-gov", "stream": "one", "records": ["x"], "single": True},
    *(
        {"name": f"{region} fips={fips} dual_stack={dual}", "region": region, "partition": partition, "stream": "one", "records": ["x"], "fips": fips, "dual_stack": dual}
        for partition, region in [("aws", "us-east-1"), ("aws-cn", "cn-north-1"), ("aws-us-gov", "us-gov-west-1"), ("aws-eusc", "eusc-de-east-1"), ("aws-iso", "us-iso-east-1"), ("aws-iso-b", "us-isob-east-1"), ("aws-iso-e", "eu-isoe-west-1"), ("aws-iso-f", "us-isof-south-1")]
        for fips in [False, True]
        for dual in [False, True]
    ),
    {"name": "endpoint with a port", "region": "eu-west-1", "stream": "one", "records": ["x"], "endpoint": "http://127.0.0.1:4566"},
    {"name": "endpoint with the usual port", "region": "eu-west-1", "stream": "one", "records": ["x"], "endpoint": "https://vpce-1.firehose.example.com"},
    {"name": "500 records", "region": "ap-southeast-2", "stream": "s" * 64, "records": ["abcdefgh"[: n % 9] for n in range(500)]},
]


class Frozen(datetime.datetime):
    """A clock that stands still."""

    @classmethod
    def now(cls, tz=None):
        return WHEN if tz else WHEN.replace(tzinfo=None)

    @classmethod
    def utcnow(cls):
        return WHEN.replace(tzinfo=None)


def capture(case):
    """The request that botocore would send."""
    session = botocore.session.Session()
    session.set_credentials(KEY_ID, SECRET, case.get("token"))
    config = botocore.config.Config(
        use_fips_endpoint=case.get("fips", False), use_dualstack_endpoint=case.get("dual_stack", False)
    )
    client = session.create_client(
        "firehose", region_name=case["region"], endpoint_url=case.get("endpoint"), config=config
    )
    caught = []

    def catch(request, **_):
        caught.append(request)
        return botocore.awsrequest.AWSResponse(request.url, 200, {}, mock.Mock(stream=lambda: iter([b"{}"])))

    client.meta.events.register("before-send.firehose", catch)
    data = [{"Data": text.encode()} for text in case["records"]]
    with mock.patch("botocore.auth.datetime.datetime", Frozen), mock.patch(
        "botocore.auth.get_current_datetime", lambda *_, **__: WHEN.replace(tzinfo=None), create=True
    ):
        if case.get("single"):
            client.put_record(DeliveryStreamName=case["stream"], Record=data[0])
        else:
            client.put_record_batch(DeliveryStreamName=case["stream"], Records=data)
    return caught[0]


def golden(case):
    try:
        request = capture(case)
    except botocore.exceptions.EndpointVariantError:
        return None  # botocore knows no such endpoint in this partition
    text = {name.lower(): value.decode() if isinstance(value, bytes) else value for name, value in request.headers.items()}
    wanted = ["authorization", "content-type", "content-length", "x-amz-date", "x-amz-security-token", "x-amz-target"]
    return {
        **case,
        "url": request.url,
        "headers": {name: text[name] for name in wanted if name in text},
        "body": request.body.decode(),
    }


def main():
    time = int(WHEN.timestamp())
    keys = {"access_key_id": KEY_ID, "secret_access_key": SECRET, "time": time}
    document = {**keys, "requests": [made for made in map(golden, CASES) if made]}
    path = pathlib.Path(__file__).with_name("requests.json")
    path.write_text(json.dumps(document, indent=1, ensure_ascii=True) + "\n")


if __name__ == "__main__":
    main()
