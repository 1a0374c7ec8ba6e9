"""Where a connector can get keys, and users of moto to whom they belong."""

import http.server
import json
import tempfile
import threading

# What the document requires a policy to allow: version 1 the first alone.
ACTIONS = ["firehose:PutRecord", "firehose:PutRecordBatch"]


def user(moto, actions):
    """Keys of a user who may do these things, as environment variables. moto judges actions, not resources."""
    keys = moto.user([{"Sid": "Stmt1528133056761", "Action": actions, "Effect": "Allow", "Resource": "*"}])
    return {name.upper(): value for name, value in keys.items()}


class CredentialFile:
    """A shared credentials file that can be changed while it is in use."""

    def __enter__(self):
        self.folder = tempfile.TemporaryDirectory()
        self.path = self.folder.name + "/credentials"
        return self

    def write(self, text):
        with open(self.path, "w", encoding="utf-8") as file:
            file.write(text)

    def __exit__(self, *_):
        self.folder.cleanup()


class ContainerEndpoint:
    """Gives out keys as ECS and Greengrass V2 do, to those who show the token."""

    def __init__(self, keys, token, end="2099-01-01T00:00:00Z"):
        self.token = token
        self.asked = 0
        self.refused = 0
        body = json.dumps(
            {
                "AccessKeyId": keys["AWS_ACCESS_KEY_ID"],
                "SecretAccessKey": keys["AWS_SECRET_ACCESS_KEY"],
                "Token": "session",
                "Expiration": end,
            }
        ).encode()
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                outer.asked += 1
                allowed = self.headers.get("Authorization") == outer.token
                outer.refused += not allowed
                self.send_response(200 if allowed else 401)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/credentials"

    def __enter__(self):
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_):
        self.server.shutdown()
