"""Finds and hides what should not be learned by heart: addresses, numbers of people and accounts, keys."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

NOT_DIGITS = bytes(byte for byte in range(256) if not 48 <= byte <= 57)
FEWEST_PHONE, FEWEST_CARD, FEWEST_ACCOUNT = 7, 13, 10
"""Digits in a text below which it holds no such number."""

EMAIL = re.compile(r"(?<![\w.+-])(?!git@)[\w.+-]{1,64}@(?:[\w-]{1,63}\.)+[^\W\d_]{2,24}(?![\w@])")
INVENTED = re.compile(r"(?:\.|@)(?:example(?:\.(?:com|org|net))?|test|invalid|localhost)\Z", re.IGNORECASE)

# A number that is handed to a function, as in f("..."), is an example in a program.
PHONE = re.compile(
    r"(?<![\w.,+\-/])(?<!\d )(?<!\([\"'])(?:"
    r"(?:\+|00)[1-9](?:[ .\-/]?\(?\d{1,5}\)?){2,6}+"  # +49 30 1234567, 0044 20 7946 0958
    r"|(?:1[-. ])?(?:\(\d{3}\) ?|\d{3}[-. ])\d{3}[-. ]\d{4}"  # (555) 123-4567
    r"|\(?0[1-9]\d{0,4}\)?[ \-./]\d{2,9}(?:[ \-.]\d{2,8}){0,4}"  # 030 1234567, 06 12 34 56 78
    r"|01[5-7]\d{8,9}|07\d{9}|0[67]\d{8}"  # mobile numbers without spaces: Germany, United Kingdom, France
    r")(?![\w:%]|[.,]\d|[ -]\d| ?(?:[€$£]|(?:EUR|USD)\b))"
)
CALLED = re.compile(
    r"(?<!\w)(?:tel|telephone|phone|telefon|telefono|teléfono|téléphone|tél|mobile|mobil|handy|whatsapp|fax)(?: ?(?:number|nummer|no|nr))?\.?"
    r"(?: is| ist|:)? ?(\+?\(?\d(?:[ ()./-]{0,2}\d){6,14})(?!\w)",
    re.IGNORECASE,
)
DATE = re.compile(r"\d{1,2}[./-]\d{1,2}[./-]\d{4}|\d{4}[./-]\d{2}[./-]\d{2}(?!\d)")

FICTION = re.compile(r"(?:79460\d{3}|55501\d{2})\Z")
"""Digits that are kept free for films and books, in London and in North America."""

CARD = re.compile(r"(?<![\w.,+-])(?<!\d )(?<!\([\"'])\d(?:[ -]?\d){12,18}(?![\w-]|[.,]\d)")
CARD_LENGTHS = {"2": (16,), "3": (14, 15), "4": (13, 16, 19), "5": (16,), "6": (16, 19)}

ACCOUNT = re.compile(r"\b[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,3})?\b")
FEWEST_IBAN, MOST_IBAN = 15, 34

SECRET = re.compile(
    r"-----BEGIN (?:[A-Z]+ )*PRIVATE KEY-----(?:[\s\S]*?-----END (?:[A-Z]+ )*PRIVATE KEY-----|[\s\S]*)"
    r"|(?<![\w-])(?:hf_[A-Za-z0-9]{30,}|sk-[A-Za-z0-9_-]{20,}|[sr]k_(?:live|test)_[A-Za-z0-9]{16,}|gh[pousr]_[A-Za-z0-9]{30,}"
    r"|github_pat_[A-Za-z0-9_]{22,}|glpat-[A-Za-z0-9_-]{20,}|A[KS]IA[A-Z0-9]{16}|xox[abeprs]-[A-Za-z0-9-]{10,}|AIza[A-Za-z0-9_-]{35}"
    r"|eyJ[A-Za-z0-9_-]{10,}\.eyJ[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{10,})(?![\w-])"
    r"|(?<=://)[^\s/:@]{1,64}:[^\s/@]{1,64}(?=@)"
)
SECRET_HINTS = (
    "hf_", "sk-", "k_live_", "k_test_", "ghp_", "gho_", "ghu_", "ghs_", "ghr_", "github_pat_", "glpat-", "KIA", "SIA", "xox", "AIza", "eyJ", "://",
)  # fmt: skip
PASSWORD = re.compile(
    r"((?:password|passwd|passwort|passphrase|pwd|api[_-]?key|secret[_-]?key|access[_-]?token|auth[_-]?token)[\"']?(?: is| ist)?(?: ?[:=] ?| )[\"']?)"
    r"((?=[A-Za-z!@#%^&*+=_-]{0,64}\d)(?=[\d!@#%^&*+=_-]{0,64}[A-Za-z])[A-Za-z0-9!@#%^&*+=_-]{6,128}+)(?![(\[<])",
    re.IGNORECASE,
)


def _hide_email(text: str) -> str:
    return EMAIL.sub(lambda m: m[0] if INVENTED.search(m[0]) else "[e-mail]", text)


def _hide_phone(text: str) -> str:
    called = CALLED.sub(lambda m: f"{m[0][: m.start(1) - m.start()]}[phone]", text)
    return PHONE.sub(lambda m: "[phone]" if _is_phone(m[0]) else m[0], called)


def _is_phone(found: str) -> bool:
    digits = re.sub(r"\D", "", found)
    groups = re.findall(r"\d+", found)
    counting = len(groups) > 2 and all(group.startswith("0") for group in groups)
    return 8 <= len(digits) <= 15 and not (counting or DATE.match(found) or FICTION.search(digits)) and (found[0] in "+(1-9" or len(digits) >= 9)


def _hide_card(text: str) -> str:
    return CARD.sub(lambda m: "[card]" if _is_card(re.sub(r"\D", "", m[0])) else m[0], text)


def _is_card(digits: str) -> bool:
    """By the first digit, the length, and Luhn's checksum."""
    doubled = [2 * int(digit) for digit in digits[-2::-2]]
    checksum = sum(map(int, digits[-1::-2])) + sum(value - 9 if value > 9 else value for value in doubled)
    return len(digits) in CARD_LENGTHS.get(digits[0], ()) and checksum % 10 == 0 and len(set(digits)) > 1


