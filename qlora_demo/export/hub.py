"""A finished model as a repository on the Hub: private, and whole or not there. To be called in a child process with `pipes.child_environ`.

One commit adds all files, so that whoever looks finds an empty repository or the whole model. The token is an argument and nothing else: it goes into
the requests' headers, never to huggingface_hub's own store, the environment, a file or a message.

Large files go by the Hub's HTTP storage, not by Xet (`hf_xet`, which comes with the client). Xet saves what the Hub has already, and a model that was
just trained is new to it. It keeps a cache and logs of its own in the home, tries again for as long as it likes, tells progress only to a bar of its
own, and fails on a mirror that has none. The client takes HTTP where it is given open files, and reads those piece by piece.
"""

from __future__ import annotations

import os
import re
import warnings
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from pathlib import Path

from huggingface_hub import CommitOperationAdd, HfApi, constants
from huggingface_hub.errors import HfHubHTTPError
from huggingface_hub.hf_api import ModelInfo
from huggingface_hub.utils import disable_progress_bars, logging

from qlora_demo import __version__
from qlora_demo.errors import HubError
from qlora_demo.export import hub_session
from qlora_demo.export.hub_names import Repository
from qlora_demo.export.hub_session import CountedFile, Progress, Session
from qlora_demo.export.hub_words import FAILURES, NO_TOKEN, READ_ONLY, Asking, Step, told
from qlora_demo.settings import Settings

WEIGHTS = ("*.safetensors", "*.gguf")
WANTED = (*WEIGHTS, "*.json", "*.jinja", "*.txt", "*.model", "readme.md", "modelfile", "license")
"""Files that belong to a model, in small letters. All else stays here, and so does what is named like one of these: how it was trained."""
UNWANTED = (".*", "optimizer*", "scheduler*", "training_args*", "trainer_state*", "rng_state*")
OWN_FILES = frozenset((".gitattributes",))
"""What the Hub puts into a repository that is new."""
MESSAGE, CARD = "Add the model", "README.md"
TIDYING_SECONDS = 15.0
"""How long one answer is waited for when it has failed already."""
NOTHING = "There is no model in this folder, so nothing was sent."
_TOKEN = re.compile(r"[A-Za-z0-9_.~+/=-]{1,8192}")
"""What may stand in a header; the client would tell anything else, token and all, in its error."""


@dataclass(frozen=True)
class Pushed:
    """`url` is the repository's page, `commit` the id of the commit that added all, `bytes` what its files have together."""

    url: str
    commit: str
    bytes: int


@dataclass(frozen=True)
class _Place:
    """A repository that a model goes to. `created` is whether this push made it, `empty` whether it was found so; `head` is its last commit then."""

    api: HfApi
    asking: Asking
    private: bool
    created: bool
    empty: bool = False
    head: str | None = None

    def url(self) -> str:
        return f"{constants.ENDPOINT}/{self.asking.repo}"

    def info(self, seconds: float) -> ModelInfo:
        return self.api.model_info(self.asking.repo, timeout=seconds)


def push(folder: Path, repository: Repository, token: str, tell: Callable[[float], None], card: Callable[[str], str] | None = None) -> Pushed:
    """Sends the model in `folder` to a new repository, or to one that is empty. `tell` is given the share of the bytes that are sent, 0 to 1.
    `card` writes README.md for the repository's whole name, in the place of the folder's own.

    Raises HubError, after which nothing of the model is on the Hub: the repository is gone again, or the sentence says that it is left empty.
    """
    _refuse_offline()
    token = token.strip()
    if not _TOKEN.fullmatch(token):
        raise HubError(NO_TOKEN)
    paths = model_files(folder)
    size = sum(path.stat().st_size for path in paths)
    _be_quiet()
    api = HfApi(token=token, library_name="qlora-demo", library_version=__version__)
    with hub_session.session(hub_session.SILENCE_SECONDS) as session:
        place = _made(api, repository)
        try:
            place = _checked(place, repository)
            commit = _commit(place, paths, tell, card)
        except BaseException as error:
            commit = _tidied(place, paths, session, error)
    tell(1.0)
    return Pushed(place.url(), commit, size)


def model_files(folder: Path) -> list[Path]:
    """The files of `folder` that belong to a model. Folders in it and links are left out. Raises HubError where there is no model."""
    try:
        found = sorted(Path(entry.path) for entry in os.scandir(folder) if entry.is_file(follow_symlinks=False) and _wanted(entry.name))
    except OSError as error:
        raise HubError(NOTHING) from error
    if not any(_like(path.name, WEIGHTS) for path in found):
        raise HubError(NOTHING)
    return found


def _wanted(name: str) -> bool:
    return _like(name, WANTED) and not _like(name, UNWANTED)


def _like(name: str, patterns: Sequence[str]) -> bool:
    return any(fnmatchcase(name.lower(), pattern) for pattern in patterns)


