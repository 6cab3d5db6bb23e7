"""Base weights and adapter as one model in 16 bits, a file of weights at a time: W + scale · B·A (LoRA paper, section 4.1).

Always from the base's own 16-bit weights: what is merged into 4-bit weights would be rounded to 4 bits. Sums are made in 32 bits and rounded once.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from qlora_demo.errors import ModelError
from qlora_demo.export.forms import SHARD_BYTES
from qlora_demo.models.inert import WEIGHTS, check_adapter, check_model

PREFIX = "base_model.model."
INDEX = "model.safetensors.index.json"
OTHER_NAMES = "This base model names its weights in another way than what was learned, so the two cannot be made into one. Take the add-on file."
DAMAGED = "The weights of this model are damaged and cannot be read. Train it again."
OTHER_KIND = "What this model learned is of a kind that cannot be made into one with its base. Take the add-on file."


@dataclass(frozen=True)
class Change:
    """What training adds to one weight: `scale` times `up` (out, rank) times `down` (rank, in)."""

    down: torch.Tensor
    up: torch.Tensor
    scale: float

    def added_to(self, weight: torch.Tensor) -> torch.Tensor:
        """In 32 bits."""
        return torch.addmm(weight.float(), self.up.float(), self.down.float(), alpha=self.scale)


def merge(base: Path, adapter: Path, out: Path, dtype: torch.dtype, tell: Callable[[float], None]) -> None:
    """Writes weights, their index and config.json into the folder `out`; `tell` hears the share that is done. Raises ModelError."""
    check_model(base)
    check_adapter(adapter)
    try:
        changes = read_changes(adapter)
        places = _places(base)
        names = _names(changes, places)
        _write(_merged(places, {names[weight]: change for weight, change in changes.items()}, dtype), out, _total(places), tell)
    except SafetensorError as error:
        raise ModelError(DAMAGED) from error
    config = json.loads((base / "config.json").read_text(encoding="utf-8"))
    config |= {"dtype": str(dtype).removeprefix("torch."), "use_cache": True}
    for unwanted in ("_name_or_path", "_model_name_or_path", "torch_dtype", "quantization_config"):
        config.pop(unwanted, None)
    (out / "config.json").write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")


def read_changes(adapter: Path) -> dict[str, Change]:
    """What an adapter adds, by the name of the weight as PEFT calls it. Raises ModelError for what is more than plain LoRA."""
    config = json.loads((adapter / "adapter_config.json").read_text(encoding="utf-8"))
    if any(config.get(key) for key in ("use_dora", "fan_in_fan_out", "modules_to_save", "rank_pattern", "alpha_pattern", "layer_replication")):
        raise ModelError(OTHER_KIND)
    scale = config["lora_alpha"] / (math.sqrt(config["r"]) if config.get("use_rslora") else config["r"])
    changes: dict[str, Change] = {}
    with safe_open(adapter / WEIGHTS, framework="pt") as file:
        downs = [name for name in file.keys() if name.endswith(".lora_A.weight")]  # noqa: SIM118 (no dict)
        if 2 * len(downs) != len(file.keys()):
            raise ModelError(OTHER_KIND)
        for name in downs:
            weight = name.removeprefix(PREFIX).replace(".lora_A.weight", ".weight")
            changes[weight] = Change(file.get_tensor(name), file.get_tensor(name.replace(".lora_A.", ".lora_B.")), scale)
    return changes


def _places(base: Path) -> dict[str, Path]:
    """For every weight of the base the file that it is in, in the order of the files."""
    places = {}
    for path in sorted(base.glob("*.safetensors")):
        with safe_open(path, framework="pt") as file:
            places |= {name: path for name in file.keys()}  # noqa: SIM118
    return places


def _names(changes: dict[str, Change], places: dict[str, Path]) -> dict[str, str]:
    """Under which name the base's files have each changed weight: the same, or with another beginning. Raises ModelError."""
    found = {}
    for weight in changes:
        layer = weight[weight.find("layers.") :]
        same = [weight] if weight in places else [name for name in places if name.endswith(layer)]
        if len(same) != 1:
            raise ModelError(OTHER_NAMES)
        found[weight] = same[0]
    return found


def _merged(places: dict[str, Path], changes: dict[str, Change], dtype: torch.dtype) -> Iterator[tuple[str, torch.Tensor]]:
    for path in dict.fromkeys(places.values()):
        with safe_open(path, framework="pt") as file:
            for name in file.keys():  # noqa: SIM118
                weight = file.get_tensor(name)
                whole = changes[name].added_to(weight) if name in changes else weight
                yield name, whole.to(dtype) if whole.is_floating_point() else whole


def _total(places: dict[str, Path]) -> int:
    return sum(path.stat().st_size for path in set(places.values()))


def _write(weights: Iterator[tuple[str, torch.Tensor]], out: Path, total: int, tell: Callable[[float], None]) -> None:
    """Files of SHARD_BYTES at most, as transformers names them; one alone has no number."""
    shards: list[list[str]] = []
    part: dict[str, torch.Tensor] = {}
    size = written = 0

    def flush() -> None:
        nonlocal part, size, written
        save_file(part, out / f"part-{len(shards)}.safetensors", metadata={"format": "pt"})
        shards.append(list(part))
        written += size
        tell(min(1.0, written / total))
        part, size = {}, 0

    for name, weight in weights:
        if part and size + weight.nbytes > SHARD_BYTES:
            flush()
        part[name] = weight.contiguous()
        size += weight.nbytes
    flush()
    if len(shards) == 1:
        (out / "part-0.safetensors").rename(out / "model.safetensors")
        return
    index: dict[str, Any] = {"metadata": {"total_size": written}, "weight_map": {}}
    for number, names in enumerate(shards):
        final = f"model-{number + 1:05}-of-{len(shards):05}.safetensors"
        (out / f"part-{number}.safetensors").rename(out / final)
        index["weight_map"] |= dict.fromkeys(names, final)
    (out / INDEX).write_text(json.dumps(index, indent=2) + "\n", encoding="utf-8")
