"""Who asks first is answered first; who waits knows how many are before; who gives up makes room."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from qlora_demo.chat.line import Line


def until(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def test_the_first_has_nobody_before() -> None:
    line = Line()
    for _ in range(2):
        with line.ticket() as ticket:
            assert list(line.before(ticket)) == []


def test_all_are_served_in_their_order_and_told_their_place() -> None:
    line, served, seen = Line(), [], {}

    def visit(name: int) -> None:
        with line.ticket() as ticket:
            seen[name] = []
            seen[name].extend(line.before(ticket))
            served.append(name)

    threads = []
    with line.ticket() as first:
        for name in range(6):
            threads.append(threading.Thread(target=visit, args=(name,)))
            threads[-1].start()
            until(lambda name=name: name in seen)
        assert list(line.before(first)) == [] and served == []
    for thread in threads:
        thread.join(20)
    assert served == list(range(6))
    assert seen[0][0] == 1 and all(places == sorted(places, reverse=True) for places in seen.values())


def test_who_waits_can_go_away_at_any_time() -> None:
    """A generator that waited without an end could not be closed before its turn came."""
    line = Line()
    with line.ticket(), line.ticket() as second:
        places = line.before(second)
        began = time.monotonic()
        assert [next(places), next(places)] == [1, 1]
        places.close()
        assert time.monotonic() - began < 10


def test_who_gives_up_makes_room_for_those_behind() -> None:
    line = Line()
    with line.ticket():
        with line.ticket() as second, line.ticket() as third:
            waiting = [next(line.before(ticket)) for ticket in (second, third)]
            assert waiting == [1, 2]
        with line.ticket() as after:
            assert next(line.before(after)) == 1
