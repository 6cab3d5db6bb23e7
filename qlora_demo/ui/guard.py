"""The one place where every event of the page comes in: whose it is, and a UserError turned into something to read. Other exceptions go to the log
and are not caught."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from typing import Any

import gradio as gr

from qlora_demo.errors import UserError
from qlora_demo.owners import Login
from qlora_demo.studio import Studio
from qlora_demo.ui.parts import alert, shown, unescaped

Updates = dict[Any, Any]
Handler = Callable[..., Updates]
Stream = Callable[..., Generator[Updates, None, None]]
TITLE = "This did not work"
COMMON = {"api_visibility": "private", "show_progress": "hidden"}
"""Hidden from the list of endpoints, which protects nothing: whoever calls one by its number is asked for a key all the same."""


@dataclass(frozen=True)
class Visit:
    """One event of one person: `studio` answers what belongs to `owner`."""

    studio: Studio
    owner: str

    def host(self) -> bool:
        return self.studio.owners.is_host(self.owner)


class Edited(gr.EventData):
    """A message that was changed in a chat box: its place there, and its new text. What else a stranger sends is message -1."""

    def __init__(self, target: Any, data: Any):
        told = data if isinstance(data, dict) else {}
        super().__init__(target, told)
        index, text = told.get("index"), told.get("value")
        right = type(index) is int and type(text) is str
        self.index, self.text = (index, unescaped(text)) if right else (-1, "")


@dataclass(frozen=True)
class Guard:
    """Every handler is given the Visit first, then its inputs. `key` is what the browser keeps of its owner; it travels in the events alone."""

    studio: Studio
    key: gr.BrowserState

    def on(
        self, triggers: Any, handler: Handler, inputs: list, outputs: list, place: gr.HTML | None = None, **options: Any
    ) -> gr.events.Dependency:
        """`triggers` is a list of events, or one. A UserError is read in `place`, beside the control that caused it, which must be among the outputs;
        without one it is a message over the page."""
        return _listen(triggers, self._answering(handler, place), [self.key, *inputs], outputs, options)

    def on_edit(self, triggers: Any, handler: Handler, inputs: list, outputs: list, place: gr.HTML) -> gr.events.Dependency:
        """As `on`, for a changed message of a chat box; the handler is given it before its inputs."""
        answered = self._answering(handler, place)

        def edited(request: gr.Request, profile: gr.OAuthProfile | None, message: Edited, key: str, *values: Any) -> Updates:
            return answered(request, profile, key, message, *values)

        return _listen(triggers, edited, [self.key, *inputs], outputs, {})

    def on_account(
        self, triggers: Any, handler: Handler, inputs: list, outputs: list, place: gr.HTML, **options: Any
    ) -> gr.events.Dependency:
        """As `on`, for what is done on the Hub in a visitor's name. The handler is given the token of the account that they signed in with before
        its inputs, "" for none; it lives in that one call alone."""
        answered = self._answering(handler, place)

        def asked(request: gr.Request, profile: gr.OAuthProfile | None, account: gr.OAuthToken | None, key: str, *values: Any) -> Updates:
            return answered(request, profile, key, account.token if account else "", *values)

        return _listen(triggers, asked, [self.key, *inputs], outputs, options)

    def tick(self, trigger: Any, handler: Handler, inputs: list, outputs: list, place: gr.HTML) -> None:
        """As `on`, for what happens by itself: it clears no message of what a person did."""

        def ticked(request: gr.Request, profile: gr.OAuthProfile | None, key: str, *values: Any) -> Updates:
            if self.studio.settings.workshop and self.studio.owners.needs_key(str(key), login(request, profile)):
                return gr.skip()  # still at the door
            try:
                return handler(self._visit(key, request, profile), *values)
            except UserError as error:
                return {place: shown(alert(str(error)))}

        _listen(trigger, ticked, [self.key, *inputs], [place, *(part for part in outputs if part is not place)], {"queue": False})

    def stream(
        self, triggers: Any, handlers: tuple[Stream, Handler], inputs: list, outputs: list, place: gr.HTML, **options: Any
    ) -> gr.events.Dependency:
        """As `on`, for a generator; the second handler tells what else to put right after an error."""
        return _listen(triggers, self._streaming(*handlers, place), [self.key, *inputs], outputs, options)

    def arrive(self, triggers: Any, handlers: tuple[Handler, Handler, Handler], inputs: list, outputs: list, place: gr.HTML, **options: Any) -> None:
        """As `on`, for somebody who may have no key yet: a browser that is new here gets one. The handler is given the run that the address asks for
        before its inputs. `inputs` begin with the code of a workshop; while that is missing, the second handler draws. Where an error keeps
        the first from its work, the third says what is shown beside it."""
        _listen(triggers, self._arriving(*handlers, place), [self.key, *inputs], [*outputs, self.key], options)

    def _arriving(self, handler: Handler, closed: Handler, in_trouble: Handler, place: gr.HTML) -> Callable[..., Updates]:
        def arrived(request: gr.Request, profile: gr.OAuthProfile | None, key: str, code: str, *values: Any) -> Updates:
            owners, who, key = self.studio.owners, login(request, profile), str(key)
            try:
                if owners.needs_key(key, who):
                    if self.studio.settings.workshop and not code:
                        return closed()
                    key = owners.new_key(code)
                visit = Visit(self.studio, owners.owner(key, who))
                before = owners.of_browser(key)
                if before and before != visit.owner:  # somebody signed in: what this browser had is the account's from now on
                    self.studio.hand_over(before, visit.owner)
                return {place: shown(""), self.key: key, **handler(visit, request.query_params.get("run", ""), *values)}
            except UserError as error:
                known = not owners.needs_key(key, who)
                return {place: shown(alert(str(error))), **({self.key: key, **in_trouble()} if known else {})}

        return arrived

    def _visit(self, key: str, request: gr.Request, profile: gr.OAuthProfile | None) -> Visit:
        """Raises NotFoundError."""
        return Visit(self.studio, self.studio.owners.owner(str(key), login(request, profile)))  # whatever a caller sends

    def _answering(self, handler: Handler, place: gr.HTML | None) -> Callable[..., Updates]:
        def answered(request: gr.Request, profile: gr.OAuthProfile | None, key: str, *values: Any) -> Updates:
            try:
                updates = handler(self._visit(key, request, profile), *values)
                return {place: shown(""), **updates} if place else updates
            except UserError as error:
                if place is None:
                    raise gr.Error(str(error), title=TITLE, print_exception=False) from error
                return {place: shown(alert(str(error)))}

        return answered

    def _streaming(self, handler: Stream, afterwards: Handler, place: gr.HTML) -> Callable[..., Iterator[Updates]]:
        def streamed(request: gr.Request, profile: gr.OAuthProfile | None, key: str, *values: Any) -> Iterator[Updates]:
            try:
                with closing(handler(self._visit(key, request, profile), *values)) as updates:
                    yield next(updates, gr.skip())  # of a generator that yields nothing, gradio empties all outputs
                    yield from updates
            except UserError as error:
                yield {place: shown(alert(str(error))), **afterwards(*values)}

        return streamed


def login(request: gr.Request, profile: gr.OAuthProfile | None) -> Login:
    """What the server knows of who asks: gradio's own login, and the model hub's."""
    if profile is None:
        return Login(name=request.username or "")
    return Login(hub_id=profile["sub"], hub_name=profile.username)


def _listen(triggers: Any, fn: Callable[..., Any], inputs: list, outputs: list, options: dict[str, Any]) -> gr.events.Dependency:
    """A list of events, one, or what follows on another (`.then`, `.success`), which gradio takes in no list."""
    listen = partial(gr.on, triggers) if isinstance(triggers, list) else triggers
    return listen(fn, inputs, outputs, **{**COMMON, **options})
