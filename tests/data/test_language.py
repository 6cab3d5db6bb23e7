"""The language of texts is guessed where it is sure, and a base model that does not know it is told of."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest

from qlora_demo.catalogue import MODELS
from qlora_demo.data.finding import Finding
from qlora_demo.data.language import guess_language, language_finding

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
TEXTS = {
    "en": "I sent the file with a mistake in the date. The print shop noticed, rang me "
    "before printing, and still had the invitations ready by Thursday.",
    "de": "Wann hat die Bäckerei am Sonntag offen? Wir haben am Sonntag von acht bis zwölf Uhr "
    "geöffnet. Bitte bringen Sie Ihre Bestellung mit, damit wir sie finden.",
    "fr": "Quand la boulangerie est-elle ouverte le dimanche ? Nous sommes ouverts de huit heures à "
    "midi. Merci d'apporter votre commande pour que nous puissions la trouver.",
    "es": "¿Cuándo abre la panadería los domingos? Abrimos de ocho a doce. Traiga su pedido, "
    "por favor, para que podamos encontrarlo en la tienda más rápido.",
    "it": "Quando è aperta la panetteria la domenica? Siamo aperti dalle otto a mezzogiorno. "
    "Porti con sé il suo ordine, per favore, così che lo possiamo trovare.",
    "pt": "Quando é que a padaria abre ao domingo? Estamos abertos das oito ao meio-dia. Traga a "
    "sua encomenda, por favor, para que a possamos encontrar no balcão.",
    "nl": "Wanneer is de bakkerij op zondag open? Wij zijn open van acht tot twaalf uur. "
    "Neem uw bestelling mee, zodat wij die snel voor u kunnen vinden.",
    "sv": "När är bageriet öppet på söndagar? Vi har öppet från åtta till tolv. Ta med din "
    "beställning så att vi kan hitta den snabbt och ge dig det du vill ha.",
    "da": "Hvornår har bageriet åbent om søndagen? Vi har åbent fra otte til tolv. Tag din bestilling "
    "med, så vi hurtigt kan finde den, og så du ikke skal vente af den grund.",
    "no": "Når er bakeriet åpent på søndager? Vi har åpent fra åtte til tolv. Ta med bestillingen "
    "din, så vi finner den raskt og du ikke trenger å vente av den grunn.",
    "fi": "Milloin leipomo on auki sunnuntaisin? Olemme auki kahdeksasta kahteentoista. Ota tilauksesi mukaan, niin "
    "löydämme sen nopeasti, ja se on valmis kun tulet. Hän ei ole täällä mutta voi tulla jos se on tärkeää.",
    "pl": "Kiedy piekarnia jest otwarta w niedzielę? Jest otwarta od ósmej do dwunastej. Proszę przynieść ze "
    "sobą zamówienie, żebyśmy mogli je szybko znaleźć, bo inaczej nie wiemy, co to jest.",
    "cs": "Kdy má pekárna v neděli otevřeno? Máme otevřeno od osmi do dvanácti. Vezměte si s sebou "
    "objednávku, abychom ji rychle našli, protože jinak to není možné, ale bylo by to dobré.",
    "hu": "Mikor van nyitva a pékség vasárnap? Nyolctól tizenkettőig vagyunk nyitva. Kérjük, hozza "
    "magával a rendelését, hogy gyorsan megtaláljuk, és ne kelljen várni, ha nem muszáj.",
    "ro": "Când este deschisă brutăria duminica? Suntem deschiși de la opt la doisprezece. Vă rugăm să "
    "aduceți comanda cu dumneavoastră, ca să o găsim repede și să nu așteptați.",
    "tr": "Fırın pazar günleri ne zaman açık? Sekizden on ikiye kadar açığız. Lütfen siparişinizi yanınızda "
    "getirin, çünkü bu bizim için çok iyi ve daha hızlı bir yol olarak görünüyor ama şart değil.",
    "id": "Kapan toko roti ini buka pada hari Minggu? Kami buka dari jam delapan sampai jam dua "
    "belas. Anda bisa membawa pesanan itu ke toko ini untuk kami cari.",
    "vi": "Tiệm bánh mở cửa khi nào vào chủ nhật? Chúng tôi mở cửa từ tám giờ đến mười hai "
    "giờ. Bạn có thể mang theo đơn hàng để chúng tôi tìm được nhanh.",
    "ru": "Когда пекарня открыта в воскресенье? Мы открыты с восьми до двенадцати. Возьмите с собой "
    "заказ, чтобы мы могли быстро найти его, и если что-то не так, мы это исправим.",
    "uk": "Коли пекарня відчинена в неділю? Ми працюємо з восьмої до дванадцятої. Візьміть із собою "
    "замовлення, щоб ми могли швидко знайти його, і якщо щось не так, ми це виправимо.",
    "el": "Πότε είναι ανοιχτός ο φούρνος την Κυριακή; Είμαστε ανοιχτά από τις οκτώ έως τις δώδεκα.",
    "ja": "パン屋は日曜日の何時に開いていますか。八時から十二時まで開いています。注文書をお持ちください。すぐに見つけられます。",
    "zh": "面包店星期天什么时候开门？我们从八点到十二点营业。请带上您的订单，这样我们可以很快找到它。谢谢您的光临，欢迎再来。",
    "ko": "빵집은 일요일에 언제 문을 여나요? 여덟 시부터 열두 시까지 엽니다. 주문서를 가져오시면 빨리 찾을 수 있습니다.",
    "ar": "متى يفتح المخبز يوم الأحد؟ نحن نفتح من الثامنة إلى الثانية عشرة. أحضر طلبك معك من "
    "فضلك حتى نجده بسرعة في المحل، وإذا كان هناك خطأ في الطلب نصلحه.",
    "hi": "बेकरी रविवार को कब खुलती है? हम आठ बजे से बारह बजे तक खुले हैं। कृपया अपना ऑर्डर साथ लाएँ।",
    "hr": "Kada je pekara otvorena nedjeljom? Otvoreni smo od osam do dvanaest. Ponesite sa sobom "
    "narudžbu da je brzo nađemo, jer inače ne može biti i nije dobro za to što treba.",
    "ca": "Quan obre el forn els diumenges? Obrim de vuit a dotze. Porteu la comanda amb vosaltres perquè "
    "la puguem trobar de seguida, però no és obligatori si el nom està al paper.",
}


@pytest.mark.parametrize("code", TEXTS)
def test_a_few_sentences_tell(code: str) -> None:
    assert guess_language([TEXTS[code]]) == code


def test_no_guess_where_it_is_not_sure() -> None:
    assert guess_language([]) == ""
    assert guess_language(["happy", "unhappy"] * 30) == ""
    assert guess_language(["Wo ist es?"]) == ""
    assert guess_language([TEXTS["de"], TEXTS["fr"]]) == ""
    assert guess_language([TEXTS["ru"], TEXTS["en"]]) == ""
    assert guess_language(["def f(x):\n    return x + 1\n\nfor i in range(3):\n    print(i)\n"] * 20) == ""


def test_a_little_of_another_language_does_not_matter() -> None:
    assert guess_language([TEXTS["de"]] * 9 + [TEXTS["en"]]) == "de"


def test_the_examples_are_english() -> None:
    rows = [json.loads(line)["messages"] for line in (EXAMPLES / "character.jsonl").read_text().splitlines()]
    assert guess_language(message["content"] for row in rows for message in row) == "en"
    with (EXAMPLES / "sentiment.csv").open(newline="") as file:
        assert guess_language(row["text"] for row in csv.DictReader(file)) == "en"
    assert guess_language(row["instruction"] + "\n" + row["output"] for row in json.loads((EXAMPLES / "python.json").read_text())) == "en"


def test_a_model_that_does_not_know_the_language() -> None:
    why, button = "It learns much less from a language that it hardly knows.", "Choose another model"
    expected = Finding("language", 0, (), "Your text looks German; this base model was made for English.", why, button)
    assert language_finding("de", "English") == expected
    polish = language_finding("pl", "6 European languages")
    assert polish is not None
    assert polish.message == "Your text looks Polish; this base model was made for 6 European languages."


def test_nothing_is_said_where_all_is_well_or_unknown() -> None:
    assert language_finding("en", "English") is None
    assert language_finding("de", "6 European languages") is None
    assert language_finding("", "English") is None
    assert language_finding("de", "100 languages") is None
    assert [language_finding("en", model.languages) for model in MODELS] == [None] * len(MODELS)
