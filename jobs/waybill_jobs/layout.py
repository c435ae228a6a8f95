"""Where everything is: one object turns layer and table names into paths."""

from dataclasses import dataclass

from waybill_jobs.schemas import GOLD_TABLES, TABLES


@dataclass(frozen=True)
class Lake:
    """`root` holds the tables (`<root>/<layer>/<table>`), `landing` the files that the ingest stage put there."""

    root: str
    landing: str = ""

    def table(self, layer: str, name: str) -> str:
        return f"{self.root}/{layer}/{name}"

    def checkpoint(self, layer: str, name: str) -> str:
        """Beside the tables, not inside one, so that removing a table is never half of removing a stream."""
        return f"{self.root}/_checkpoints/{layer}/{name}"

    def path(self, qualified: str) -> str:
        """The path of `layer/table`."""
        layer, name = qualified.split("/")
        return self.table(layer, name)


#: Every table that the jobs may write, as `layer/table`, in the order of the data's way.
ALL_TABLES: tuple[str, ...] = (
    *(f"bronze/{name}" for name in TABLES),
    *(f"silver/{name}" for name in TABLES),
    *(f"quarantine/{name}" for name in TABLES),
    *(f"gold/{name}" for name in GOLD_TABLES),
)
