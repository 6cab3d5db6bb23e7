"""What is personal or secret is found and hidden; prices, dates, numbers of orders and code are not."""

from __future__ import annotations

import pytest

from qlora_demo.data.personal import KINDS, found_in

RANDOM = "a1B2" * 9
PRIVATE = "-----BEGIN RSA PRIVATE KEY-----\nMIIE\n-----END RSA PRIVATE KEY-----"
HELD = [
    ("emails", "Write to anna.b@firma.de.", "Write to [e-mail]."),
    ("emails", "a+b@x-y.co.uk", "[e-mail]"),
    ("emails", "müller@bäckerei.de, thanks", "[e-mail], thanks"),
    ("phones", "Call +49 30 1234567 now", "Call [phone] now"),
    ("phones", "030/1234567", "[phone]"),
    ("phones", "01711234567", "[phone]"),
    ("phones", "0171 123 45 67", "[phone]"),
    ("phones", "06 12 34 56 78", "[phone]"),
    ("phones", "(555) 123-4567", "[phone]"),
    ("phones", "1-800-555-1234", "[phone]"),
    ("phones", "+1 (212) 736-5000.", "[phone]."),
    ("phones", "+44 (0)20 7219 3000", "[phone]"),
    ("phones", "0041 44 123 45 67", "[phone]"),
    ("phones", "Tel: 5551234", "Tel: [phone]"),
    ("phones", "My phone number is 555 1234 99", "My phone number is [phone]"),
    ("cards", "4111 1111 1111 1111", "[card]"),
    ("cards", "my card 5500-0000-0000-0004.", "my card [card]."),
    ("cards", "378282246310005", "[card]"),
    ("accounts", "IBAN: DE89370400440532013000 BIC COBADEFF", "IBAN: [account] BIC COBADEFF"),
    ("accounts", "DE89 3704 0044 0532 0130 00 BIC COBADEFFXXX", "[account] BIC COBADEFFXXX"),
    ("accounts", "GB29 NWBK 6016 1331 9268 19", "[account]"),
    ("secrets", f"hf_{RANDOM}", "[key]"),
    ("secrets", f"export KEY=sk-proj-{RANDOM}", "export KEY=[key]"),
    ("secrets", f"ghp_{RANDOM}", "[key]"),
    ("secrets", "AKIAIOSFODNN7EXAMPLE", "[key]"),
    ("secrets", "xoxb-123456789012-abc", "[key]"),
    ("secrets", "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3.SflKxwRJSMeKKF2QT4fw", "[key]"),
    ("secrets", f"It is:\n{PRIVATE}\nKeep it.", "It is:\n[key]\nKeep it."),
    ("secrets", "password=hunter22", "password=[key]"),
    ("secrets", "Your password is hunter22.", "Your password is [key]."),
    ("secrets", '"api_key": "abc123def"', '"api_key": "[key]"'),
    ("secrets", "postgres://bob:geheim1@db/x", "postgres://[key]@db/x"),
]
HARMLESS = [
    "It costs 1.234.567,00 EUR or 5,000,000.00 or 09 1234 5678 €",
    "From 2019 to 2024 it grew by 12345678, to 83 200 000 in 2022",
    "Order 4711-0815-2342, id 1234567890123456, UPC 012345678905",
    "On 05.06.2024 12 o'clock, 06-12-2024 10:30, 2024-01-15 10:30:00, 17.03.1999",
    "ISBN 978-3-16-148410-0",
    "3.14159265358979 and 0.12345678 and 2,147,483,647 and 1 234 567 890",
    "digits = '0123456789'; hexadecimal = '0123456789abcdef'; address = 0x1234567890",
    "[1, 2, 3, 4, 5, 6, 7, 8, 9]  01 02 03 04 05  100 200 300 400",
    "192.168.100.101 v1.2.3-456",
    "Open 08.00 - 12.00 and 13.00 - 18.00",
    "def test_1(): assert f(1234567) == 7654321",
    "@app.route('/a') and a @ b and user@example.com and git@github.com:foo/bar.git",
    "password = get_pw2()",
    "def login(password: str): ...",
    "Password: what is it for?",
    "api_key=os.environ['K1']",
    "the key is 42, use sk-learn 1 and access_token123",
    "4111 1111 1111 1112",
    "Call 020 7946 0958 or 212-555-0100 in the film",
    ">>> is_card('4539 1488 0343 6467'), and is_phone('030/1234567')",
    "DE89 3704 0044 0532 0130 01",
    "The phone 12 was sold in 2024",
]


@pytest.mark.parametrize(("code", "text", "hidden"), HELD)
def test_found_and_hidden(code: str, text: str, hidden: str) -> None:
    kind = next(kind for kind in KINDS if kind.code == code)
    assert found_in(text) == [code]
    assert kind.hide(text) == hidden
    assert found_in(hidden) == []


@pytest.mark.parametrize("text", HARMLESS)
def test_harmless(text: str) -> None:
    assert found_in(text) == []
    assert [kind.hide(text) for kind in KINDS] == [text] * len(KINDS)


def test_several_kinds_in_one_text() -> None:
    assert found_in("Anna, anna@firma.de, +49 30 1234567") == ["emails", "phones"]


@pytest.mark.timeout(20)
@pytest.mark.parametrize(
    "piece", ["+11111 ", "0111 11 ", "a.", "@a.", "4111 ", "AB12 ", "eyJ", "password=a1", "1", "hf_a", "://a:", "-----BEGIN PRIVATE KEY-----"]
)
def test_long_texts_made_to_be_slow(piece: str) -> None:
    found_in("x@" + piece * (200_000 // len(piece)) + " 1")
