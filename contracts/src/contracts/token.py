"""The CTA token: one text for callback data, link path and `start` payload.

Layout `<key>-<delivery>-<cta>-<mac>`, at most 64 of `[A-Za-z0-9_-]` (the Bot API's limit for all
three uses). The MAC is HMAC-SHA256 cut to 128 bits. Several keys verify, the first one signs.
"""

import hmac
import re
from base64 import urlsafe_b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256

from contracts.ids import DeliveryId

TOKEN_LIMIT = 64
_TOKEN = re.compile(r"([a-z0-9]{1,4})-([0-9a-v]{26})-([0-9]{1,2})-([A-Za-z0-9_-]{22})", re.ASCII)
_MAC_BYTES = 16
_KEY_ID = re.compile(r"[a-z0-9]{1,4}", re.ASCII)
_SECRET_BYTES = 16


@dataclass(frozen=True)
class CtaRef:
    """What a token stands for: a CTA (by its place in the variant) of one delivery."""

    delivery: DeliveryId
    cta: int


class InvalidTokenError(ValueError):
    """The text is no token of ours: malformed, forged, or signed by a key that was withdrawn."""


def has_shape(text: str) -> bool:
    """Tell whether `text` looks like a token; one whose key was withdrawn still does."""
    return _TOKEN.fullmatch(text) is not None


class TokenSigner:
    """Signs with the first of `keys` (key id to secret) and verifies with all of them."""

    def __init__(self, keys: Mapping[str, bytes]) -> None:
        if not keys:
            raise ValueError("at least one CTA key is needed")
        for number, (key_id, secret) in enumerate(keys.items(), start=1):
            if not _KEY_ID.fullmatch(key_id):
                # Not shown: id and secret may have been written in the wrong order.
                raise ValueError(f"the id of CTA key {number} must be 1 to 4 of a-z0-9")
            if len(secret) < _SECRET_BYTES:
                raise ValueError(f"CTA key {key_id!r} needs a secret of at least 16 bytes")
        self._keys = dict(keys)
        self._signing_key = next(iter(keys))

    def sign(self, ref: CtaRef) -> str:
        """Return the token of `ref`; the same `ref` and key give the same token."""
        return self._token(self._signing_key, ref)

    def verify(self, token: str) -> CtaRef:
        """Return what `token` stands for, or raise InvalidTokenError; compares in constant time."""
        match = _TOKEN.fullmatch(token)
        if not match:
            raise InvalidTokenError("malformed")
        key_id, delivery, cta, _ = match.groups()
        if key_id not in self._keys:
            raise InvalidTokenError("unknown key")
        ref = CtaRef(DeliveryId(delivery), int(cta))
        if not hmac.compare_digest(self._token(key_id, ref), token):
            raise InvalidTokenError("wrong signature")
        return ref

    def _token(self, key_id: str, ref: CtaRef) -> str:
        signed = f"{key_id}-{ref.delivery}-{ref.cta}"
        mac = hmac.digest(self._keys[key_id], f"fingerpost.cta.v1:{signed}".encode(), sha256)
        text = urlsafe_b64encode(mac[:_MAC_BYTES]).decode().rstrip("=")
        return f"{signed}-{text}"
