"""What is tested with a broker, with the stand-in for nucleus lite and AWS's own client: the examples of the documentation."""

# ruff: noqa: F401, F403
from parts.greengrass import client, connect, nucleus
from test_document import *
