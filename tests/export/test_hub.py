"""The Hub's real client against a Hub on this machine: a model arrives whole or not at all, and the token is kept nowhere."""

from __future__ import annotations

import hashlib
import os
import random
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from fake_model_hub import ME, ORGANISATION, TOKEN, FakeModelHub, Fault, Repo

from qlora_demo.errors import HubError
from qlora_demo.export import hub_words as words
from qlora_demo.export.hub import NOTHING, model_files
from qlora_demo.export.hub_words import Asking, Step, told
from qlora_demo.pipes import Child, child_environ

NAME = "kundinnen"
REPO = f"{ME}/{NAME}"
ASKED = {"name": NAME, "private": True, "token": TOKEN, "patience": 0, "silence": 10, "stop_at": 2}
LEFT = f"An empty private repository {REPO} is left on the Hub. Trying again goes on with it."
MAYBE = f"An empty repository {REPO} may be left there. Trying again goes on with it."
CONFLICT = "Cannot create repo: another conflicting operation is in progress"
BEGIN = ["whoami", "create", "info", "yaml", "preupload", "batch"]
PARTS = ["part", "part", "part", "complete", "verify"]
SENDS = [*BEGIN, *PARTS, "put", "verify", "commit"]

Push = Callable[..., dict[str, Any]]


def content(seed: int, size: int) -> bytes:
    return random.Random(seed).randbytes(size)


MODEL = {
    "adapter_model.safetensors": content(1, 2_500_000),
    "tokenizer.model": content(2, 5_000),
    "adapter_config.json": b'{"peft_type": "LORA"}',
    "chat_template.jinja": "{{ 'Grüße' }}".encode(),
    "merges.txt": b"a b\n",
    "README.md": b"---\nlicense: apache-2.0\n---\n# A model\n",
    "Modelfile": b"FROM x",
    "LICENSE": b"Apache",
}
NO_MODEL = {
    "optimizer.pt": b"1",
    "optimizer.json": b"1",
    "scheduler.txt": b"1",
    "Scheduler.pt": b"1",
    "training_args.bin": b"1",
    "training_args.json": b"1",
    "trainer_state.json": b"1",
    "rng_state_0.pth": b"1",
    "rng_state.json": b"1",
    "pytorch_model.bin": b"1",
    "weights.pt": b"1",
    "events.jsonl": b"1",
    "worker.log": b"1",
    ".token.json": b"1",
    ".gitattributes": b"1",
    ".env": b"1",
    "data/rows.json": b"1",
    "checkpoints/step-5/model.safetensors": b"1",
}


@pytest.fixture(scope="module")
def running() -> Iterator[FakeModelHub]:
    with FakeModelHub() as made:
        yield made


@pytest.fixture
def hub(running: FakeModelHub) -> FakeModelHub:
    running.reset()
    return running


def environment(home: Path, **environ: str) -> dict[str, str]:
    """As a worker has it, with a home folder of its own."""
    home.mkdir(parents=True, exist_ok=True)
    kept = {name: value for name, value in child_environ(os.environ).items() if not name.startswith(("HF_", "QLORA_DEMO_")) or "DISABLE" in name}
    paths = os.pathsep.join([kept["PYTHONPATH"], str(Path(__file__).parent)])
    return {**kept, "PYTHONPATH": paths, "HOME": str(home), "HF_HOME": str(home / "hf"), "XDG_CACHE_HOME": str(home / "cache"), **environ}


