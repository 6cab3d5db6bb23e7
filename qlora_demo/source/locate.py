"""From a catalogue entry to a folder with its weights: the bundled model, this machine's cache, or the hub."""

from __future__ import annotations

import errno
from collections.abc import Sequence
from json import JSONDecodeError
from pathlib import Path

import httpx2
from huggingface_hub import constants
from huggingface_hub.errors import (
    GatedRepoError,
    HfHubHTTPError,
    LocalEntryNotFoundError,
    OfflineModeIsEnabled,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)

from qlora_demo.catalogue import BaseModel
from qlora_demo.errors import ModelError
from qlora_demo.progress import amount
from qlora_demo.run_dir import Home
from qlora_demo.settings import Settings
from qlora_demo.source.bundled import ensure_bundled
from qlora_demo.source.fetch import Fetch, Watch, unwatched
from qlora_demo.source.place import PATTERNS, TOKENIZER_PATTERNS, hub_folder, hub_tokenizer_folder


def locate(model: BaseModel, settings: Settings, watch: Watch = unwatched) -> Path:
    """The folder of `model`, fetched on first use; `watch` is called only while something is fetched.

    Raises ModelError with a sentence, and `fetch.Cancelled` where `watch` returned True. What came is kept: the next call goes on there.
    """
    if model.bundled():
        return ensure_bundled(Home(settings.home_dir()).models, settings.bundled_model, settings.offline, watch)
    return hub_folder(model) or _fetched(model, PATTERNS, settings, watch)


def locate_tokenizer(model: BaseModel, settings: Settings) -> Path:
    """A folder with the tokenizer of `model`: of a model of the hub only its small files are fetched. Raises ModelError."""
    if model.bundled():
        return locate(model, settings)
    return hub_tokenizer_folder(model) or _fetched(model, TOKENIZER_PATTERNS, settings, unwatched)


def _fetched(model: BaseModel, patterns: Sequence[str], settings: Settings, watch: Watch) -> Path:
    if settings.offline:
        raise ModelError(_offline(model))
    fetch = Fetch(model, patterns)
    try:
        return fetch.run(watch)
    except OfflineModeIsEnabled as error:
        raise ModelError(_offline(model)) from error
    except HfHubHTTPError as error:
        raise ModelError(_refused(model, error)) from error
    except (httpx2.HTTPError, LocalEntryNotFoundError, JSONDecodeError) as error:  # no json: a login page of the network
        raise ModelError(_lost(model, fetch)) from error
    except OSError as error:
        raise ModelError(_disk(model, error)) from error


def _offline(model: BaseModel) -> str:
    return f"{model.name} is not on this disk, and this app is set to ask nobody for it. Choose the bundled model, or fetch it once with internet."


def _refused(model: BaseModel, error: HfHubHTTPError) -> str:
    status = error.response.status_code
    if isinstance(error, GatedRepoError):
        return f"{model.name} asks for its terms to be accepted first. Choose another model."
    if isinstance(error, RepositoryNotFoundError):
        return f"{model.name} is no longer on the model hub. Choose another model."
    if isinstance(error, RevisionNotFoundError):
        return f"The version of {model.name} that this release knows is no longer on the model hub. Choose another model."
    if status == 429:
        return f"The model hub has too many requests from here now. What came of {model.name} is kept; try again in a few minutes."
    return f"The model hub answered with an error ({status}) while {model.name} was fetched. What came is kept; try again later."


def _lost(model: BaseModel, fetch: Fetch) -> str:
    if fetch.total() == 0:
        return f"{model.name} is not on this disk and the model hub cannot be reached. Choose the bundled model."
    here = amount(fetch.done(), fetch.total())
    return f"The connection to the model hub was lost after {here}. What came is kept; try again and it goes on there."


def _disk(model: BaseModel, error: OSError) -> str:
    if error.errno == errno.ENOSPC:
        place = constants.HF_HUB_CACHE
        return f"The disk is full: {model.name} has no room in {place}. Free some, or set HF_HOME to another disk. What came is kept."
    return f"{model.name} could not be saved in {constants.HF_HUB_CACHE} ({error.strerror or error}). Check that disk."
