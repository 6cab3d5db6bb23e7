"""How to use a finished model elsewhere: code to copy, filled in completely, for each form that it can be had in."""

from __future__ import annotations

import json
import shlex
from dataclasses import dataclass

from qlora_demo.export.about import ADAPTER, GGUF, GGUF_ADAPTER, About, used_as
from qlora_demo.export.hub_names import proposed

QUESTION = "Hello, who are you?"
LONGEST_ANSWER = 256
"""Word pieces, as in the chat here."""
LONGEST_NAME = 64
"""Letters that Ollama and vLLM both take in a model's name, and to spare."""
MODEL_FILE = "Modelfile"
VLLM_RANKS = (8, 16, 32, 64, 128, 256, 320, 512)
"""The sizes that vLLM takes for `--max-lora-rank`."""
OLLAMA_SAMPLES = "Ollama varies its answers. For the same answer each time, type /set parameter temperature 0 first."


@dataclass(frozen=True)
class Way:
    """One program. `needs` is one plain sentence; `language` is "python" or "shell"; `note` is "" or what else should be known."""

    title: str
    needs: str
    language: str
    code: str
    note: str = ""


def ways(about: About, form: str, source: str, question: str = QUESTION) -> tuple[Way, ...]:
    """For a form's key (export/forms.py). `source` is where the files are: a folder, of GGUF the file's name; with a slash in it, it is an id of the
    model hub."""
    form = used_as(form)
    if form == ADAPTER:
        return _adapter_transformers(about, source, question), _adapter_vllm(about, source, question)
    if form == GGUF_ADAPTER:
        return _adapter_gguf(about, source, question)
    if form == GGUF:
        return _ollama(about, source, question), _llama_cpp(about, source, question), _llama_cpp_python(about, source, question)
    return _merged_transformers(about, source, question), _merged_vllm(about, source, question)


def short_name(name: str) -> str:
    """What programs may call the model."""
    return proposed(name)[:LONGEST_NAME].strip("-.")


def gguf_name(name: str, form: str) -> str:
    """What the file of a form that is GGUF is called."""
    return f"{proposed(name)}-{'q8_0' if form == GGUF else form.removeprefix(f'{GGUF}-')}.gguf"


def triple_quoted(text: str) -> str | None:
    """A text as a value of a Modelfile; None where that file cannot hold it.

    Ollama's reader (parser/parser.go) takes what stands between triple quotes as it is, but leaves out signs that cannot be seen, and ends at the
    first line that ends with three quotes.
    """
    seen = all(char.isprintable() or char in "\n\t" for char in text)
    ends = any(line.rstrip().endswith('"""') for line in text.split("\n"))
    return f'"""{text}"""' if seen and not ends else None


def messages(about: About, question: str) -> list[dict[str, str]]:
    """The conversation that is asked: the run's own instruction, where it has one, and the question."""
    system = [{"role": "system", "content": about.system_prompt}] if about.system_prompt else []
    return [*system, {"role": "user", "content": question}]


def _on_hub(source: str) -> bool:
    return "/" in source


def _python_messages(about: About, question: str) -> str:
    lines = [f'    {{"role": "{one["role"]}", "content": {one["content"]!r}}},' for one in messages(about, question)]
    return "\n".join(["messages = [", *lines, "]"])


def _options(about: About) -> str:
    """The base's template options as arguments of a Python call."""
    return "".join(f", {name}={value!r}" for name, value in about.base.template_options.items())


def _asked(about: About, question: str, options: str) -> str:
    """Rendering, answering and printing, the same for every model that transformers has loaded."""
    return f"""{_python_messages(about, question)}
inputs = tokenizer.apply_chat_template(
    messages, add_generation_prompt=True, return_dict=True, return_tensors="pt"{options}
).to(model.device)
# The same answer each time, as in the chat where it was trained.
answer = model.generate(**inputs, max_new_tokens={LONGEST_ANSWER}, do_sample=False, repetition_penalty=1.0)
print(tokenizer.decode(answer[0, inputs["input_ids"].shape[1]:], skip_special_tokens=True).strip())
"""


