"""Signs requests as other systems do: by the libraries of those who made up the signatures."""

import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
from standardwebhooks.webhooks import Webhook
from stripe import WebhookSignature

STRIPE_SECRET = "whsec_of_the_endpoint"
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
OLDER_SECRET = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"


def signed(body: bytes, *, secret: str = SECRET, late: timedelta = timedelta()) -> dict[str, str]:
    """Return the headers by which the owner of `secret` says `body`, so `late` ago."""
    at = datetime.now(UTC) - late
    return {
        "webhook-id": "msg_1",
        "webhook-timestamp": str(int(at.timestamp())),
        "webhook-signature": Webhook(secret).sign("msg_1", at, body.decode()),
    }


def signed_by_stripe(
    body: bytes, *, secret: str = STRIPE_SECRET, late: timedelta = timedelta()
) -> dict[str, str]:
    """Return the header by which Stripe says `body` to the endpoint of `secret`."""
    at = int((datetime.now(UTC) - late).timestamp())
    header = WebhookSignature.generate_signature_header(body.decode(), secret, at)
    return {"stripe-signature": header}


@dataclass(frozen=True)
class Systems:
    """A shop and Stripe, who say things to clicks over `http`."""

    http: httpx.AsyncClient

    async def say(self, document: Any, **signing: Any) -> httpx.Response:
        body = json.dumps(document).encode()
        return await self.http.post(
            "/v1/conversions", content=body, headers=signed(body, **signing)
        )

    async def stripe(self, event: Any, **signing: Any) -> httpx.Response:
        body = json.dumps(event).encode()
        headers = signed_by_stripe(body, **signing)
        return await self.http.post("/v1/webhooks/stripe", content=body, headers=headers)
