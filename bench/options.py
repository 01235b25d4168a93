"""How much is loaded and measured; every measurement is bounded in number and in time."""

from dataclasses import dataclass

SERVICE, PROTECTION, SEARCH, IMPORT, AUDIT = PARTS = ("service", "protection", "search", "import", "audit")


@dataclass(frozen=True)
class Options:
    parts: tuple[str, ...] = PARTS  # of the run
    rows: int = 10_000  # calls loaded before, each with its case
    count: int = 300  # most requests of one measurement
    seconds: float = 6  # and the longest it takes
    sign_ins: int = 30  # fewer: a password costs some 150 ms of a core, and one address may try 100 times in 15 minutes
    floor_count: int = 300  # plain inserts of each client, before each figure
    import_rows: int = 10_000  # of the generated log; 0: no imports
    people: int = 10_000  # whose names are searched; 0: no search
    audit_entries: int = 50_000  # that are sealed and verified; 0: none
    seed: int = 1280  # of their names
    clients: tuple[int, ...] = (1, 8)
    rounds: int = 6  # of what is compared with and without protection, taking turns
    round_seconds: float = 0.5
    logs: bool = True  # whether the real logs beside the checkout are imported too, where they are

    @property
    def most_asked(self) -> int:
        """How often one operation can be asked for in a whole run, warming up and counting included."""
        warm_up = WARM_UP * sum(self.clients) * max(self.rounds, 1)
        return len(self.clients) * self.count + warm_up + 4


CASES = 10  # with notes, to be read
WARM_UP = 2  # requests of each client before the clock runs
