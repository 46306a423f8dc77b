"""The names that follow from what they name: deliveries, tokens, ids of what people did."""

import hmac
import re
from base64 import b32hexencode, urlsafe_b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import blake2b, sha256

HIDDEN_CTA = 99
"""The place of the invisible link by which a lost message is recognised: no button has it."""

_TOKEN = re.compile(r"([a-z0-9]{1,4})-([0-9a-v]{26})-([0-9]{1,2})-([A-Za-z0-9_-]{22})", re.ASCII)
_PLAIN = re.compile(r"[A-Za-z0-9_-]{1,64}", re.ASCII)


@dataclass(frozen=True)
class Token:
    """What a CTA token says, and whether its signature is right; None: its key is not known."""

    delivery: str
    cta: int
    genuine: bool | None


def token(text: str, keys: Mapping[str, str]) -> Token | None:
    """Read a token: `<key>-<delivery>-<cta>-<first 128 bits of the HMAC-SHA256 of these>`."""
    match = _TOKEN.fullmatch(text)
    if match is None:
        return None
    key, delivery, cta, signature = match.groups()
    secret = keys.get(key)
    if secret is None:
        return Token(delivery, int(cta), None if not keys else False)
    signed = f"fingerpost.cta.v1:{key}-{delivery}-{int(cta)}"
    mac = hmac.new(secret.encode(), signed.encode(), sha256).digest()[:16]
    right = urlsafe_b64encode(mac).decode().rstrip("=") == signature
    return Token(delivery, int(cta), right)


def delivery_of(campaign: str, channel: str, at: int) -> str:
    """Return the name of the delivery of the slot `at` (Unix seconds) in a channel."""
    moment = datetime.fromtimestamp(at, UTC).isoformat(timespec="microseconds")
    digest = blake2b(f"{campaign}\n{channel}\n{moment}".encode(), digest_size=16).digest()
    return b32hexencode(digest).decode().rstrip("=").lower()


def part_of_a_subject(text: str) -> str:
    """Return `text` where a subject can carry it, else a hash of it."""
    if _PLAIN.fullmatch(text):
        return text
    return f"h-{blake2b(text.encode(), digest_size=16).hexdigest()}"
