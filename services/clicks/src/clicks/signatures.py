"""Tells by its signature whether a request is from whom it says it is from.

A check returns None where the signature holds, else what is wrong with it, without any secret. Each
takes several secrets, any of which may have signed: so a secret can be changed without a gap.
"""

from collections.abc import Callable, Mapping, Sequence

from standardwebhooks.webhooks import Webhook, WebhookVerificationError

Check = Callable[[bytes, Mapping[str, str]], str | None]
_MALFORMED = "the signature's headers or the body's encoding cannot be read"


def standard_webhooks(secrets: Sequence[str]) -> Check:
    """Check by the convention of standardwebhooks.com, with its own library; 5 minutes at most."""
    verifiers = [Webhook(secret) for secret in secrets]

    def check(body: bytes, headers: Mapping[str, str]) -> str | None:
        problem = None
        for verifier in verifiers:
            try:
                verifier.verify(body, dict(headers), json_parse=False)
            except WebhookVerificationError as error:
                problem = str(error)
            except ValueError:  # the library does not expect all that may stand in a header
                problem = _MALFORMED
            else:
                return None
        return problem

    return check


def stripe(secrets: Sequence[str]) -> Check:
    """Check as Stripe signs, with its own library; 5 minutes at most."""
    # Imported here only: 0.1 s and 5 MB that nobody pays who does not use Stripe.
    from stripe import SignatureVerificationError, WebhookSignature  # noqa: PLC0415

    tolerance = 300

    def check(body: bytes, headers: Mapping[str, str]) -> str | None:
        signature = headers.get("stripe-signature")
        # What is no ASCII makes the library's comparison raise a TypeError.
        if signature is None or not signature.isascii():
            return "there is no Stripe-Signature"
        problem = None
        for secret in secrets:
            try:
                WebhookSignature.verify_header(body, signature, secret, tolerance)
            except SignatureVerificationError as error:
                problem = str(error)
            except ValueError:
                problem = _MALFORMED
            else:
                return None
        return problem

    return check
