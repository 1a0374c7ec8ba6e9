"""What is published: the grid of loads, and those that a run has by default."""

from dataclasses import dataclass
from fnmatch import fnmatch
from itertools import product

SIZES = {64: "64 B", 1024: "1 KB", 16 * 1024: "16 KB"}
PACED = 500

# Records of a flood, by size: a second or two of work for the fastest, and enough for a clock that counts in 10 ms.
FLOODS = {64: 50_000, 1024: 50_000, 16 * 1024: 5_000}
PACED_SECONDS = 8

DEFAULT = [
    "1024:json:1:flood:0",
    "1024:json:0:flood:0",
    "1024:binary:1:flood:0",
    "64:json:1:flood:0",
    "16384:json:1:flood:0",
    "1024:json:1:flood:100",
    "1024:json:1:paced:0",
    "64:json:0:paced:0",
]


@dataclass(frozen=True)
class Load:
    size: int
    kind: str
    qos: int
    pace: str
    latency: int

    @property
    def spec(self):
        return f"{self.size}:{self.kind}:{self.qos}:{self.pace}:{self.latency}"

    @property
    def rate(self):
        """Records a second; 0: as fast as the broker takes them."""
        return PACED if self.pace == "paced" else 0

    def records(self, scale):
        count = PACED * PACED_SECONDS if self.pace == "paced" else FLOODS[self.size]
        return max(1, int(count * scale))

    def __str__(self):
        kind = {"json": "JSON", "binary": "binary"}[self.kind]
        pace = f"{PACED} a second" if self.pace == "paced" else "flood"
        late = f", service after {self.latency} ms" if self.latency else ""
        return f"{SIZES[self.size]} {kind}, QoS {self.qos}, {pace}{late}"


GRID = [Load(*one) for one in product(SIZES, ["json", "binary"], [1, 0], ["flood", "paced"], [0, 100])]


def chosen(patterns):
    """The loads that match one of the patterns, in the order of the patterns."""
    loads = []
    for pattern in patterns or DEFAULT:
        found = [load for load in GRID if fnmatch(load.spec, pattern)]
        if not found:
            raise SystemExit(f"no load matches {pattern}; they are SIZE:KIND:QOS:PACE:LATENCY, such as {GRID[0].spec}")
        loads += [load for load in found if load not in loads]
    return loads
