"""The names that columns have in the data people bring, in several languages, and what each of them holds."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from typing import Any


def plain_name(column: str) -> str:
    """The name as it is compared: without capitals, accents, spaces, underscores, hyphens and other signs."""
    return "".join(c for c in unicodedata.normalize("NFKD", column).casefold() if c.isalnum())


def _plain(*groups: str) -> tuple[str, ...]:
    """Names given as "one, another"."""
    return tuple(dict.fromkeys(plain_name(name) for group in groups for name in group.split(",")))


def _pairs(*groups: str) -> tuple[tuple[str, str], ...]:
    """Pairs given as "one / other, one / other"."""
    halves = (pair.partition("/") for group in groups for pair in group.split(","))
    return tuple((plain_name(asked), plain_name(answered)) for asked, _, answered in halves)


QUESTIONS = _plain(
    "question, questions, prompt, prompts, instruction, instructions, query, queries, request, user message, user input, user prompt",
    "customer question, customer message, inquiry, enquiry, problem, input, inputs, q",
    "frage, fragen, kundenfrage, anfrage, eingabe, aufgabe, problème, demande, requête, entrée",
    "pregunta, preguntas, consulta, entrada, enunciado, domanda, domande, richiesta, pergunta, perguntas",
    "vraag, vragen, fråga, frågor, spørgsmål, spørsmål, kysymys, pytanie, pytania, otázka, otázky, întrebare, întrebări, kérdés",
    "soru, sorular, вопрос, вопросы, питання, ερώτηση, câu hỏi, pertanyaan, soalan, swali",
    "问题, 提问, 問題, 質問, 问, 指令, 질문, سؤال, السؤال, سوال, प्रश्न, सवाल, প্রশ্ন, שאלה, คำถาม",
)
ANSWERS = _plain(
    "answer, answers, response, responses, completion, completions, output, outputs, reply, replies, assistant message",
    "assistant response, bot response, model response, model answer, best answer, correct answer, solution, target, targets, a",
    "antwort, antworten, unsere antwort, ausgabe, lösung, erwiderung, réponse, réponses, sortie",
    "respuesta, respuestas, salida, solución, contestación, risposta, risposte, resposta, respostas, saída",
    "antwoord, antwoorden, svar, vastaus, odpowiedź, odpowiedzi, odpověď, odpovědi, răspuns, răspunsuri, válasz",
    "cevap, cevaplar, yanıt, ответ, ответы, відповідь, απάντηση, câu trả lời, trả lời, jawaban, jawapan, jibu",
    "答案, 回答, 答え, 答, 回复, 답변, 대답, جواب, الجواب, إجابة, الإجابة, پاسخ, उत्तर, जवाब, উত্তর, תשובה, คำตอบ",
)
ASKERS = _plain("user, human, customer, client, visitor, prompter, kunde, kundin, gast, usuario, utilisateur, client")
REPLIERS = _plain("assistant, bot, chatbot, gpt, chatgpt, model, ai, agent, support, asistente")
TEXTS = _plain(
    "text, texts, sentence, sentences, review, reviews, review text, review body, comment, comments, tweet, message, content",
    "utterance, statement, headline, post, email, body, question, query, document, article",
    "satz, sätze, bewertung, kommentar, nachricht, rezension, texte, phrase, avis, commentaire, texto, frase, reseña, comentario",
    "testo, recensione, avaliação, comentário, tekst, zin, текст, отзыв, 文本, 评论, 内容, テキスト, 텍스트, نص",
)
LABELS = _plain(
    "label, labels, label text, label name, class, category, categories, sentiment, target, intent, topic, emotion, rating, stars, star rating",
    "tag, spam, klasse, kategorie, stimmung, gefühl, thema, étiquette, catégorie, classe, sujet, etiqueta, categoría, clase, sentimiento",
    "etichetta, categoria, sentimento, categorie, метка, категория, 标签, 类别, ラベル, 라벨",
)
SYSTEM = _plain("system, system prompt, system message, system instruction, systemnachricht")
CONTEXT = _plain("context, passage, kontext, contexte, contexto, contesto")
CONVERSATIONS = _plain("conversations, conversation, dialog, dialogs, dialogue, dialogues, contents, data, turns, chat, chats, thread, gespräch")
PROMPTS = (*_plain("prompt, question, instruction, query, input, user"), *CONVERSATIONS)

PAIRS = _pairs(
    "message/response, message/reply, context/response, text/response, post/reply, comment/reply, email/reply",
    "article/highlights, article/summary, document/summary, dialogue/summary, dialog/summary, text/summary, content/summary, source/summary",
    "artikel/zusammenfassung, text/zusammenfassung, texte/résumé, article/résumé, texto/resumen, texto/resumo, testo/riassunto",
    "source/target, term/definition, word/definition, begriff/definition, docstring/code, english/sql",
)
"""Names that tell a question and an answer only where both stand there."""

LANGUAGES = {
    "ar": "Arabic", "bg": "Bulgarian", "bn": "Bengali", "ca": "Catalan", "cs": "Czech", "da": "Danish", "de": "German", "el": "Greek",
    "en": "English", "es": "Spanish", "et": "Estonian", "fa": "Persian", "fi": "Finnish", "fr": "French", "he": "Hebrew", "hi": "Hindi",
    "hr": "Croatian", "hu": "Hungarian", "id": "Indonesian", "it": "Italian", "ja": "Japanese", "ko": "Korean", "lt": "Lithuanian",
    "lv": "Latvian", "nl": "Dutch", "no": "Norwegian", "pl": "Polish", "pt": "Portuguese", "ro": "Romanian", "ru": "Russian", "sk": "Slovak",
    "sl": "Slovenian", "sr": "Serbian", "sv": "Swedish", "sw": "Swahili", "th": "Thai", "tr": "Turkish", "uk": "Ukrainian", "ur": "Urdu",
    "vi": "Vietnamese", "zh": "Chinese",
}  # fmt: skip
OWN_NAMES = {
    "deutsch": "German", "englisch": "English", "französisch": "French", "spanisch": "Spanish", "italienisch": "Italian",
    "français": "French", "anglais": "English", "allemand": "German", "español": "Spanish", "inglés": "English", "italiano": "Italian",
    "português": "Portuguese", "nederlands": "Dutch", "polski": "Polish", "русский": "Russian", "中文": "Chinese", "日本語": "Japanese",
}  # fmt: skip
LANGUAGE_OF = {
    **{plain_name(name): name for name in LANGUAGES.values()},
    **{plain_name(own): name for own, name in OWN_NAMES.items()},
    **LANGUAGES,
}

MESSAGES_ELSEWHERE = _plain("messages, chosen, rejected, preferred output, rejected text, translation, history, message id, parent id, role, weight")
ORDINARY = _plain(
    "id, ids, index, idx, nr, num, number, key, uid, uuid, name, names, first name, last name, date, time, timestamp, datetime",
    "created at, year, month, day, week, url, link, title, subject, source, author, email, e-mail, phone, address, city, country, state",
    "language, lang, price, amount, total, quantity, status, type, score, value, note, notes, description, keywords, file, file name",
    "page, chapter, section, order, version, group, speaker, split, length, count, explanation, example, examples, hint, product",
    "order id, department, priority, gender, age, reason, summary, data set",
    "nummer, vorname, nachname, datum, zeit, uhrzeit, zeitstempel, jahr, titel, betreff, quelle, autor, telefon, adresse, stadt, ort, land",
    "sprache, preis, betrag, menge, typ, art, wert, notiz, bemerkung, beschreibung, seite, kapitel, abteilung, produkt, beispiel",
    "nom, prénom, heure, année, titre, auteur, ville, pays, langue, prix, quantité, remarque, produit, exemple",
    "nombre, apellido, fecha, hora, año, título, fuente, ciudad, país, idioma, precio, cantidad, estado, tipo, nota, descripción, producto",
    "cliente, nome, cognome, anno, titolo, città, paese, lingua, prezzo, quantità, stato, descrizione, prodotto, naam, taal, prijs",
    "имя, дата, 编号, 序号, 名称, 日期, 标题, 番号, 名前, 日付, 번호, 이름, 날짜, الاسم, التاريخ",
)
_ROLES = (QUESTIONS, ANSWERS, ASKERS, REPLIERS, TEXTS, LABELS, SYSTEM, CONTEXT, CONVERSATIONS, MESSAGES_ELSEWHERE, ORDINARY, *PAIRS)
KNOWN = frozenset(name for names in _ROLES for name in names)
"""All names above but languages: a first row that holds one of them is seldom data."""


def column_index(columns: Iterable[str]) -> dict[str, str]:
    """Plain name -> the first column that is called so."""
    index: dict[str, str] = {}
    for column in columns:
        index.setdefault(plain_name(column), column)
    return index


def first_named(index: Mapping[str, str], names: Sequence[str]) -> str:
    """The column with the first of `names` that there is, or ""."""
    return next((index[name] for name in names if name in index), "")


def language(column: str) -> str:
    """The language that a column is called by: "French" for "fr", "fr_FR" and "Français"; "" for other names."""
    name = column.strip()
    code = name[:2] if len(name) == 5 and name[2] in "_-" else name
    return LANGUAGE_OF.get(plain_name(code), "")


def translate_task(first: str, second: str) -> str:
    """What the model is told where two columns hold the same in two languages; "" where they do not."""
    source, target = language(first), language(second)
    return f"Translate from {source} to {target}." if source and target and source != target else ""


def values_of(sample: Iterable[Mapping[str, Any]], column: str) -> list[Any]:
    """What the rows hold there, without null and empty texts."""
    return [value for row in sample if (value := row.get(column)) is not None and value != ""]
