"""What WhatsApp itself writes into an exported chat, in English, German, Spanish, French, Italian and Portuguese."""

from __future__ import annotations

import re

from qlora_demo.data.exports.parts import BESIDE, DELETED, MEDIA

THINGS = (
    *("image", "video", "audio", "gif", "sticker", "document", "contact card", "media", "video note", "video message", "voice message"),
    *("view once message", "view once voice message"),
    *("bild", "dokument", "kontaktkarte", "medien", "videonachricht", "sprachnachricht"),
    *("imagen", "vídeo", "documento", "tarjeta de contacto", "multimedia", "nota de video", "pegatina", "archivo"),
    *("vidéo", "carte de contact", "fiche contact", "médias", "média", "message vocal", "autocollant"),
    *("immagine", "scheda contatto", "biglietto da visita", "adesivo", "videomessaggio"),
    *("imagem", "áudio", "figurinha", "autocolante", "cartão de contato", "cartão do contato", "cartão de contacto", "mídia", "mensagem de vídeo"),
    *("arquivo de mídia", "arquivo", "ficheiro", "ficheiro de multimédia", "multimédia"),
)
OMITTED = (
    *("omitted", "weggelassen", "ausgeschlossen", "ausgelassen", "omitid[oa]s?", "omise?s?", "absente?s?", "retirée?", "omess[oaie]", "esclus[oaie]"),
    *("non inclus[oaie]", "ocultad[oa]s?", "ocult[oa]s?", "não revelad[oa]", "no revelado"),
)
ATTACHED = ("file attached", "datei angehängt", "archivo adjunto", "fichier joint", "file allegato", "arquivo anexado", "ficheiro anexado")
ATTACHMENT = ("attached", "anhang", "angehängt", "adjunto", "pièce jointe", "allegato", "anexado", "anexo")
EDITED = (
    *("this message was edited", "diese nachricht wurde bearbeitet", "se editó este mensaje", "este mensaje fue editado"),
    *("ce message a été modifié", "questo messaggio è stato modificato", "mensagem editada", "esta mensagem foi editada"),
)
REMOVED = (
    *("this message was deleted", "you deleted this message", "message deleted", "this message was deleted by admin .{1,60}"),
    *("diese nachricht wurde gelöscht", "du hast diese nachricht gelöscht", "nachricht gelöscht", "diese nachricht wurde von admin .{1,60} gelöscht"),
    *("se eliminó este mensaje", "este mensaje fue eliminado", "(?:tú )?eliminaste este mensaje", "mensaje eliminado"),
    *("ce message a été supprimé", "vous avez supprimé ce message", "message supprimé"),
    *("questo messaggio è stato eliminato", "hai eliminato questo messaggio", "messaggio eliminato"),
    *("mensagem apagada", "(?:esta|essa) mensagem foi apagada", "(?:você )?apagou esta mensagem", "apagaste esta mensagem", "eliminou esta mensagem"),
)
NOTICES = (
    *("messages and calls are end-to-end encrypted", "messages to this (?:chat|group) and calls are now secured", "waiting for this message"),
    *("nachrichten und anrufe sind ende-zu-ende", "nachrichten in diesem chat sowie anrufe sind", "warte auf diese nachricht"),
    *("los mensajes y las llamadas están cifrados", "esperando (?:el|este) mensaje"),
    *("les messages et les appels sont chiffrés", "les messages et appels sont chiffrés", "en attente de ce message"),
    *("i messaggi e le chiamate sono crittografati", "in attesa del messaggio"),
    *("as mensagens e (?:as )?(?:chamadas|ligações) são", "aguardando (?:a |esta )?mensagem"),
)
POLL = ("poll", "umfrage", "encuesta", "sondage", "sondaggio", "enquete", "sondagem")
MARKS = re.compile("[\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff]")
"""Signs for the direction of writing, which nobody sees."""
BLANK = " \t\r\n\u00a0\u202f\u200e"


def _one_of(words: tuple[str, ...]) -> str:
    return f"(?:{'|'.join(words)})"


OMITTED_MEDIA = rf"{_one_of(THINGS)}\s{_one_of(OMITTED)}\.?"
ATTACHED_FILE = rf"<{_one_of(ATTACHMENT)}\s?:\s?[^<>\n]{{1,260}}>"
FILE_ENDINGS = "pdf|docx?|xlsx?|pptx?|odt|txt|csv|zip|apk|epub|vcf|jpe?g|png|gif|webp|heic|mp[34]|mov|m4a|aac|opus|ogg"
EDITED_END = re.compile(rf"<{_one_of(EDITED)}\.?>$", re.IGNORECASE)
DELETED_MESSAGE = re.compile(rf"{_one_of(REMOVED)}\.?", re.IGNORECASE)
NOTICE = re.compile(_one_of(NOTICES), re.IGNORECASE)
POLL_START = re.compile(rf"{_one_of(POLL)}:\s*\n", re.IGNORECASE)
MEDIA_ALONE = re.compile(
    rf"<?{OMITTED_MEDIA}>?|null|\w+:\s?https://maps\.google\.com/\S+|[^\n]+\.\w{{1,5}}\s(?:•\s[^\n]*)?{OMITTED_MEDIA}", re.IGNORECASE
)
MEDIA_FIRST = re.compile(rf"(?:<{OMITTED_MEDIA}>|{ATTACHED_FILE}|[^\n]{{1,200}}\.\w{{1,5}} \({_one_of(ATTACHED)}\))(?:\n|$)", re.IGNORECASE)
MEDIA_LAST = re.compile(rf"(?:\u200e{OMITTED_MEDIA}|{ATTACHED_FILE})$", re.IGNORECASE)
FILE_NAME = re.compile(rf"[^\n]{{1,200}}\.(?:{FILE_ENDINGS})(?:\s•[^\n]*)?", re.IGNORECASE)
SHORT, END = 500, 300
"""Characters: of a message that can be one of the program's own as a whole, and of what it puts at the end of one."""


def cleaned(text: str) -> str:
    """Without the invisible signs of writing direction."""
    return MARKS.sub("", text).strip()


def read_body(body: str, ios: bool) -> tuple[str, str] | None:
    """(what the person wrote, why something is missing) of one message, None where the program wrote it. An iPhone puts a U+200E before what it
    writes itself."""
    body = _without_end(EDITED_END, body)
    text = cleaned(body)
    short = text if len(text) <= SHORT else ""
    if DELETED_MESSAGE.fullmatch(short):
        return "", DELETED
    if MEDIA_ALONE.fullmatch(short) or POLL_START.match(text):
        return "", MEDIA
    caption = body.lstrip(BLANK)
    if first := MEDIA_FIRST.match(caption):
        caption = caption[first.end() :]
    caption = cleaned(_without_end(MEDIA_LAST, caption))
    if caption != text:
        return ("", MEDIA) if not caption or FILE_NAME.fullmatch(caption) else (caption, BESIDE)
    written_by_program = ios and body.lstrip().startswith("\u200e")
    return None if written_by_program or NOTICE.match(text) else (text, "")


def _without_end(pattern: re.Pattern[str], text: str) -> str:
    text = text.rstrip(BLANK)
    found = pattern.search(text, max(0, len(text) - END))
    return text[: found.start()].rstrip(BLANK) if found else text
