"""What one stand-in process was told on its command line."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Settings:
    """Everything the parts need; made once in main.py and never changed."""

    data_dir: Path
    user: str
    password: str
    public_key: Path | None
    # Verifies OAuth access tokens; without it OAuth is refused.
    oauth_key: Path | None
    s3_endpoint: str | None
    # Where azure:// locations are, if not at Azure: an emulator with the account in the path.
    azure_endpoint: str | None
    # Names that STORAGE_INTEGRATION may give; they stand for the process's own AWS_* variables.
    storage_integrations: frozenset[str]
    # A statement that runs longer answers "in progress" (333333) and is polled for, as Snowflake does at 45 s.
    sync_seconds: float
    # How long a session token lives before the client must renew it (390112).
    token_seconds: float
    # A transaction that idles this long while another session waits for its locks is rolled back.
    # Snowflake's own limit is five minutes: too long to wait here for a worker that was killed.
    idle_transaction_seconds: float

    @property
    def databases(self) -> Path:
        return self.data_dir / "databases"

    @property
    def stages(self) -> Path:
        return self.data_dir / "stages"

    @property
    def work(self) -> Path:
        """Files of running statements; emptied at the start, as results are."""
        return self.data_dir / "work"

    @property
    def results(self) -> Path:
        return self.data_dir / "results"
