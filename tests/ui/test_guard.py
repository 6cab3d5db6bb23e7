"""Every event is told whose it is; a UserError becomes text beside its control; anything else is a bug and is not caught."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gradio as gr
import pytest
from gradio.helpers import special_args
from starlette.requests import Request

from qlora_demo.errors import BusyError, DataError
from qlora_demo.owners import HOST, LOCAL, UNKNOWN_KEY, of_key
from qlora_demo.settings import Settings
from qlora_demo.studio import Studio
from qlora_demo.ui.guard import Edited, Guard, Visit, login

NO_LOGIN = gr.Request(username=None)
PROFILE = {"sub": "42", "name": "Ann", "preferred_username": "ann", "profile": "", "picture": ""}


def fail(*_: object) -> dict:
    raise DataError("Line 3 has <5> values.")


@pytest.fixture
def places() -> Iterator[tuple[gr.HTML, gr.HTML, gr.Button]]:
    with gr.Blocks():
        yield gr.HTML(""), gr.HTML(""), gr.Button("x")


def guard(tmp_path: Path, **settings: Any) -> Guard:
    return Guard(Studio(Settings(home=str(tmp_path), device="cpu", offline=True, **settings)), gr.BrowserState(""))


def test_the_sentence_is_shown_in_its_place(tmp_path: Path, places: tuple) -> None:
    place, _, button = places
    answered = guard(tmp_path).on(button.click, fail, [], [place], place).fn
    update = answered(NO_LOGIN, None, "")[place]
    assert update["visible"] is True
    assert "Line 3 has &lt;5&gt; values." in update["value"]


def test_a_changed_message_is_given_to_its_handler(tmp_path: Path, places: tuple) -> None:
    place, other, button = places
    told: list = []

    def changed(visit: Visit, message: Edited, value: str) -> dict:
        told.append((message.index, message.text, value))
        return {}

    edited = guard(tmp_path).on_edit(button.click, changed, [other], [place], place)
    edited.fn(NO_LOGIN, None, Edited(None, {"index": 2, "value": "&lt;b> &amp;amp;"}), "", "done")
    edited.fn(NO_LOGIN, None, Edited(None, "broken"), "", "done")
    assert told == [(2, "<b> &amp;", "done"), (-1, "", "done")]


def signed_in(seconds: float) -> gr.Request:
    """As gradio hands it to a handler, from the cookie that it has checked. `seconds` is until the account's token ends."""
    info = {"userinfo": PROFILE, "access_token": "hf_of_ann", "scope": "openid contribute-repos", "expires_at": time.time() + seconds}
    return gr.Request(Request({"type": "http", "method": "POST", "path": "/", "headers": [], "session": {"oauth_info": info}}))


def test_the_token_of_a_visitors_account_is_given_where_it_is_needed(tmp_path: Path, places: tuple) -> None:
    place, other, button = places
    told: list = []

    def send(visit: Visit, token: str, name: str) -> dict:
        told.append((token, name))
        return {}

    asked = guard(tmp_path, space="ann/demo").on_account(button.click, send, [other], [place], place).fn
    for request in (signed_in(60), signed_in(-60), gr.Request(username=None)):
        asked(*special_args(asked, ["", "my-model"], request)[0])
    assert told == [("hf_of_ann", "my-model"), ("", "my-model"), ("", "my-model")]


def test_success_clears_the_place(tmp_path: Path, places: tuple) -> None:
    place, other, button = places
    answered = guard(tmp_path).on(button.click, lambda visit, value: {other: value}, [other], [place, other], place).fn
    assert answered(NO_LOGIN, None, "", "done") == {place: gr.update(value="", visible=False), other: "done"}


def test_a_stream_of_nothing_changes_nothing(tmp_path: Path, places: tuple) -> None:
    place, other, button = places
    handlers = (lambda visit, question: (update for update in ()), lambda question: {})
    assert list(guard(tmp_path).stream(button.click, handlers, [other], [place, other], place).fn(NO_LOGIN, None, "", "")) == [gr.skip()]


def test_a_stream_keeps_what_came_before_the_error(tmp_path: Path, places: tuple) -> None:
    place, other, button = places

    def two_then_fail(visit: Visit, question: str) -> Iterator[dict]:
        yield {other: "a"}
        raise BusyError("This machine is training.")

    handlers = (two_then_fail, lambda question: {other: question})
    updates = list(guard(tmp_path).stream(button.click, handlers, [other], [place, other], place).fn(NO_LOGIN, None, "", "why?"))
    assert updates[0] == {other: "a"}
    assert updates[1][other] == "why?"
    assert "This machine is training." in updates[1][place]["value"]


