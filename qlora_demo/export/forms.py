"""The forms in which a finished model can be taken along, and what each takes to make: arithmetic on the base model's dimensions."""

from __future__ import annotations

from dataclasses import dataclass

from qlora_demo.catalogue import Dimensions
from qlora_demo.errors import RecipeError
from qlora_demo.recipe import Recipe

QUANTS = ("q8_0", "f16")
SHARD_BYTES = 1_000_000_000
"""Of merged weights in one file, and so in memory at once."""
LIBRARIES_BYTES = 1_000_000_000
"""What a process holds once torch and transformers are imported, and the converter beside it."""
START_SECONDS, BYTES_A_SECOND = 5.0, 100e6
"""By the bundled model on two cores, from command to file: 9 s for q8_0, which writes 0.4 GB; 3 s for the whole model, which writes 0.3 GB."""
TOKENIZER_BYTES = 15_000_000


@dataclass(frozen=True)
class Form:
    """`key` is its folder's name. `bits` a number of the whole model takes, 0 where it is an adapter alone."""

    key: str
    name: str
    bits: float = 0.0
    gguf: bool = False

    def bytes(self, dimensions: Dimensions, recipe: Recipe) -> int:
        """Of the files, about. Adapters are written in 16 bits, as GGUF in 32."""
        if not self.bits:
            return dimensions.adapter_parameters(recipe.rank) * (4 if self.gguf else 2)
        return round(dimensions.parameters() * self.bits / 8) + TOKENIZER_BYTES

    def disk_bytes(self, dimensions: Dimensions, recipe: Recipe) -> int:
        """While it is made: before a GGUF file, the merged model is written."""
        return self.bytes(dimensions, recipe) + (2 * dimensions.parameters() if self.gguf and self.bits else 0)

    def seconds(self, dimensions: Dimensions, recipe: Recipe) -> float:
        """About, on a common disk and processor; the first GGUF file of a home fetches the converter too."""
        return START_SECONDS + self.disk_bytes(dimensions, recipe) / BYTES_A_SECOND

    def memory_bytes(self, dimensions: Dimensions) -> int:
        """At the highest point: one file's weights and the largest matrix twice in 32 bits. The model as a whole is never in memory."""
        largest = dimensions.vocabulary * dimensions.hidden
        return LIBRARIES_BYTES + (SHARD_BYTES + 2 * 4 * largest if self.bits else 0)


ADAPTER = Form("adapter", "Add-on file (adapter)")
MERGED = Form("merged", "Whole model", bits=16)
GGUF_Q8 = Form("gguf-q8_0", "For Ollama, llama.cpp", bits=8.5, gguf=True)
GGUF_F16 = Form("gguf-f16", "For Ollama, llama.cpp, in 16 bits", bits=16, gguf=True)
GGUF_ADAPTER = Form("gguf-adapter", "Add-on for llama.cpp", gguf=True)
FORMS = (ADAPTER, MERGED, GGUF_Q8, GGUF_F16, GGUF_ADAPTER)


def forms_of(method: str) -> tuple[Form, ...]:
    """What a run of this method can be made into: full training leaves no adapter."""
    return tuple(form for form in FORMS if form.bits or method != "full")


def find_form(key: str, method: str) -> Form:
    """Raises RecipeError with those there are."""
    for form in forms_of(method):
        if form.key == key:
            return form
    there = ", ".join(form.key for form in forms_of(method))
    raise RecipeError(f"This model cannot be had as {key!r}. There are: {there}.")


def key_of(to: str, quant: str = "") -> str:
    """The form's key from a command's words: adapter, merged or gguf, and for the last q8_0, f16 or adapter. Raises RecipeError."""
    if to != "gguf":
        if quant:
            raise RecipeError(f"--quant is for --to gguf; {to!r} has no such choice.")
        return to
    if quant not in (*QUANTS, "adapter", ""):
        raise RecipeError(f"There is no {quant!r} here. Choose --quant q8_0 (smaller), f16 or adapter.")
    return f"gguf-{quant or QUANTS[0]}"
