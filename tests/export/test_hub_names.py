"""Names on the Hub: what is proposed is always allowed, and what is not allowed is a sentence."""

from __future__ import annotations

import random
import subprocess
import sys

import pytest
from huggingface_hub.utils import validate_repo_id

from qlora_demo.errors import HubError
from qlora_demo.export.hub_names import ENDING, LONGEST, NAMELESS, NO_NAME, TOO_LONG, TWICE, Repository, check_name, proposed


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("Kundinnen, 24 Nov.", "kundinnen-24-nov"),
        ("Grüße aus Ödland", "gruesse-aus-oedland"),
        ("Gru\u0308ße", "gruesse"),
        ("Crème brûlée", "creme-brulee"),
        ("Žluťoučký kůň", "zlutoucky-kun"),
        ("Łódź", "lodz"),
        ("İstanbul", "istanbul"),
        ("Llama 3.2 v1.5.", "llama-3.2-v1.5"),
        ("Ｆｕｌｌ　width ２", "full-width-2"),
        ("a__b--c..d", "a-b-c-d"),
        ("1..2", "1-2"),
        ("../../etc/passwd", "etc-passwd"),
        ("x.git", "x-git"),
        ("1.git", "1-git"),
        ("моя модель 2", "2"),
        ("我的模型", NAMELESS),
        ("🙂", NAMELESS),
        ("", NAMELESS),
        ("...---", NAMELESS),
        ("<img src=x>", "img-src-x"),
        ("a" * 200, "a" * LONGEST),
        ("a" * 95 + " b", "a" * 95),
    ],
)
def test_a_name_is_proposed(name: str, wanted: str) -> None:
    assert proposed(name) == wanted == check_name(wanted)


def test_what_is_proposed_is_always_allowed() -> None:
    made = random.Random(0)
    letters = "aZ09 .-_/\\:äßİЖ中\u0300\u200d\n\x00🙂"
    for _ in range(3000):
        name = proposed("".join(made.choices(letters, k=made.randrange(120))))
        validate_repo_id(f"ann/{check_name(name)}")


@pytest.mark.parametrize("name", ["a", "my-model", "ann/my_model.v2", "Ann-B/x", " ann/x\n", "_x_", "9"])
def test_what_the_hub_allows_is_allowed(name: str) -> None:
    assert check_name(name) == name.strip() == Repository(name).name
    validate_repo_id(name.strip())


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        *((name, NO_NAME) for name in ("", " ", "/", "ann/", "/x", "a/b/c", "a b", "-a", "a-", ".a", "a.", "käse", "a\nb", "a?b", "..", "a/..")),
        ("https://huggingface.co/ann/x", NO_NAME),
        ("a--b", TWICE),
        ("a..b", TWICE),
        ("ann--b/x", TWICE),
        ("x.git", ENDING),
        ("x.GIT", ENDING),
        ("x.ipynb", ENDING),
        ("a" * 97, TOO_LONG),
        ("ann/" + "a" * 97, TOO_LONG),
    ],
)
def test_what_the_hub_does_not_allow_is_a_sentence(name: str, sentence: str) -> None:
    with pytest.raises(HubError) as caught:
        check_name(name)
    assert str(caught.value) == sentence
    with pytest.raises(HubError):
        Repository(name)


def test_a_repository_is_private_and_of_its_user() -> None:
    assert Repository("x").private
    assert (Repository("x").of("ann"), Repository("choir/x").of("ann")) == ("ann/x", "choir/x")


def test_names_need_nothing_of_the_hubs_client() -> None:
    """The web process proposes and checks them."""
    code = "import sys, qlora_demo.export.hub_names\nprint([name for name in ('huggingface_hub', 'httpx2', 'torch') if name in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == "[]"
