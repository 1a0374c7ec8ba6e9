"""What was measured, beside its budget, as a table for tests/README.md."""

from parts.service import TARGET
from systems import SYSTEMS


class Figures:
    def __init__(self):
        self.rows = {}

    def add(self, what, system, value, unit="kB", limit=None):
        """`limit`: a name in the budget of the system's target, or the limit itself."""
        if isinstance(limit, str):
            limit = system.budget()[limit]
        self.rows.setdefault((what, unit), {})[system] = (value, limit)
        return limit

    def listed(self):
        return [[*what, str(system), *cell] for what, row in self.rows.items() for system, cell in row.items()]

    def take(self, listed):
        """What another one has listed."""
        named = {str(system): system for system in SYSTEMS}
        for what, unit, system, value, limit in listed:
            self.rows.setdefault((what, unit), {})[named[system]] = (value, limit)

    def write(self):
        """Writes the table to target/boot/figures.md and returns it."""
        if not self.rows:
            return None
        systems = [system for system in SYSTEMS if any(system in row for row in self.rows.values())]
        lines = [
            "| In a booted system | " + " | ".join(f"{system} | budget" for system in systems) + " |",
            "|---|" + "---:|" * 2 * len(systems),
        ]
        for (what, unit), row in self.rows.items():
            cells = (cell for system in systems for cell in row.get(system, (None, None)))
            cells = ("" if cell is None else f"{cell:,}" for cell in cells)
            lines.append(f"| {what}, {unit} | " + " | ".join(cells) + " |")
        table = "\n".join(lines) + "\n"
        path = TARGET / "boot/figures.md"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(table)
        return table
