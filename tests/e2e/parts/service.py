"""The service: our stand-in with its faults, and moto, which checks signatures and permissions."""

import base64
import json
import os
import subprocess
import sys
import urllib.request
import uuid
from pathlib import Path

import boto3

from .waiting import end, free_port, started, until

ROOT = Path(__file__).resolve().parents[3]
TARGET = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
REGION = "eu-west-1"
ACCOUNT = "123456789012"


def arn(stream):
    return f"arn:aws:firehose:{REGION}:{ACCOUNT}:deliverystream/{stream}"


class Standin:
    """See tests/support/standin. `port` is the service's; control goes another way and works while it is down."""

    def __init__(self, address="127.0.0.1", **faults):
        program = TARGET / "release/examples/firehose-standin"
        command = [program, "--address", address, "--keep", str(64 * 1024 * 1024), "--faults", json.dumps(faults)]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        self.port, self.control = (int(self.process.stdout.readline().split()[1]) for _ in range(2))
        self.url = f"http://{address}:{self.port}"

    def close(self):
        end(self.process)

    def _ask(self, page, body=None):
        url = f"http://127.0.0.1:{self.control}/standin/{page}"
        data = None if body is None else json.dumps(body).encode()
        with urllib.request.urlopen(urllib.request.Request(url, data), timeout=60) as reply:
            return json.load(reply)

    def set_faults(self, **faults):
        """These and no others from now on."""
        self._ask("faults", faults)

    def heal(self):
        self.set_faults()

    def state(self):
        return self._ask("state")

    def accepted(self):
        """The data of accepted records by their ids, in the order of acceptance."""
        return {record["record_id"]: base64.b64decode(record["data"]) for record in self._ask("records")}

    def records(self, stream=None):
        """The data of accepted records, in the order of acceptance."""
        records = self._ask("records")
        return [base64.b64decode(record["data"]) for record in records if stream in (None, record["stream"])]

    def wait_accepted(self, count, within=30.0):
        until(lambda: self.state()["accepted"] >= count, f"{count} accepted records", within)
        state = self.state()
        assert state["accepted"] == count, f"{state['accepted']} accepted instead of {count}: {state}"
        assert state["refused_requests"] == 0, state["last_refusal"]
        return state


class Moto:
    """moto's server with IAM switched on: after the set-up calls, every request must be signed and allowed.

    Over TLS, with a certificate of `ca`, if one is given.
    """

    def __init__(self, folder, ca=None):
        self.trusted = ca and ca.file
        self.port = free_port()
        self.url = f"{'https' if ca else 'http'}://127.0.0.1:{self.port}"
        command = [sys.executable, "-c", "from moto.server import main; main()", "-H", "127.0.0.1", "-p", str(self.port)]
        if ca:
            leaf = ca.issue("service")
            command += ["--ssl-cert", leaf.certificate, "--ssl-key", leaf.key]
        with (folder / "moto.log").open("wb") as output:
            environment = os.environ | {"INITIAL_NO_AUTH_ACTION_COUNT": "3"}
            self.process = subprocess.Popen(command, stdout=output, stderr=output, env=environment)
        started(self.process, self.port, "moto", within=120)
        # The three calls that need no permission make the user who may do the rest.
        self.keys = {"aws_access_key_id": "first", "aws_secret_access_key": "first"}
        self.keys = self.user([{"Effect": "Allow", "Action": "*", "Resource": "*"}])

    def close(self):
        end(self.process)

    def client(self, service):
        return boto3.client(service, endpoint_url=self.url, verify=self.trusted, region_name=REGION, **self.keys)

    def user(self, statements):
        """Makes a user with these policy statements and returns the keys."""
        iam = self.client("iam")
        name = f"user-{uuid.uuid4().hex[:8]}"
        iam.create_user(UserName=name)
        policy = json.dumps({"Version": "2012-10-17", "Statement": statements})
        iam.put_user_policy(UserName=name, PolicyName="policy", PolicyDocument=policy)
        key = iam.create_access_key(UserName=name)["AccessKey"]
        return {"aws_access_key_id": key["AccessKeyId"], "aws_secret_access_key": key["SecretAccessKey"]}

    def stream(self):
        """Makes a delivery stream into a bucket of its own; both have the same name."""
        name = f"stream-{uuid.uuid4().hex[:8]}"
        self.client("s3").create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": REGION})
        destination = {"RoleARN": f"arn:aws:iam::{ACCOUNT}:role/firehose", "BucketARN": f"arn:aws:s3:::{name}"}
        firehose = self.client("firehose")
        firehose.create_delivery_stream(DeliveryStreamName=name, ExtendedS3DestinationConfiguration=destination)
        return name

    def arrived(self, stream):
        """Everything in the stream's bucket, as boto3 reads it, one object after the other."""
        s3 = self.client("s3")
        objects = s3.list_objects_v2(Bucket=stream).get("Contents", [])
        return b"".join(s3.get_object(Bucket=stream, Key=item["Key"])["Body"].read() for item in objects)
