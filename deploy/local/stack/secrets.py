"""Secrets of the local run: made once, kept in a file that only its owner can read."""

import json
import secrets
from pathlib import Path

_NAMES = ("cta_key", "postgres_password", "webhook_secret", "sandbox_token_part")


def load_or_make(path: Path) -> dict[str, str]:
    """Return the secrets in the file at `path`, making those that it does not have yet."""
    known: dict[str, str] = json.loads(path.read_text()) if path.exists() else {}
    missing = {name: secrets.token_urlsafe(24) for name in _NAMES if name not in known}
    if missing:
        known |= missing
        path.touch(mode=0o600, exist_ok=True)
        path.write_text(json.dumps(known, indent=2))
    return known
