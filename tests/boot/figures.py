"""What was measured, beside its budget, as a table for README."""

from machine import budget
from parts.service import TARGET


class Figures:
    def __init__(self):
        self.rows = {}

    def add(self, what, target, value, unit="kB", limit=None):
        """`limit`: a name in the target's budget, or the limit itself."""
        if isinstance(limit, str):
            limit = budget(target)[limit]
        self.rows.setdefault((what, unit), {})[target] = (value, limit)
        return limit

    def write(self):
        """Writes the table to target/boot/figures.md and returns it."""
        if not self.rows:
            return None
        targets = sorted({target for row in self.rows.values() for target in row})
        lines = [
            "| In a booted system | " + " | ".join(f"{target} | budget" for target in targets) + " |",
            "|---|" + "---:|" * 2 * len(targets),
        ]
        for (what, unit), row in self.rows.items():
            cells = (cell for target in targets for cell in row.get(target, (None, None)))
            cells = ("" if cell is None else f"{cell:,}" for cell in cells)
            lines.append(f"| {what}, {unit} | " + " | ".join(cells) + " |")
        table = "\n".join(lines) + "\n"
        path = TARGET / "boot/figures.md"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(table)
        return table