def _adapter_transformers(about: About, source: str, question: str) -> Way:
    base, revision = about.base.published(), about.base_revision()
    pinned = ", revision=revision" if revision else ""
    packed = about.method == "qlora"
    lines = [f"# pip install torch transformers peft accelerate{' bitsandbytes' if packed else ''}"]
    lines += ["import torch"] if packed else []
    lines += ["from peft import PeftModel"]
    lines += [f"from transformers import AutoModelForCausalLM, AutoTokenizer{', BitsAndBytesConfig' if packed else ''}", ""]
    lines += [f"base = {base!r}", *([f"revision = {revision!r}"] if revision else []), f"adapter = {source!r}", ""]
    lines += [f"tokenizer = AutoTokenizer.from_pretrained(base{pinned})"]
    if packed:
        lines += ["# Packed to 4 bits, as it was while it learned."]
        lines += ["packing = BitsAndBytesConfig("]
        lines += ['    load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_use_double_quant=True, bnb_4bit_compute_dtype=torch.bfloat16']
        lines += [")"]
    packing = ", quantization_config=packing" if packed else ""
    lines += [f'model = AutoModelForCausalLM.from_pretrained(base{pinned}, dtype="auto", device_map="auto"{packing})']
    lines += ["model = PeftModel.from_pretrained(model, adapter).eval()", ""]
    needs = "Needs Python, and fetches the base model from the model hub once."
    return Way("Python: transformers and PEFT", needs, "python", "\n".join(lines) + "\n" + _asked(about, question, _options(about)), _beside(about))


def _merged_transformers(about: About, source: str, question: str) -> Way:
    head = f"""\
# pip install torch transformers accelerate
from transformers import AutoModelForCausalLM, AutoTokenizer

model_name = {source!r}

tokenizer = AutoTokenizer.from_pretrained(model_name)
model = AutoModelForCausalLM.from_pretrained(model_name, dtype="auto", device_map="auto").eval()

"""
    return Way("Python: transformers", "Needs Python.", "python", head + _asked(about, question, _options(about)), _whole(about))


def _beside(about: About) -> str:
    """What is not quite as it was here."""
    if about.base.bundled():
        return "It learned on a copy of the base model that was rounded to 4 bits. On the published one its answers may differ in places."
    return ""


def _whole(about: About) -> str:
    if about.method == "qlora":
        return "While it learned, the base model was packed to 4 bits; here it is not. Answers may differ in places."
    return ""


def _curl(about: About, name: str, question: str) -> str:
    body = json.dumps({"model": name, "messages": messages(about, question), "temperature": 0, "max_tokens": LONGEST_ANSWER}, ensure_ascii=False)
    return f"curl http://localhost:8000/v1/chat/completions -H 'Content-Type: application/json' -d {shlex.quote(body)}\n"


def _in_vllm(about: About, model: str, options: str, name: str, question: str) -> str:
    kwargs = f" --default-chat-template-kwargs {shlex.quote(json.dumps(dict(about.base.template_options)))}" if about.base.template_options else ""
    serve = f"vllm serve {shlex.quote(model)}{options}{kwargs} --generation-config vllm"
    return f"# pip install vllm\n{serve}\n\n# In another terminal, once it says that it has started:\n{_curl(about, name, question)}"


def _adapter_vllm(about: About, source: str, question: str) -> Way:
    name, revision = short_name(about.name), about.base_revision()
    pinned = f" --revision {revision} --tokenizer-revision {revision}" if revision else ""
    rank = next(size for size in VLLM_RANKS if size >= about.recipe.rank)
    options = f"{pinned} --enable-lora --max-lora-rank {rank} --lora-modules {shlex.quote(f'{name}={source}')}"
    needs = "Needs Linux and a graphics card; serves many people at once, in the manner of OpenAI's interface."
    return Way("Server: vLLM", needs, "shell", _in_vllm(about, about.base.published(), options, name, question), _whole(about) or _beside(about))


def _merged_vllm(about: About, source: str, question: str) -> Way:
    name = short_name(about.name)
    needs = "Needs Linux and a graphics card; serves many people at once, in the manner of OpenAI's interface."
    return Way("Server: vLLM", needs, "shell", _in_vllm(about, source, f" --served-model-name {name}", name, question), _whole(about))


def _base_as_gguf(about: About, source: str) -> str:
    """The base as a GGUF file, made by llama.cpp's own script; and the add-on fetched, where it is on the hub."""
    revision = about.base_revision()
    pinned = f" --revision {revision}" if revision else ""
    fetched = f"hf download {shlex.quote(source)} --local-dir .\n" if _on_hub(source) else ""
    return (
        "# Once: the base model as a GGUF file.\n"
        "pip install huggingface_hub\n"
        "git clone --depth 1 https://github.com/ggml-org/llama.cpp\n"
        "pip install -r llama.cpp/requirements.txt\n"
        f"hf download {about.base.published()}{pinned} --local-dir base\n{fetched}"
        "python llama.cpp/convert_hf_to_gguf.py base --outtype f16 --outfile base-f16.gguf\n\n"
    )


