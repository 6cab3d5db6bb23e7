"""One row of every layout, with the conversation that must come of it."""

from __future__ import annotations

from data.tables import msgs, said, talk

HELLO = talk("user: Hi", "assistant: Hello")
TWICE = talk("user: Hi", "assistant: Hello", "user: Bye", "assistant: See you")
KIND = talk("system: Be kind", "user: Hi", "assistant: Hello")
FORMATS = [
    # Messages
    ("messages", {"messages": msgs("system: Be kind", "user: Hi", "assistant: Hello")}, KIND),
    ("messages", {"messages": msgs("user: Hi", "assistant: Hello"), "system": "Be kind", "tools": []}, KIND),
    ("messages", {"messages": [{"role": "user", "content": [{"type": "text", "text": "Hi"}], "name": "Ann"}, *msgs("assistant: Hello")]}, HELLO),
    ("messages", {"chat log": msgs("user: Hi", "assistant: Hello"), "id": 1}, HELLO),
    ("messages", {"prompt": "Hi", "messages": msgs("user: Hi", "assistant: Hello"), "chosen": [], "rejected": []}, HELLO),
    # ShareGPT and its variants
    ("sharegpt", {"conversations": said("human: Hi", "gpt: Hello")}, HELLO),
    ("sharegpt", {"conversations": said("human: Hi", "gpt: Hello"), "system": "Be kind", "tools": "[]", "id": "x1"}, KIND),
    ("sharegpt", {"conversations": said("system: Be kind", "human: Hi", "gpt: Hello")}, KIND),
    ("sharegpt", {"conversation": [{"role": "human", "value": "Hi"}, {"role": "gpt", "value": "Hello"}], "system": ""}, HELLO),
    ("sharegpt", {"conversation": msgs("user: Hi", "assistant: Hello")}, HELLO),
    ("sharegpt", {"conversations": ["Hi", "Hello"], "source": "lima"}, HELLO),
    ("sharegpt", {"conversation": [{"human": "Hi", "assistant": "Hello"}, {"human": "Bye", "assistant": "See you"}]}, TWICE),
    (
        "sharegpt",
        {
            "systemInstruction": {"parts": [{"text": "Be kind"}]},
            "contents": [{"role": r, "parts": [{"text": t}]} for r, t in (("user", "Hi"), ("model", "Hello"))],
        },
        KIND,
    ),
    # Texts in turn
    ("sharegpt", {"id": "0", "data": ["Hi", "Hello", "Bye", "See you"]}, TWICE),
    ("sharegpt", {"dialog": ["Hi", "Hello"], "act": [0, 1]}, HELLO),
    ("sharegpt", {"dialogue": ["Hi", "Hello"]}, HELLO),
    # Instructions
    ("instruction", {"instruction": "Add", "input": "1, 2", "output": "3"}, talk("user: Add\n\n1, 2", "assistant: 3")),
    ("instruction", {"instruction": "Hi", "input": "", "output": "Hello", "text": "Below is an instruction."}, HELLO),
    ("instruction", {"system": "Be kind", "instruction": "Hi", "output": "Hello"}, KIND),
    ("instruction", {"instruction": "Bye", "input": "", "output": "See you", "history": [["Hi", "Hello"]]}, TWICE),
    ("instruction", {"instruction": "Hi", "output": "Hello", "history": []}, HELLO),
    ("instruction", {"instruction": "Hi", "context": "", "response": "Hello", "category": "open_qa"}, HELLO),
    ("instruction", {"instruction": "Who?", "context": "Ann did.", "response": "Ann"}, talk("user: Who?\n\nAnn did.", "assistant: Ann")),
    # Prompts and completions
    ("prompt-completion", {"prompt": "Hi", "completion": " Hello"}, HELLO),
    ("prompt-completion", {"prompt": msgs("system: Be kind", "user: Hi"), "completion": msgs("assistant: Hello")}, KIND),
    ("prompt-completion", {"prompt": "Hi", "completion": msgs("assistant: Hello")}, HELLO),
    # Questions and answers
    ("question-answer", {"Question": "Hi", "Answer": "Hello", "id": 3}, HELLO),
    ("question-answer", {"q": "1+1", "a": 2}, talk("user: 1+1", "assistant: 2")),
    ("question-answer", {"prompt": "Hi", "response": "Hello"}, HELLO),
    ("question-answer", {"query": "Hi", "response": "Hello"}, HELLO),
    ("question-answer", {"input": "Hi", "output": "Hello"}, HELLO),
    ("question-answer", {"inputs": "Hi", "targets": "Hello"}, HELLO),
    ("question-answer", {"problem": "Hi", "solution": "Hello"}, HELLO),
    ("question-answer", {"Context": "Hi", "Response": "Hello"}, HELLO),
    ("question-answer", {"user": "ann", "message": "Hi", "reply": "Hello"}, HELLO),
    ("question-answer", {"human": "Hi", "assistant": "Hello"}, HELLO),
    ("question-answer", {"User": "Hi", "Bot": "Hello"}, HELLO),
    ("question-answer", {"source": "Hi", "target": "Hello"}, HELLO),
    ("question-answer", {"USER_MESSAGE": "Hi", "bot-response": "Hello", "System Prompt": "Be kind"}, KIND),
    ("question-answer", {"Frage": "Hi", "Antwort": "Hello"}, HELLO),
    ("question-answer", {"Kundenfrage": "Hi", "Unsere Antwort": "Hello"}, HELLO),
    ("question-answer", {"question": "Hi", "Réponse": "Hello"}, HELLO),
    ("question-answer", {"demande": "Hi", "reponse": "Hello"}, HELLO),
    ("question-answer", {"Pregunta": "Hi", "Respuesta": "Hello"}, HELLO),
    ("question-answer", {"domanda": "Hi", "risposta": "Hello"}, HELLO),
    ("question-answer", {"Pergunta": "Hi", "Resposta": "Hello"}, HELLO),
    ("question-answer", {"vraag": "Hi", "antwoord": "Hello"}, HELLO),
    ("question-answer", {"pytanie": "Hi", "odpowiedź": "Hello"}, HELLO),
    ("question-answer", {"вопрос": "Hi", "ответ": "Hello"}, HELLO),
    ("question-answer", {"问题": "Hi", "答案": "Hello"}, HELLO),
    ("question-answer", {"質問": "Hi", "回答": "Hello"}, HELLO),
    ("question-answer", {"질문": "Hi", "답변": "Hello"}, HELLO),
    ("question-answer", {"السؤال": "Hi", "الجواب": "Hello"}, HELLO),
    ("question-answer", {"प्रश्न": "Hi", "उत्तर": "Hello"}, HELLO),
    # A question on a text: the text stands in the question, not in the instructions
    (
        "question-answer",
        {"id": "1", "context": "Ann did.", "question": "Who?", "answers": {"text": ["Ann", "Ann"], "answer_start": [0, 0]}},
        talk("user: Who?\n\nAnn did.", "assistant: Ann"),
    ),
    ("question-answer", {"question": "Who?", "answer": ["Ann"]}, talk("user: Who?", "assistant: Ann")),
    # Summaries
    ("question-answer", {"article": "Long", "highlights": "Short", "id": "x"}, talk("user: Long", "assistant: Short")),
    ("question-answer", {"document": "Long", "summary": "Short"}, talk("user: Long", "assistant: Short")),
    ("question-answer", {"dialogue": "A: Hi\nB: Hello", "summary": "Greetings"}, talk("user: A: Hi\nB: Hello", "assistant: Greetings")),
    # Translations
    ("translation", {"translation": {"en": "Yes", "fr": "Oui"}}, talk("system: Translate from English to French.", "user: Yes", "assistant: Oui")),
    ("translation", {"translation": {"en": "Yes", "xx": "Ja"}}, talk("system: Translate from en to xx.", "user: Yes", "assistant: Ja")),
    # Better and worse answers
    ("preference", {"prompt": "Hi", "chosen": "Hello", "rejected": "No"}, HELLO),
    ("preference", {"system": "Be kind", "question": "Hi", "chosen": "Hello", "rejected": "No"}, KIND),
    ("preference", {"prompt": msgs("user: Hi"), "chosen": msgs("assistant: Hello"), "rejected": msgs("assistant: No")}, HELLO),
    ("preference", {"prompt": "Hi", "chosen": msgs("user: Hi", "assistant: Hello"), "rejected": msgs("user: Hi", "assistant: No")}, HELLO),
    ("preference", {"chosen": msgs("user: Hi", "assistant: Hello"), "rejected": msgs("user: Hi", "assistant: No")}, HELLO),
    ("preference", {"chosen": "\n\nHuman: Hi\n\nAssistant: Hello", "rejected": "\n\nHuman: Hi\n\nAssistant: No"}, HELLO),
    ("preference", {"prompt": "\n\nHuman: Hi\n\nAssistant:", "chosen": " Hello", "rejected": " No"}, HELLO),
    ("preference", {"prompt": "Hi", "text": "Hello", "rejected_text": "No"}, HELLO),
    (
        "preference",
        {"conversations": said("human: Hi"), "chosen": {"from": "gpt", "value": "Hello"}, "rejected": {"from": "gpt", "value": "No"}},
        HELLO,
    ),
    (
        "preference",
        {
            "input": {"messages": msgs("user: Hi"), "tools": []},
            "preferred_output": msgs("assistant: Hello"),
            "non_preferred_output": msgs("assistant: No"),
        },
        HELLO,
    ),
    ("kto", {"prompt": "Hi", "completion": "Hello", "label": True}, HELLO),
    ("kto", {"prompt": msgs("user: Hi"), "completion": msgs("assistant: Hello"), "label": "True"}, HELLO),
    # Marks in one text
    ("marked-text", {"text": "### Human: Hi### Assistant: Hello"}, HELLO),
    (
        "marked-text",
        {"text": "<|im_start|>system\nBe kind<|im_end|>\n<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\nHello<|im_end|>\n"},
        KIND,
    ),
    ("marked-text", {"text": "<s>[INST] <<SYS>>\nBe kind\n<</SYS>>\n\nHi [/INST] Hello </s>"}, KIND),
    ("marked-text", {"text": "<s>[INST] Hi [/INST] Hello </s><s>[INST] Bye [/INST] See you </s>"}, TWICE),
]
