"""The peer in Python: the connector's job as one would write it in an afternoon with paho-mqtt and boto3, as they come.

It leaves out what the peer in Rust leaves out, see src/main.rs. Environment: `FIREHOSE_CONNECTOR_MQTT_URL`,
`DEFAULT_DELIVERY_STREAM_ARN`, `PUBLISH_INTERVAL` (seconds, default 10) and what boto3 reads.
"""

import json
import os
import queue
import time
from urllib.parse import urlsplit

import boto3
from paho.mqtt.client import CallbackAPIVersion, Client, MQTTv5

INPUT = "kinesisfirehose/message"
BINARY_INPUT = "kinesisfirehose/message/binary/"
STATUS = "kinesisfirehose/message/status"

# Service limits of one PutRecordBatch.
BATCH_RECORDS = 500
BATCH_BYTES = 4 * 1024 * 1024


def main():
    arn = os.environ["DEFAULT_DELIVERY_STREAM_ARN"]
    interval = float(os.environ.get("PUBLISH_INTERVAL", "10"))
    url = urlsplit(os.environ["FIREHOSE_CONNECTOR_MQTT_URL"])
    firehose = boto3.client("firehose", region_name=arn.split(":")[3])
    publishes = queue.Queue(BATCH_RECORDS)
    mqtt = Client(CallbackAPIVersion.VERSION2, client_id="firehose-peer", protocol=MQTTv5)
    mqtt.on_connect = lambda client, *_: client.subscribe([(INPUT, 1), (BINARY_INPUT + "#", 1)])
    mqtt.on_message = lambda _client, _userdata, message: publishes.put(message)
    mqtt.connect(url.hostname, url.port)
    mqtt.loop_start()
    relay(publishes, firehose, mqtt, arn.rpartition("/")[2], interval)


def relay(publishes, firehose, mqtt, stream, interval):
    """Sends a batch when it is full, or an interval after its first record."""
    ids, records, size, due = [], [], 0, None
    while True:
        try:
            publish = publishes.get(timeout=None if due is None else max(0, due - time.monotonic()))
        except queue.Empty:
            publish = None
        if publish is not None:
            record_id, data = parse(publish)
            encoded = (len(data) + 2) // 3 * 4 + len('{"Data":""},')
            if records and size + encoded > BATCH_BYTES:
                put(firehose, mqtt, stream, ids, records)
                ids, records, size, due = [], [], 0, None
            ids.append(record_id)
            records.append({"Data": data})
            size += encoded
            due = due or time.monotonic() + interval
        if records and (len(records) == BATCH_RECORDS or time.monotonic() >= due):
            put(firehose, mqtt, stream, ids, records)
            ids, records, size, due = [], [], 0, None


def parse(publish):
    if publish.topic.startswith(BINARY_INPUT):
        return publish.topic.removeprefix(BINARY_INPUT), publish.payload
    message = json.loads(publish.payload)
    return message.get("id", ""), message["request"]["data"].encode()


def put(firehose, mqtt, stream, ids, records):
    reply = firehose.put_record_batch(DeliveryStreamName=stream, Records=records)
    response = [
        {"firehose_record_id": entry["RecordId"], "id": record_id, "status": "success"}
        if "RecordId" in entry
        else {"ErrorCode": entry["ErrorCode"], "ErrorMessage": entry["ErrorMessage"], "id": record_id, "status": "fail"}
        for record_id, entry in zip(ids, reply["RequestResponses"], strict=True)
    ]
    mqtt.publish(STATUS, json.dumps({"response": response}), qos=1)


if __name__ == "__main__":
    main()