def test_errors_without_a_place_are_messages(tmp_path: Path, places: tuple) -> None:
    answered = guard(tmp_path).on(places[2].click, fail, [], [places[0]]).fn
    with pytest.raises(gr.Error, match="Line 3 has <5> values."):
        answered(NO_LOGIN, None, "")


def test_bugs_are_not_caught(tmp_path: Path, places: tuple) -> None:
    place = places[0]
    answered = guard(tmp_path).on(places[2].click, lambda visit: {place: 1 / 0}, [], [place], place).fn
    with pytest.raises(ZeroDivisionError):
        answered(NO_LOGIN, None, "")


def test_a_message_that_a_click_left_is_not_cleared_by_the_tick(tmp_path: Path) -> None:
    with gr.Blocks():
        place, timer = gr.HTML(""), gr.Timer(1)
        made = guard(tmp_path)
        made.tick(timer.tick, lambda visit: {}, [], [place], place)
        (ticked,) = [fn.fn for fn in gr.context.Context.root_block.fns.values()]
    assert ticked(NO_LOGIN, None, "") == {}


def whose(made: Guard, places: tuple, key: str, request: gr.Request = NO_LOGIN, profile: gr.OAuthProfile | None = None) -> str:
    """The owner that a handler is given, or the sentence."""
    place, other, button = places
    updates = made.on(button.click, lambda visit: {other: visit.owner}, [], [place, other], place).fn(request, profile, key)
    return updates[other] if other in updates else updates[place]["value"]


def test_on_ones_own_machine_everybody_is_the_same_owner(tmp_path: Path, places: tuple) -> None:
    assert whose(guard(tmp_path), places, "") == whose(guard(tmp_path), places, "f" * 32) == LOCAL


def test_on_a_public_page_a_key_that_was_not_made_here_opens_nothing(tmp_path: Path, places: tuple) -> None:
    made = guard(tmp_path, mode="public")
    for key in ("", "f" * 32, LOCAL, HOST, "key-", None, 7, {"a": 1}, "\ud800"):
        assert UNKNOWN_KEY in whose(made, places, key)
    key = made.studio.owners.new_key()
    assert whose(made, places, key) == of_key(key)


def test_a_login_needs_no_key_and_the_spaces_creator_is_its_host(tmp_path: Path, places: tuple) -> None:
    made = guard(tmp_path, mode="public", author="ann", space="ann/demo")
    stranger = gr.OAuthProfile({**PROFILE, "sub": "43", "preferred_username": "bob"})
    assert whose(made, places, "", profile=gr.OAuthProfile(PROFILE)) == HOST
    owner = whose(made, places, "", profile=stranger)
    assert owner.startswith("hub-") and not made.studio.owners.is_host(owner)


def test_each_name_of_the_pages_own_login_has_its_own_models(tmp_path: Path, places: tuple) -> None:
    made = guard(tmp_path, auth="ann:1,bob:2")
    ann, bob = (whose(made, places, "", request=gr.Request(username=name)) for name in ("ann", "bob"))
    assert ann != bob and LOCAL not in (ann, bob)


def test_a_login_is_what_the_server_knows() -> None:
    assert login(NO_LOGIN, None).name == ""
    assert login(gr.Request(username="ann"), None).name == "ann"


def test_a_page_that_cannot_be_drawn_says_why_and_has_a_way_on(tmp_path: Path, places: tuple) -> None:
    place, other, _ = places
    arrived = guard(tmp_path)._arriving(fail, dict, lambda: {other: "tabs"}, place)
    drawn = arrived(gr.Request(username=None, query_params={}), None, "", "")
    assert "Line 3 has &lt;5&gt; values." in drawn[place]["value"] and drawn[other] == "tabs"


def test_somebody_who_gets_no_key_is_told_why_and_shown_nothing(tmp_path: Path, places: tuple, monkeypatch: pytest.MonkeyPatch) -> None:
    place, other, _ = places
    made = guard(tmp_path, mode="public")
    monkeypatch.setattr(made.studio.owners, "new_key", lambda code: fail())
    drawn = made._arriving(fail, dict, lambda: {other: "tabs"}, place)(NO_LOGIN, None, "", "")
    assert set(drawn) == {place}
