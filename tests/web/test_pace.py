"""How much one address may ask for."""

from __future__ import annotations

from asgi import fine, status

from qlora_demo.web.pace import Pace, address

JOIN = "/gradio_api/queue/join"
LOOK = "/gradio_api/run/predict"


def test_a_flood_ends_and_the_others_go_on() -> None:
    now = [0.0]
    guarded = Pace(fine, 60, False, lambda: now[0])
    assert [status(guarded, "POST", JOIN) for _ in range(7)] == [200] * 5 + [429] * 2
    assert status(guarded, "POST", JOIN + "/") == 429
    assert status(guarded, "POST", JOIN, client="192.0.2.8") == 200
    now[0] = 2.0
    assert [status(guarded, "POST", JOIN) for _ in range(3)] == [200, 200, 429]


def test_looks_count_for_themselves_and_zero_counts_nobody() -> None:
    guarded = Pace(fine, 24, False, lambda: 0.0)
    assert [status(guarded, "POST", LOOK) for _ in range(9)] == [200] * 8 + [429]
    assert [status(guarded, "POST", JOIN) for _ in range(3)] == [200, 200, 429]
    assert {status(guarded, "GET", JOIN) for _ in range(9)} == {200}
    assert {status(Pace(fine, 0, False), "POST", path) for path in (JOIN, LOOK) for _ in range(9)} == {200}


def test_opened_pages_count_as_clicks_do() -> None:
    guarded = Pace(fine, 24, False, lambda: 0.0)
    assert [status(guarded, "GET", path) for path in ("/", "/config", "/")] == [200, 200, 429]
    assert status(guarded, "HEAD", "/") == 429
    assert status(guarded, "POST", JOIN) == 429
    assert {status(guarded, "GET", path) for path in ("/assets/index.js", "/healthz")} == {200}


def test_a_room_may_open_the_page_and_press_the_same_button_at_once() -> None:
    """Thirty people in one second: the page, its first event, and two clicks each."""
    guarded = Pace(fine, 1500, False, lambda: 0.0)
    assert {status(guarded, *asked) for asked in [("GET", "/"), *[("POST", JOIN)] * 3] for _ in range(30)} == {200}


def test_a_hundred_pages_behind_one_address_may_all_look() -> None:
    """For five minutes, every other second each, at the limit of a public page."""
    now = [0.0]
    guarded = Pace(fine, 1500, False, lambda: now[0])
    seen = set()
    for second in range(300):
        now[0] = float(second)
        seen |= {status(guarded, "POST", LOOK) for _ in range(50)}
    assert seen == {200}


def test_a_header_moves_nobody_to_another_address_unless_a_proxy_is_there() -> None:
    guarded = Pace(fine, 1, False)
    assert [status(guarded, "POST", JOIN, [("x-forwarded-for", f"8.8.8.{n}")]) for n in range(2)] == [200, 429]


def test_behind_a_proxy_the_last_public_address_counts() -> None:
    def who(forwarded: str) -> str:
        return address({"client": ("10.0.0.1", 1), "headers": [(b"x-forwarded-for", forwarded.encode())]}, True)

    assert who("1.2.3.4, 9.9.9.9") == "9.9.9.9"
    assert who("1.2.3.4, 9.9.9.9, 10.3.2.1") == "9.9.9.9"
    assert who("unknown, 10.3.2.1") == "10.0.0.1"
    assert who("2001:4860::1:2:3:4") == who("2001:4860::9:9:9:9") == "2001:4860::/64"


def test_a_classroom_behind_one_address_is_not_stopped() -> None:
    """Thirty people, each with a click every two seconds, for five minutes."""
    now = [0.0]
    guarded = Pace(fine, 1500, True, lambda: now[0])
    seen = set()
    for second in range(300):
        now[0] = float(second)
        seen |= {status(guarded, "POST", JOIN, [("x-forwarded-for", "9.9.9.9")]) for _ in range(15)}
    assert seen == {200}
