"""A name and a password as a setting keeps them: `name:scrypt:<salt>:<hash>`, hex.

scrypt with the cost that OWASP's password storage cheat sheet gives (N = 2^17, r = 8, p = 1: 128 MB
and a good tenth of a second), so that whoever reads the setting cannot read the password.
"""

import hmac
from dataclasses import dataclass
from hashlib import scrypt
from typing import Self

_COST, _BLOCKS, _LANES = 2**17, 8, 1
_MEMORY = 160 * 2**20
_SALT_BYTES, _HASH_BYTES = 16, 32
_FORM = "must be <name>:scrypt:<salt>:<hash>, as `python -m analytics.password` prints it"


@dataclass(frozen=True)
class Password:
    """One name, and the hash of its password."""

    name: str
    salt: bytes
    digest: bytes

    @classmethod
    def of(cls, name: str, password: str, salt: bytes) -> Self:
        """Hash `password` with a salt of 16 random bytes."""
        return cls(name, salt, _digest(password, salt))

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read a setting; raises ValueError, which does not show it."""
        name, *rest = text.split(":")
        if not name or len(rest) != 3 or rest[0] != "scrypt":  # noqa: PLR2004  the form's parts
            raise ValueError(_FORM)
        try:
            salt, digest = bytes.fromhex(rest[1]), bytes.fromhex(rest[2])
        except ValueError:
            raise ValueError(_FORM) from None
        if (len(salt), len(digest)) != (_SALT_BYTES, _HASH_BYTES):
            raise ValueError(_FORM)
        return cls(name, salt, digest)

    def __str__(self) -> str:
        return f"{self.name}:scrypt:{self.salt.hex()}:{self.digest.hex()}"

    def matches(self, name: str, password: str) -> bool:
        """Compare; it takes as long for a wrong name as for a wrong password."""
        right = hmac.compare_digest(_digest(password, self.salt), self.digest)
        return hmac.compare_digest(name.encode(), self.name.encode()) and right


def _digest(password: str, salt: bytes) -> bytes:
    return scrypt(
        password.encode(),
        salt=salt,
        n=_COST,
        r=_BLOCKS,
        p=_LANES,
        maxmem=_MEMORY,
        dklen=_HASH_BYTES,
    )