def _hide_account(text: str) -> str:
    return ACCOUNT.sub(_account, text)


def _account(found: re.Match[str]) -> str:
    """The longest beginning of whole groups with a right checksum is hidden: words in capitals may follow the number."""
    groups = found[0].split(" ")
    for count in range(len(groups), 0, -1):
        if _is_iban("".join(groups[:count])):
            return " ".join(["[account]", *groups[count:]])
    return found[0]


def _is_iban(text: str) -> bool:
    """By ISO 13616: the letters as numbers, the first four characters last, modulo 97."""
    return FEWEST_IBAN <= len(text) <= MOST_IBAN and int("".join(str(int(c, 36)) for c in text[4:] + text[:4])) % 97 == 1


def _hide_secret(text: str) -> str:
    return PASSWORD.sub(r"\1[key]", SECRET.sub("[key]", text))


def _may_hold_secret(text: str, digits: int) -> bool:
    """All but a private key have a digit: random letters and digits, or a password, which is told from a word by it. Cheap signs come first."""
    if "PRIVATE KEY-" in text:
        return True
    if not digits:
        return False
    random = "_" in text or "-" in text or "://" in text or "IA" in text or "eyJ" in text
    lower = text.lower()
    named = "pass" in lower or "pwd" in lower or "key" in lower or "token" in lower
    return named or (random and any(hint in text for hint in SECRET_HINTS))


@dataclass(frozen=True)
class Personal:
    """`may` looks at (text, number of digits in it) and is quick; `hide` gives the text with a mark in place of each. `one`, `several` are nouns."""

    code: str
    one: str
    several: str
    may: Callable[[str, int], bool]
    hide: Callable[[str], str]


KINDS = (
    Personal("secrets", "a key or a password", "keys or passwords", _may_hold_secret, _hide_secret),
    Personal("cards", "a card number", "card numbers", lambda text, digits: digits >= FEWEST_CARD, _hide_card),
    Personal("accounts", "an account number", "account numbers", lambda text, digits: digits >= FEWEST_ACCOUNT, _hide_account),
    Personal("emails", "an e-mail address", "e-mail addresses", lambda text, digits: "@" in text, _hide_email),
    Personal("phones", "a phone number", "phone numbers", lambda text, digits: digits >= FEWEST_PHONE, _hide_phone),
)


def found_in(text: str) -> list[str]:
    """Codes of what a text holds, in the order of KINDS."""
    digits = len(text.encode("utf-8", "replace").translate(None, NOT_DIGITS))
    if digits < FEWEST_PHONE and "@" not in text and not _may_hold_secret(text, digits):
        return []
    return [kind.code for kind in KINDS if kind.may(text, digits) and kind.hide(text) != text]
