"""The chart in README: CPU time of each program under each load, as bars on a logarithmic scale."""

from html import escape
from math import ceil, floor, log10

STYLE = """\
    text { font: 13px system-ui, sans-serif; fill: #1f2328 }
    .small { font-size: 11.5px; fill: #57606a }
    .load { font-weight: 600 }
    .end { text-anchor: end }
    .middle { text-anchor: middle }
    .grid { stroke: #d0d7de }
    .bar { fill: #afb8c1 }
    .ours { fill: #0969da }
    @media (prefers-color-scheme: dark) {
      text { fill: #e6edf3 }
      .small { fill: #9da7b3 }
      .grid { stroke: #30363d }
      .bar { fill: #57606a }
      .ours { fill: #58a6ff }
    }"""

WIDTH, LEFT, RIGHT, TOP, BAR, GAP, HEAD = 880, 150, 60, 52, 16, 14, 22


def draw(groups, about):
    """`groups`: a name and the milliseconds of each program; `about`: machine and date."""
    values = [value for _, bars in groups for _, value in bars if value > 0]
    low, high = floor(log10(min(values))), ceil(log10(max(values)))
    high = max(high, low + 1)
    scale = (WIDTH - LEFT - RIGHT) / (high - low)
    x = lambda value: LEFT + max(0.0, log10(value) - low) * scale  # noqa: E731
    body, y = [], TOP
    for name, bars in groups:
        body.append(f'  <text class="load" x="8" y="{y + 14}">{escape(name)}</text>')
        y += HEAD
        for program, value in bars:
            end = x(value) if value > 0 else LEFT
            ours = " ours" if program == "connector" else ""
            body += [
                f'  <text class="small end" x="{LEFT - 8}" y="{y + 12}">{escape(label(program))}</text>',
                f'  <rect class="bar{ours}" x="{LEFT}" y="{y + 1}" width="{max(1.0, end - LEFT):.1f}" height="{BAR - 3}"/>',
                f'  <text class="small" x="{end + 6:.1f}" y="{y + 12}">{value:.3g}</text>',
            ]
            y += BAR
        y += GAP
    height = y + 26
    marks = range(low, high + 1)
    grid = [f'  <path class="grid" d="M{x(10.0**mark):.1f} {TOP - 4}V{y - 6}"/>' for mark in marks]
    scales = [
        f'  <text class="small middle" x="{x(10.0**mark):.1f}" y="{TOP - 10}">{10.0**mark:g} ms</text>' for mark in marks
    ]
    told = "; ".join(f"{name}: " + ", ".join(f"{label(one)} {value:.3g}" for one, value in bars) for name, bars in groups)
    return "\n".join([
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}" '
        'role="img" aria-labelledby="title text">',
        '  <title id="title">CPU time for 1,000 records, in milliseconds; less is better</title>',
        f'  <desc id="text">{escape(told)}.</desc>',
        f"  <style>\n{STYLE}\n  </style>",
        '  <text class="load" x="8" y="20">CPU time for 1,000 records, logarithmic; less is better</text>',
        *grid, *scales, *body,
        f'  <text class="small" x="8" y="{height - 10}">{escape(about)}</text>',
        "</svg>", "",
    ])


def label(program):
    names = {"connector": "firehose-connector", "sdk": "AWS SDK for Rust", "python": "Python (boto3)", "floor": "floor program"}
    return names.get(program, program)