def _refuse_offline() -> None:
    ours = Settings.from_env(os.environ).offline
    if ours or constants.HF_HUB_OFFLINE:
        name = "QLORA_DEMO_OFFLINE" if ours else "HF_HUB_OFFLINE"
        raise HubError(f"This app works offline ({name} is set), so nothing can be sent to the Hub. Start it without that to send a model.")


def _be_quiet() -> None:
    """The client logs addresses with signatures, and draws bars."""
    disable_progress_bars()
    logging.set_verbosity(logging.CRITICAL)
    warnings.filterwarnings("ignore", module=r"huggingface_hub\b|httpx2\b")


def _made(api: HfApi, repository: Repository) -> _Place:
    """A new repository, or the one that has this name already."""
    me = _me(api)
    asking = Asking(Step.CREATE, repository.of(me), me)
    with told(asking):
        created = _create(api, asking.repo, repository.private)
    return _Place(api, replace(asking, step=Step.SEND), repository.private, created)


def _me(api: HfApi) -> str:
    """The name of the token's owner."""
    with told(Asking(Step.TOKEN)):
        who = api.whoami()
        role = who.get("auth", {}).get("accessToken", {}).get("role")
        name = Repository(who["name"]).name
    if role == "read":
        raise HubError(READ_ONLY)
    return name


def _create(api: HfApi, repo: str, private: bool) -> bool:
    """Whether it is new; False where there is one of this name."""
    try:
        api.create_repo(repo, private=private, exist_ok=False)
    except HfHubHTTPError as error:
        if error.response.status_code == 409:
            return False
        raise
    return True


def _checked(place: _Place, repository: Repository) -> _Place:
    """The same, found empty and as private as it was asked for."""
    with told(place.asking):
        info = place.info(hub_session.SILENCE_SECONDS)
        added = _added(info)
    if added:
        raise HubError(f"You already have a repository called {repository.name} with files in it. Choose another name.")
    if info.private is not repository.private:
        state = "private" if info.private else "public"
        if place.created:
            raise HubError(f"The Hub made the repository {state}, which you did not ask for. Choose a {state} one, or a name under another account.")
        raise HubError(f"The repository {repository.name} on the Hub is {state}, which you did not ask for. Choose another name, or delete it there.")
    return replace(place, empty=True, head=info.sha)


def _added(info: ModelInfo) -> set[str]:
    """Names of files that somebody put there."""
    return {file.rfilename for file in info.siblings or ()} - OWN_FILES


def _commit(place: _Place, paths: Sequence[Path], tell: Callable[[float], None], card: Callable[[str], str] | None) -> str:
    """Sends all files and adds them by one commit, whose id is returned. It counts only where nobody changed the repository meanwhile."""
    with told(place.asking), ExitStack() as opened:
        progress = Progress(sum(path.stat().st_size for path in paths), tell)
        files = [opened.enter_context(CountedFile(path, progress)) for path in paths]
        additions = [CommitOperationAdd(path.name, file) for path, file in zip(paths, files, strict=True)]
        if card is not None:
            own = CommitOperationAdd(CARD, card(place.asking.repo).encode())
            additions = [own, *(addition for addition in additions if addition.path_in_repo != CARD)]
        progress.begin()
        # One file at a time: where one fails, nobody waits until the others have been sent for nothing.
        made = place.api.create_commit(place.asking.repo, additions, commit_message=MESSAGE, parent_commit=place.head, num_threads=1)
        return made.oid


def _tidied(place: _Place, paths: Sequence[Path], session: Session, error: BaseException) -> str:
    """After a failure: the id of a commit that arrived although its answer was lost. Else raises `error`, with what is left on the Hub."""
    if not place.created and not place.empty:
        raise error  # it was there before, and nothing was done to it
    with hub_session.session(TIDYING_SECONDS):
        try:
            info = place.info(TIDYING_SECONDS)
            added = _added(info)
        except FAILURES as failure:
            gone = isinstance(failure, HfHubHTTPError) and failure.response.status_code == 404
            note = "" if gone else _unknown(place) if session.commit_sent else _left(place)
        else:
            if session.commit_sent and {path.name for path in paths} <= added:
                return str(info.sha)
            note = "" if added else _withdrawn(place)
    if isinstance(error, HubError) and note:
        raise HubError(f"{error} {note}") from None
    raise error


def _withdrawn(place: _Place) -> str:
    """Deletes the empty repository, if this push made it. What is to be said about that, "" for nothing."""
    if not place.created:
        return _left(place)
    try:
        place.api.delete_repo(place.asking.repo, missing_ok=True)
    except FAILURES:
        return _left(place)
    return ""


def _left(place: _Place) -> str:
    return f"An empty {'private ' if place.private else ''}repository {place.asking.repo} is left on the Hub. Trying again goes on with it."


def _unknown(place: _Place) -> str:
    return f"Whether the model arrived is not known. Look at {place.url()} before you try again."
