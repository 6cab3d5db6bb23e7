"""What went wrong between here and the Hub, as a sentence with a way out."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import Enum

import httpx2
from huggingface_hub.errors import HfHubHTTPError

from qlora_demo.errors import HubError, UserError
from qlora_demo.export.hub_session import GaveUp

TOKENS = "huggingface.co/settings/tokens"
UNKNOWN_TOKEN = f"The Hub does not know this token, or it has expired. On a Space, sign in again. Elsewhere make one with write access at {TOKENS}."
READ_ONLY = f"This token may only read. Make one with write access at {TOKENS}."
NO_TOKEN = f"This is no token of the Hub. Paste it whole, without anything around it. You find yours at {TOKENS}."
UNREACHED = "The Hub cannot be reached from here. Check the internet connection and try again."
LOST = "The connection to the Hub was lost. Try again."
SLOW = "The Hub did not answer in time. Try again later."
BUSY = "The Hub has too many requests from here now. Try again in a few minutes."
NO_HUB = "What answered is not the Hub, or not as this app knows it. A network may ask for a login first."
FULL = "Your storage on the Hub is full. Free some there, or ask for more, and try again."
TOO_BIG = "The Hub does not take files as large as these. Choose a smaller base model, or send the adapter alone."
BAD_CARD = "The Hub does not accept the description in README.md. Correct it and try again."
STORAGE_ERRORS = "The Hub's storage did not take the model's files. Try again later."
UNREADABLE = "A file of the model could not be read. It may have been deleted meanwhile."

MALFORMED = (ValueError, KeyError, TypeError, AttributeError)
"""What the client raises where an answer is not what the Hub would say."""
FAILURES = (httpx2.HTTPError, httpx2.InvalidURL, GaveUp, RuntimeError, OSError, *MALFORMED)


class Step(Enum):
    """What is being asked of the Hub."""

    TOKEN = "token"  # noqa: S105 - no secret
    CREATE = "create"
    SEND = "send"


@dataclass(frozen=True)
class Asking:
    """`repo` is "user/name", `me` whose token it is; both "" while that is unknown."""

    step: Step
    repo: str = ""
    me: str = ""

    def owner(self) -> str:
        return self.repo.partition("/")[0]


@contextmanager
def told(asking: Asking) -> Iterator[None]:
    """Whatever goes wrong with the Hub or the model's files as a HubError. Its causes stay behind: they hold addresses with signatures."""
    try:
        yield
    except UserError:
        raise
    except FAILURES as error:
        inner = _inner(error)
        found = _sentence(inner, asking)
        if not found:
            raise inner from None
        raise HubError(f"{found}{_doubt(inner, asking)}") from None


def _inner(error: Exception) -> BaseException:
    """The client wraps what happens to a large file in a RuntimeError."""
    return error.__cause__ if type(error) is RuntimeError and error.__cause__ else error


def _doubt(error: BaseException, asking: Asking) -> str:
    """A repository may have been made although its answer was lost."""
    answered = error.status if isinstance(error, GaveUp) else error.response.status_code if isinstance(error, HfHubHTTPError) else None
    if asking.step is not Step.CREATE or (answered and answered < 500):
        return ""
    return f" An empty repository {asking.repo} may be left there. Trying again goes on with it."


def _sentence(error: BaseException, asking: Asking) -> str:
    """ "" for what is no failure of the Hub or the disk."""
    if isinstance(error, GaveUp):
        return _of_status(error.status, asking) if error.status else _of_connection(error.__cause__)
    if isinstance(error, HfHubHTTPError):
        return _of_answer(error, asking)
    if isinstance(error, httpx2.HTTPError):
        return _of_connection(error)
    if isinstance(error, OSError):
        return UNREADABLE
    if isinstance(error, ValueError) and str(error).startswith("Invalid metadata in README.md"):
        return BAD_CARD
    if isinstance(error, ValueError) and str(error).startswith("LFS batch API returned errors"):
        return STORAGE_ERRORS
    return NO_HUB if isinstance(error, (httpx2.InvalidURL, *MALFORMED)) else ""


def _of_connection(error: BaseException | None) -> str:
    if isinstance(error, httpx2.TimeoutException):
        return SLOW
    if isinstance(error, (httpx2.ConnectError, httpx2.ProxyError)):
        return UNREACHED
    return LOST if isinstance(error, httpx2.TransportError) and not isinstance(error, httpx2.UnsupportedProtocol) else NO_HUB


def _of_answer(error: HfHubHTTPError, asking: Asking) -> str:
    status, said = error.response.status_code, (error.server_message or "").lower()
    if error.response.request.method == "PUT" and status in (400, 401, 403, 404):
        return f"The Hub's storage did not take a file of the model ({status}). Try again."
    if error.response.headers.get("X-Error-Code") == "GatedRepo":
        return f"The Hub asks everyone to agree to terms before {asking.repo} can be used. Agree there, then try again."
    if status == 402 or (status == 403 and "storage" in said):
        return FULL
    return _of_status(status, asking)


def _of_status(status: int, asking: Asking) -> str:
    if status >= 500 or status == 408:
        return f"The Hub has a problem of its own now ({status}). Try again later."
    if status == 403 and asking.step is not Step.TOKEN and asking.owner() != asking.me:
        return f"You may not add models to {asking.owner()}. Become a member there who may write, or choose a name without it."
    if status == 404 and asking.step is not Step.TOKEN:
        return _of_missing(asking)
    known = {
        401: UNKNOWN_TOKEN,
        403: f"This token may not write on the Hub. On a Space, sign in again and allow it. Elsewhere make one with write access at {TOKENS}.",
        404: NO_HUB,
        409: "The Hub is still busy with another change of yours. Try again in a minute.",
        412: f"Somebody changed {asking.repo} meanwhile, so nothing was added. Choose another name.",
        413: TOO_BIG,
        429: BUSY,
    }
    if status == 400 and asking.step is Step.CREATE:
        return f"The Hub does not allow the name {asking.repo}. Choose another one."
    return known.get(status, f"The Hub refused this ({status}). Try again later.")


def _of_missing(asking: Asking) -> str:
    if asking.step is Step.CREATE:
        return f"The Hub knows nobody called {asking.owner()}. Check the name."
    return f"{asking.repo} is no longer on the Hub. It was deleted or renamed meanwhile. Try again."