def _adapter_gguf(about: About, source: str, question: str) -> tuple[Way, ...]:
    easier = "The form for Ollama and llama.cpp is easier: it is one file, and its Modelfile is filled in."
    file = gguf_name(about.name, GGUF_ADAPTER) if _on_hub(source) else source
    options = ""
    if about.base.template_options:
        options = f" --chat-template-kwargs {shlex.quote(json.dumps(dict(about.base.template_options)))}"
    asked = f"llama-cli -m base-f16.gguf --lora {shlex.quote(file)} --jinja{options}{_in_llama_cli(about, question)}"
    first = _base_as_gguf(about, source)
    needs = "Needs llama.cpp and Python, and fetches the base model from the model hub once."
    llama = Way("llama.cpp", needs, "shell", first + asked, easier)
    name, quoted = short_name(about.name), triple_quoted(about.system_prompt)
    lines = ["FROM ./base-f16.gguf", f"ADAPTER ./{file}", *([f"SYSTEM {quoted}"] if about.system_prompt and quoted else [])]
    made = f"printf '%s\\n' {shlex.quote(chr(10).join(lines))} > {MODEL_FILE}\nollama create {name} -f {MODEL_FILE}\n"
    run = f"ollama run {name}{' --think=false' if about.base.template_options else ''} {shlex.quote(question)}\n"
    lost = " A Modelfile cannot hold the instruction it learned with: give it in each chat." if about.system_prompt and not quoted else ""
    ollama = Way("Ollama", "Needs Ollama and Python, and fetches the base model from the model hub once.", "shell", first + made + run, easier + lost)
    return llama, ollama


def _in_llama_cli(about: About, question: str) -> str:
    system = f" -sys {shlex.quote(about.system_prompt)}" if about.system_prompt else ""
    return f"{system} -st --temp 0 -n {LONGEST_ANSWER} -p {shlex.quote(question)}\n"


def _ollama(about: About, source: str, question: str) -> Way:
    name = short_name(about.name)
    made = f"ollama create {name} -f {MODEL_FILE}\nollama run {name} {shlex.quote(question)}\n"
    if _on_hub(source):
        fetched = f"pip install huggingface_hub\nhf download {shlex.quote(source)} --local-dir {name}\ncd {name}\n"
        return Way("Ollama", "Needs Ollama, and fetches the model from the model hub once.", "shell", fetched + made, OLLAMA_SAMPLES)
    where = f"# In the folder with {MODEL_FILE} and the .gguf file:\n"
    return Way("Ollama", "Needs Ollama, and no internet.", "shell", where + made, OLLAMA_SAMPLES)


def _llama_cpp(about: About, source: str, question: str) -> Way:
    model = f"-hf {shlex.quote(source)}" if _on_hub(source) else f"-m {shlex.quote(source)}"
    code = (
        f"llama-cli {model} --jinja{_in_llama_cli(about, question)}\n"
        f"# Or as a server with a page to chat on, at http://localhost:8080\nllama-server {model} --jinja\n"
    )
    note = "On the server's page, put your instruction into its settings." if about.system_prompt else ""
    return Way("llama.cpp", "Needs llama.cpp; works without a graphics card.", "shell", code, note)


def _llama_cpp_python(about: About, source: str, question: str) -> Way:
    if _on_hub(source):
        needed, made = " huggingface_hub", f'Llama.from_pretrained({source!r}, filename="*.gguf", n_ctx=4096, verbose=False)'
    else:
        needed, made = "", f"Llama({source!r}, n_ctx=4096, verbose=False)"
    code = f"""\
# pip install llama-cpp-python{needed}
from llama_cpp import Llama

model = {made}
{_python_messages(about, question)}
answer = model.create_chat_completion(messages, temperature=0, repeat_penalty=1.0, max_tokens={LONGEST_ANSWER})
print(answer["choices"][0]["message"]["content"].strip())
"""
    return Way("Python: llama-cpp-python", "Needs Python and a C++ compiler; works without a graphics card.", "python", code)
