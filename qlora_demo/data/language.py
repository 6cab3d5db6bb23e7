"""Guesses which language texts are written in: by their script, and by small words that no text of a language can do without."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from qlora_demo.catalogue import languages_known
from qlora_demo.data.finding import Finding

NAMES = {
    "en": "English", "de": "German", "fr": "French", "es": "Spanish", "it": "Italian", "pt": "Portuguese", "nl": "Dutch", "sv": "Swedish",
    "da": "Danish", "no": "Norwegian", "fi": "Finnish", "pl": "Polish", "cs": "Czech", "sk": "Slovak", "hu": "Hungarian", "ro": "Romanian",
    "tr": "Turkish", "hr": "Croatian", "ca": "Catalan", "id": "Indonesian", "vi": "Vietnamese", "ru": "Russian", "uk": "Ukrainian",
    "bg": "Bulgarian", "sr": "Serbian", "el": "Greek", "he": "Hebrew", "ar": "Arabic", "fa": "Persian", "ur": "Urdu", "hi": "Hindi",
    "bn": "Bengali", "ta": "Tamil", "te": "Telugu", "th": "Thai", "ka": "Georgian", "hy": "Armenian", "ko": "Korean", "ja": "Japanese",
    "zh": "Chinese",
}  # fmt: skip

LATIN_WORDS = {
    "en": "the and to of is it you that was for are with have this not what how your they from can we which would there i my his her he she do an",
    "de": "und der die das ist nicht ich ein eine zu mit sie den auf für wie es im dem auch sich wir was haben kann bei sind von einen wird wann wo",
    "fr": "le la les et est de des un une que vous pour dans ce il pas je qui en du sur avec au nous plus sont mais comment elle votre avez ne",
    "es": "el la los las y es de que en un una por con para no se su lo del como más qué pero está al me tiene hay muy son puede dónde cómo esta",
    "it": "il la i gli le e è di che un una per con non si sono del della in da come ma più al ho mi anche nel alla cosa questo dove quando ha lo",
    "pt": "o a os as e é de que um uma para com não em se do da no na por mais como mas você foi ao tem são está muito seu sua dos das eu isso",
    "nl": "de het een en van is dat ik niet je op te in met voor zijn er aan ook maar wat hoe naar bij wij kan uw wordt deze heeft om dan u nog",
    "sv": "och att det är en som på i för av med inte den har till jag ett du om kan var vi så från hur när eller ska vad men din också mycket",
    "da": "og at det er en som på i for af med ikke den har til jeg et du kan vi så fra skal hvad også meget mig dig sig noget mere efter hvornår",
    "no": "og å det er en som på i for av med ikke den har til jeg et du kan vi så fra skal hva også mye meg deg seg noe mer etter når ble",
    "fi": "ja on ei se että hän mutta kun ovat joka mitä minä sinä voi niin tai oli jos mikä missä kuin olen myös nyt tämä ole miten sen hyvin vain",
    "pl": "i w na nie to się z jest że do co jak ale czy o po za od może są który być go przez dla tak jej ma tym już gdzie kiedy mnie bardzo",
    "cs": "a v na se je to že s do co jak ale o po za od být který pro tak jsem si není jsou kde když můžete bylo také jeho nebo velmi již ve",
    "sk": "a v na sa je to že s do čo ako ale o po za od byť ktorý pre tak som si nie sú kde keď môžete bolo tiež jeho alebo veľmi už vo",
    "hu": "a az és hogy nem is egy van ez de meg csak ha már el mi be kell vagy lehet nagyon én még hol mikor itt amit azt ki volt mint",
    "ro": "și de la în nu este o un că pe cu din sunt care mai pentru ce se au fost dar am cum o să sau unde când ai acest foarte fi prin iar",
    "tr": "bir ve bu için ne de da ile mi çok var daha ama gibi en olarak ben nasıl kadar sonra değil olan her ki o yok nerede zaman evet iyi",
    "hr": "i je u na se da su za ne od s kako što ali sam ili koji kao što bi može nije biti o jest to iz gdje kada već ima vrlo treba jer",
    "ca": "el la els les i és de que en un una per amb no es del com més però està al em té hi molt són pot on aquest aquesta quan seva dels",
    "id": "yang dan di ini itu dengan untuk tidak dari dalam akan ke pada adalah saya anda ada bisa apa kami atau juga mereka kita karena oleh",
    "vi": "là và của có không được cho người một trong này những với các khi đã tôi bạn thì để ở nhiều đến gì cũng rất như làm từ về",
}
OTHER_WORDS = {
    "Cyrillic": {
        "ru": "и в не на что с как это он я по но из у за то все она так же вы от или если есть был где когда мне можно для очень бы чтобы",
        "uk": "і в не на що з як це він я та але до у за то є все вона так ви від або якщо був де коли мені можна для дуже би щоб про ти",
        "bg": "и в не на че с как това той аз по но от у за то е са тя така вие или ако има беше къде кога ми може за много да се си ще",
        "sr": "и у не на да са како је он ја по али из за то су она тако ви од или ако има био где када ми може много се што би који већ",
    },
    "Arabic": {
        "ar": "في من على أن إلى هذا ما لا هو التي مع عن هل كان كيف هي الذي أو ذلك كل قد لم ثم متى أين هذه و",
        "fa": "و در به از که این را با است برای آن هم یا تا می شما من چه کجا هست شود بود خود یک ها کنید",
        "ur": "اور کے کی میں ہے کا سے کو نہیں یہ کیا پر ہیں آپ وہ کر نے بھی تھا ایک ہم کہاں ہو گا",
    },
}  # fmt: skip
SCRIPTS = {
    "Han": "\u3400-\u9fff", "Kana": "\u3040-\u30ff", "Hangul": "\uac00-\ud7af\u1100-\u11ff", "Cyrillic": "\u0400-\u04ff",
    "Arabic": "\u0600-\u06ff\ufb50-\ufdff\ufe70-\ufefc", "el": "\u0370-\u03ff", "he": "\u0590-\u05ff", "hi": "\u0900-\u097f",
    "bn": "\u0980-\u09ff", "ta": "\u0b80-\u0bff", "te": "\u0c00-\u0c7f", "th": "\u0e00-\u0e7f", "ka": "\u10a0-\u10ff", "hy": "\u0530-\u058f",
}  # fmt: skip
COUNTED = {name: re.compile(f"[{letters}]") for name, letters in SCRIPTS.items()}
WORD = re.compile(r"[^\W\d_]+")
# A line of a program says nothing about the language that people read.
PROGRAM = re.compile(r"[{}=_<>\[\]\\|]|;\s*$|\w\(|^\s*(?:def|import|return|for|if|else|class|from|print)\b.*[:)]?$")

LEAST_LETTERS, LEAST_WORDS = 40, 20
MAIN_SHARE = 0.7
"""A script with fewer of the letters is one of several."""
LEAST_SHARE, LEAD = 0.15, 2
"""What share of the words are small words of the language (prose has three or four in ten); and how many times those of the next best language
they are, without the words that both have."""


def guess_language(texts: Iterable[str]) -> str:
    """ISO 639-1 code of the language that most of the texts are in, "" where that is not sure: too little, a mixture, a program."""
    text = "\n".join(line for one in texts for line in one.splitlines() if not PROGRAM.search(line)).lower()
    letters = Counter({name: len(found) for name, pattern in COUNTED.items() if (found := pattern.findall(text))})
    words = WORD.findall(text)
    everything = sum(map(len, words))
    letters["Latin"] = max(0, everything - letters.total())
    # A word of another language weighs by its letters; Chinese and Japanese need fewer of them.
    if everything < LEAST_LETTERS and letters["Han"] + letters["Kana"] + letters["Hangul"] < LEAST_LETTERS // 2:
        return ""
    if letters["Han"] + letters["Kana"] > MAIN_SHARE * everything:
        return "ja" if letters["Kana"] > 0.1 * (letters["Han"] + letters["Kana"]) else "zh"
    script, count = letters.most_common(1)[0]
    if count < MAIN_SHARE * everything:
        return ""
    if script == "Latin":
        return _by_words(words, LATIN_WORDS)
    if script in OTHER_WORDS:
        return _by_words(words, OTHER_WORDS[script])
    return {"Hangul": "ko"}.get(script, script)


def language_finding(code: str, languages: str) -> Finding | None:
    """What to say of data in the language `code` for a base model of these languages, as the catalogue puts them. None where all is well or
    where it is not known."""
    known = languages_known(languages)
    if code not in NAMES or not known or code in known:
        return None
    message = f"Your text looks {NAMES[code]}; this base model was made for {languages}."
    return Finding("language", 0, (), message, "It learns much less from a language that it hardly knows.", "Choose another model")


def _by_words(words: Sequence[str], languages: Mapping[str, str]) -> str:
    """The language whose small words are most frequent, if it leads clearly."""
    counts = Counter(words)
    if counts.total() < LEAST_WORDS:
        return ""
    hits = {code: sum(counts[word] for word in set(small.split())) for code, small in languages.items()}
    ranked = sorted(languages, key=lambda code: -hits[code])
    best, next_best = (set(languages[code].split()) for code in ranked[:2])
    own, others = (sum(counts[word] for word in only) for only in (best - next_best, next_best - best))
    return ranked[0] if hits[ranked[0]] >= LEAST_SHARE * counts.total() and own >= LEAD * max(1, others) else ""