@pytest.fixture(scope="module")
def places(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the child's home and its log are."""
    return tmp_path_factory.mktemp("pushing")


@pytest.fixture(scope="module")
def child(running: FakeModelHub, places: Path) -> Iterator[Child]:
    made = Child("pushing_child", environment(places / "home", HF_ENDPOINT=running.url), places / "log")
    yield made
    made.close()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "adapter"
    for name, data in {**MODEL, **NO_MODEL}.items():
        (made / name).parent.mkdir(parents=True, exist_ok=True)
        (made / name).write_bytes(data)
    (tmp_path / "outside.json").write_bytes(b"secret")
    (made / "link.json").symlink_to(tmp_path / "outside.json")
    (made / "link.safetensors").symlink_to(made / "adapter_model.safetensors")
    return made


@pytest.fixture
def push(child: Child, folder: Path) -> Push:
    def pushed(**asked: Any) -> dict[str, Any]:
        (reply,) = child.ask({"folder": str(folder), **ASKED, **asked})
        return reply

    return pushed


def sums(files: dict[str, bytes]) -> dict[str, str]:
    return {name: hashlib.sha256(data).hexdigest() for name, data in files.items()}


def whole(hub: FakeModelHub, repo: str = REPO) -> bool:
    """The repository has exactly the model, by one commit."""
    made = hub.repos[repo]
    return made.added() == sums(MODEL) and len(made.commits) == 2


def patience_with(fault: Fault) -> float:
    """Seconds of silence: few where silence is what happens."""
    return 1 if fault.silent else 20


def untouched(repo: Repo) -> bool:
    return len(repo.commits) == 1


def test_a_model_arrives_whole_private_and_by_one_commit(hub: FakeModelHub, push: Push, places: Path) -> None:
    reply = push()
    assert whole(hub) and hub.repos[REPO].private
    assert (reply["url"], reply["commit"]) == (f"{hub.url}/{REPO}", hub.repos[REPO].commits[-1])
    assert reply["bytes"] == sum(map(len, MODEL.values()))
    assert hub.steps() == SENDS and hub.problems == []
    assert (places / "log").read_bytes() == b""


def test_progress_is_told_as_bytes_go(hub: FakeModelHub, push: Push) -> None:
    shares = push()["shares"]
    assert shares == sorted(shares) and shares[-1] == 1 and shares.count(1) == 1
    assert len([share for share in shares if share < 0.5]) > 5


@pytest.mark.parametrize("name", [REPO, f" {NAME}\n"])
def test_a_name_without_a_user_is_of_whoevers_token_it_is(hub: FakeModelHub, push: Push, name: str) -> None:
    assert push(name=name)["url"] == f"{hub.url}/{REPO}"
    assert whole(hub) and hub.problems == []


def test_public_only_where_asked(hub: FakeModelHub, push: Push) -> None:
    push(private=False)
    assert whole(hub) and not hub.repos[REPO].private


def test_a_large_file_is_not_read_into_memory(hub: FakeModelHub, push: Push, child: Child, tmp_path: Path) -> None:
    process, size = psutil.Process(child.pid), 60_000_000
    push()  # everything is loaded
    before, taken = process.memory_info().rss, []
    hub.during = lambda step: taken.append(process.memory_info().rss - before)
    (tmp_path / "large").mkdir()
    with (tmp_path / "large" / "model.gguf").open("wb") as file:
        file.truncate(size)
    assert "url" in push(folder=str(tmp_path / "large"), name="large", silence=60)
    assert hub.repos[f"{ME}/large"].added().keys() == {"model.gguf"} and hub.problems == []
    assert len(taken) > 60 and max(taken) < size / 2


def test_a_folder_without_a_model_asks_nobody(hub: FakeModelHub, push: Push, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty" / "config.json").write_text("{}")
    assert push(folder=str(tmp_path / "empty"))["sentence"] == push(folder=str(tmp_path / "gone"))["sentence"] == NOTHING
    assert hub.requests == []


def test_only_files_of_a_model_are_chosen(folder: Path) -> None:
    assert {path.name for path in model_files(folder)} == set(MODEL)


@pytest.mark.parametrize("token", ["", "  ", f"{TOKEN}\nx: y", f"{TOKEN} {TOKEN}", "schlüssel", "\x00", "x" * 10_000])
def test_what_is_no_token_is_never_sent_and_never_told(hub: FakeModelHub, push: Push, token: str) -> None:
    reply = push(token=token)
    assert reply["sentence"] == words.NO_TOKEN and TOKEN not in str(reply)
    assert hub.requests == []


def test_a_full_repository_of_that_name_is_untouched(hub: FakeModelHub, push: Push) -> None:
    before = hub.add_repo(REPO, False, **{"old.txt": "x"})
    assert push()["sentence"] == f"You already have a repository called {NAME} with files in it. Choose another name."
    assert untouched(before) and before.added() == {"old.txt": "x"}
    assert hub.steps() == ["whoami", "create", "info"] and hub.problems == []


def test_an_empty_repository_of_that_name_is_filled(hub: FakeModelHub, push: Push) -> None:
    hub.add_repo(REPO)
    assert push()["url"] == f"{hub.url}/{REPO}"
    assert whole(hub) and hub.problems == []


@pytest.mark.parametrize(("private", "state"), [(True, "public"), (False, "private")])
def test_a_repository_that_others_may_read_is_not_taken_for_a_private_one(hub: FakeModelHub, push: Push, private: bool, state: str) -> None:
    before = hub.add_repo(REPO, not private)
    assert push(private=private)["sentence"] == (
        f"The repository {NAME} on the Hub is {state}, which you did not ask for. Choose another name, or delete it there."
    )
    assert untouched(before) and hub.repos[REPO] is before


def test_an_empty_repository_that_was_there_stays_after_a_failure(hub: FakeModelHub, push: Push) -> None:
    before = hub.add_repo(REPO)
    hub.faults["part"] = Fault(500)
    assert push()["sentence"] == f"The Hub has a problem of its own now (500). Try again later. {LEFT}"
    assert untouched(before) and hub.repos[REPO] is before


PROBLEM = "The Hub has a problem of its own now (500). Try again later."
MAY_NOT = "This token may not write on the Hub. On a Space, sign in again and allow it. Elsewhere make one with write access at " + words.TOKENS + "."
TOKEN_FAULTS = {
    "unknown": (Fault(401, message="Invalid credentials in Authorization header"), words.UNKNOWN_TOKEN),
    "not-allowed": (Fault(403), MAY_NOT),
    "missing": (Fault(404), words.NO_HUB),
    "too-many": (Fault(429), words.BUSY),
    "broken": (Fault(500), PROBLEM),
    "away": (Fault(503), PROBLEM.replace("500", "503")),
    "strange": (Fault(418), "The Hub refused this (418). Try again later."),
    "cut": (Fault(after=0), words.LOST),
    "silent": (Fault(silent=True), words.SLOW),
    "a-networks-login": (Fault(200, body=b"<html>Welcome</html>"), words.NO_HUB),
    "another-server": (Fault(200, body=b"[1]"), words.NO_HUB),
    "nameless": (Fault(200, body=b"{}"), words.NO_HUB),
}


@pytest.mark.parametrize("case", TOKEN_FAULTS)
def test_a_token_that_cannot_be_checked_is_a_sentence(hub: FakeModelHub, push: Push, case: str) -> None:
    fault, sentence = TOKEN_FAULTS[case]
    hub.faults["whoami"] = fault
    assert push(silence=patience_with(fault))["sentence"] == sentence
    assert hub.steps() == ["whoami"] and hub.repos == {}


def test_a_token_that_may_only_read_makes_nothing(hub: FakeModelHub, push: Push) -> None:
    hub.role = "read"
    assert push()["sentence"] == words.READ_ONLY
    assert hub.steps() == ["whoami"]


CREATE_FAULTS = {
    "expired": (Fault(401), words.UNKNOWN_TOKEN),
    "read-only": (Fault(403, message="You don't have the rights"), MAY_NOT),
    "gated": (Fault(403, code="GatedRepo"), f"The Hub asks everyone to agree to terms before {REPO} can be used. Agree there, then try again."),
    "no-storage": (Fault(403, message="Private repository storage limit reached"), words.FULL),
    "unpaid": (Fault(402), words.FULL),
    "name": (Fault(400, message="Invalid name"), f"The Hub does not allow the name {REPO}. Choose another one."),
    "nobody": (Fault(404), f"The Hub knows nobody called {ME}. Check the name."),
    "too-many": (Fault(429, headers={"Retry-After": "3600"}), words.BUSY),
    "broken": (Fault(500), f"{PROBLEM} {MAYBE}"),
    "cut": (Fault(after=10), f"{words.LOST} {MAYBE}"),
    "silent": (Fault(silent=True), f"{words.SLOW} {MAYBE}"),
    "in-conflict": (Fault(409, message=CONFLICT), "The Hub is still busy with another change of yours. Try again in a minute."),
}


@pytest.mark.parametrize("case", CREATE_FAULTS)
def test_a_repository_that_cannot_be_made_is_a_sentence(hub: FakeModelHub, push: Push, case: str) -> None:
    fault, sentence = CREATE_FAULTS[case]
    hub.faults["create"] = fault
    assert push(silence=patience_with(fault))["sentence"] == sentence
    assert hub.steps() == ["whoami", "create"] and hub.repos == {} and hub.problems == []


def test_somebody_elses_name_is_a_sentence(hub: FakeModelHub, push: Push) -> None:
    assert push(name=f"{ORGANISATION}/x")["sentence"] == (
        f"You may not add models to {ORGANISATION}. Become a member there who may write, or choose a name without it."
    )


OPEN = "The Hub made the repository public, which you did not ask for. Choose a public one, or a name under another account."
SEND_FAULTS = {
    "made-in-the-open": ("info", Fault(200, body=b'{"id": "x", "private": false}', times=1), OPEN),
    "card": ("yaml", Fault(400, body=b'{"errors": [{"message": "bad"}]}'), words.BAD_CARD),
    "expired": ("preupload", Fault(401), words.UNKNOWN_TOKEN),
    "read-only": ("preupload", Fault(403), MAY_NOT),
    "gone": ("preupload", Fault(404, code="RepoNotFound"), f"{REPO} is no longer on the Hub. It was deleted or renamed meanwhile. Try again."),
    "broken": ("preupload", Fault(502), PROBLEM.replace("500", "502")),
    "no-list": ("preupload", Fault(200, body=b"{}"), words.NO_HUB),
    "silent": ("preupload", Fault(silent=True), words.SLOW),
    "too-large": ("batch", Fault(413), words.TOO_BIG),
    "no-storage": ("batch", Fault(403, message="Private repository storage limit reached"), words.FULL),
    "not-taken": ("batch", Fault(200, body=b'{"objects": [{"oid": "0", "size": 1, "error": {"code": 422, "message": "no"}}]}'), words.STORAGE_ERRORS),
    "too-many": ("batch", Fault(429, headers={"RateLimit": '"api";r=0;t=3000'}), words.BUSY),
    "part-refused": ("part", Fault(403), "The Hub's storage did not take a file of the model (403). Try again."),
    "part-broken": ("part", Fault(500), PROBLEM),
    "part-cut": ("part", Fault(after=400_000), words.LOST),
    "part-silent": ("part", Fault(after=400_000, silent=True), words.SLOW),
    "parts-lost": ("complete", Fault(504), PROBLEM.replace("500", "504")),
    "not-verified": ("verify", Fault(404), f"{REPO} is no longer on the Hub. It was deleted or renamed meanwhile. Try again."),
    "file-broken": ("put", Fault(503), PROBLEM.replace("500", "503")),
    "file-cut": ("put", Fault(after=2_000), words.LOST),
    "commit-expired": ("commit", Fault(401), words.UNKNOWN_TOKEN),
    "commit-refused": ("commit", Fault(400, message="bad"), "The Hub refused this (400). Try again later."),
    "commit-too-large": ("commit", Fault(413), words.TOO_BIG),
    "commit-too-many": ("commit", Fault(429), words.BUSY),
    "commit-broken": ("commit", Fault(500), PROBLEM),
    "commit-cut": ("commit", Fault(after=100), words.LOST),
    "commit-silent": ("commit", Fault(after=100, silent=True), words.SLOW),
}


@pytest.mark.parametrize("case", SEND_FAULTS)
def test_a_failure_while_sending_is_a_sentence_and_leaves_nothing(hub: FakeModelHub, push: Push, case: str) -> None:
    step, fault, sentence = SEND_FAULTS[case]
    hub.faults[step] = fault
    reply = push(silence=patience_with(fault))
    assert reply["sentence"] == sentence and reply["error"] == "HubError"
    assert hub.repos == {}
    assert hub.steps()[-2:] == ["info", "delete"] and hub.problems == []


NOT_DELETED = {"403": Fault(403), "401": Fault(401), "500": Fault(500), "cut": Fault(after=0), "silent": Fault(silent=True)}


@pytest.mark.parametrize("case", NOT_DELETED)
def test_a_repository_that_cannot_be_deleted_is_told_and_the_next_try_goes_on_with_it(hub: FakeModelHub, push: Push, case: str) -> None:
    hub.faults = {"part": Fault(500), "delete": NOT_DELETED[case]}
    assert push(silence=patience_with(NOT_DELETED[case]))["sentence"] == f"{PROBLEM} {LEFT}"
    assert hub.repos[REPO].added() == {} and hub.repos[REPO].private
    hub.faults = {}
    assert "url" in push() and whole(hub) and hub.problems == []


def test_a_token_that_ends_meanwhile_leaves_an_empty_repository_and_says_so(hub: FakeModelHub, push: Push) -> None:
    ended = Fault(401, message="Invalid credentials in Authorization header")
    hub.during = lambda step: hub.faults.update(commit=ended, info=ended, delete=ended) if step == "verify" else None
    reply = push()
    assert reply["sentence"] == f"{words.UNKNOWN_TOKEN} Whether the model arrived is not known. Look at {hub.url}/{REPO} before you try again."
    hub.reset()
    hub.during = lambda step: hub.faults.update(batch=ended, info=ended, delete=ended) if step == "yaml" else None
    assert push()["sentence"] == f"{words.UNKNOWN_TOKEN} {LEFT}"
    assert hub.repos[REPO].added() == {}


def test_a_commit_whose_answer_is_lost_counts(hub: FakeModelHub, push: Push) -> None:
    hub.faults["commit"] = Fault(late=True)
    reply = push()
    assert reply["commit"] == hub.repos[REPO].commits[-1] and reply["shares"][-1] == 1
    assert whole(hub) and "delete" not in hub.steps()


def test_a_repository_whose_answer_is_lost_is_filled_by_the_next_try(hub: FakeModelHub, push: Push) -> None:
    hub.faults["create"] = Fault(late=True, times=1)
    assert push()["sentence"] == f"{words.LOST} {MAYBE}"
    assert hub.repos[REPO].added() == {} and hub.repos[REPO].private
    assert "url" in push() and whole(hub)


def test_what_somebody_else_put_there_meanwhile_stays(hub: FakeModelHub, push: Push) -> None:
    def write(step: str) -> None:
        if step == "verify" and len(hub.repos[REPO].commits) == 1:
            hub.repos[REPO].files["theirs.txt"] = "x"
            hub.repos[REPO].commits.append(hub.new_commit())

    hub.during = write
    assert push()["sentence"] == f"Somebody changed {REPO} meanwhile, so nothing was added. Choose another name."
    assert hub.repos[REPO].added() == {"theirs.txt": "x"} and "delete" not in hub.steps()


def test_a_repository_that_is_deleted_meanwhile_is_not_said_to_be_left(hub: FakeModelHub, push: Push) -> None:
    hub.during = lambda step: hub.repos.clear() if step == "verify" else None
    assert push()["sentence"] == f"{REPO} is no longer on the Hub. It was deleted or renamed meanwhile. Try again."
    assert hub.repos == {}


@pytest.mark.parametrize(
    ("step", "fault"),
    [
        ("part", Fault(503, times=1)),
        ("part", Fault(after=300_000, times=1)),
        ("put", Fault(after=100, times=1)),
        ("batch", Fault(500, times=1)),
        ("create", Fault(409, message=CONFLICT, times=1)),
    ],
    ids=["a-busy-storage", "a-cut-in-a-part", "a-cut-in-a-file", "a-broken-hub", "another-change"],
)
def test_a_passing_failure_passes(hub: FakeModelHub, push: Push, step: str, fault: Fault) -> None:
    hub.faults[step] = fault
    reply = push(patience=20)
    assert "url" in reply and whole(hub) and hub.problems == []
    assert reply["shares"] == sorted(reply["shares"])
    assert hub.steps().count(step) == SENDS.count(step) + 1


@pytest.mark.parametrize("step", ["whoami", "info", "preupload", "part", "commit"])
def test_a_dead_hub_is_given_up_soon(hub: FakeModelHub, push: Push, step: str) -> None:
    """With the limits as they are instead of these seconds: after some minutes."""
    hub.during = lambda now: hub.faults.update({name: Fault(after=0, silent=True) for name in SENDS}) if now == step else None
    began = time.monotonic()
    assert push(silence=1, patience=0.5)["sentence"].startswith(words.SLOW)
    assert time.monotonic() - began < 10


@pytest.mark.parametrize("headers", [{"Retry-After": "3600"}, {"Retry-After": "Wed, 21 Oct 2099 07:28:00 GMT"}])
def test_nobody_waits_for_as_long_as_the_hub_likes(hub: FakeModelHub, push: Push, headers: dict[str, str]) -> None:
    hub.faults["batch"] = Fault(503, headers=headers)
    began = time.monotonic()
    assert push(patience=20)["sentence"] == PROBLEM.replace("500", "503")
    assert time.monotonic() - began < 5


@pytest.mark.parametrize("stop_at", [0.01, 0.6])
def test_whoever_ends_it_leaves_nothing(hub: FakeModelHub, push: Push, stop_at: float) -> None:
    assert push(stop_at=stop_at)["error"] == "Enough"
    assert hub.repos == {} and "commit" not in hub.steps()


def test_the_token_is_written_nowhere(hub: FakeModelHub, push: Push, child: Child, places: Path) -> None:
    """Not by success, not by any failure, not even where the Hub says it back."""
    seen: list[bytes] = []

    def look(step: str) -> None:
        process = Path(f"/proc/{child.pid}")
        if process.exists():
            seen.extend((process / name).read_bytes() for name in ("cmdline", "environ"))

    hub.during = look
    said = [str(push())]
    back = Fault(400, message=f"no {TOKEN}", headers={"X-HF-Warning": f"x; {TOKEN}"})
    for step in ("whoami", "create", "info", "yaml", "preupload", "batch", "part", "commit"):
        for fault in (back, Fault(401, message=TOKEN), Fault(500, message=TOKEN), Fault(200, body=TOKEN.encode()), Fault(after=1)):
            hub.repos, hub.faults = {}, {step: fault}
            said.append(str(push()))
    assert len(said) == 41 and len(seen) > 0 or not Path("/proc").exists()
    files = [path for path in places.rglob("*") if path.is_file()]
    written = [*seen, *(path.read_bytes() for path in files), *(text.encode() for text in said)]
    assert places / "log" in files and [text for text in written if TOKEN.encode() in text] == []
    assert (places / "log").read_bytes() == b""


def elsewhere(tmp_path: Path, folder: Path, environ: dict[str, str]) -> subprocess.Popen[str]:
    """Another child, which pushes one model."""
    code = (
        "import sys\nfrom pathlib import Path\nfrom qlora_demo.errors import HubError\nfrom qlora_demo.export.hub import Repository, push\n"
        "try:\n    push(Path(sys.argv[1]), Repository('x'), sys.stdin.read(), print)\nexcept HubError as error:\n    print(error)"
    )
    command = [sys.executable, "-c", code, str(folder)]
    made = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment(tmp_path / "home", **environ)
    )
    assert made.stdin is not None
    made.stdin.write(TOKEN)
    made.stdin.close()
    made.stdin = None  # else `communicate` would close it again
    return made


def test_where_there_is_no_hub_it_is_told_at_once(hub: FakeModelHub, tmp_path: Path, folder: Path) -> None:
    offline = "This app works offline ({} is set), so nothing can be sent to the Hub. Start it without that to send a model."
    cases = [
        ({"HF_ENDPOINT": "http://127.0.0.1:9"}, words.UNREACHED),
        ({"HF_ENDPOINT": "http://hub.invalid"}, words.UNREACHED),
        ({"HF_ENDPOINT": "ftp://hub"}, words.NO_HUB),
        ({"HF_ENDPOINT": hub.url, "QLORA_DEMO_OFFLINE": "1"}, offline.format("QLORA_DEMO_OFFLINE")),
        ({"HF_ENDPOINT": hub.url, "HF_HUB_OFFLINE": "1"}, offline.format("HF_HUB_OFFLINE")),
    ]
    children = [elsewhere(tmp_path, folder, environ) for environ, _ in cases]
    assert [child.communicate(timeout=60)[0].strip() for child in children] == [sentence for _, sentence in cases]
    assert hub.requests == []


def test_a_file_that_cannot_be_read_is_a_sentence() -> None:
    with pytest.raises(HubError, match=words.UNREADABLE), told(Asking(Step.SEND, REPO, ME)):
        raise FileNotFoundError


def test_what_is_no_failure_of_the_hub_is_raised_as_it_is() -> None:
    with pytest.raises(ZeroDivisionError), told(Asking(Step.SEND, REPO, ME)):
        try:
            raise ZeroDivisionError
        except ZeroDivisionError as error:
            raise RuntimeError("Error while uploading") from error
