"""What this machine computes with: device, memory, and what is fast on it. Imports no torch: a GPU is asked through NVML and one cached child."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import psutil
import pynvml

from qlora_demo.run_dir import SCHEMA, read_json, write_json
from qlora_demo.settings import Settings
from qlora_demo.systems import free_memory, processor_flags, processor_name, usable_cores

PROBE = (
    "import json, torch\n"
    "ok = torch.cuda.is_available()\n"
    "print(json.dumps({'cuda': ok, 'capability': torch.cuda.get_device_capability()[0] if ok else 0}))\n"
)
PROBE_SECONDS = 120
AMPERE = 8
"""The first cards that compute in bf16; earlier ones train in fp16, with what learns in 32 bits."""


@dataclass(frozen=True)
class Machine:
    """`device` is "cpu" or "cuda"; `memory_bytes` is the card's or the machine's; `fast_4_bit` says whether QLoRA costs no time here, `fast_16_bit`
    whether training is in bf16 throughout; `note` is for people."""

    device: str
    name: str
    cores: int
    memory_bytes: int
    fast_4_bit: bool
    note: str = ""
    fast_16_bit: bool = True

    def free_bytes(self) -> int:
        """Memory that a new process can take now."""
        if self.device == "cuda":
            return _gpu_memory()[1]
        return free_memory()

    def title(self) -> str:
        """For the page's head: "CPU, 2 cores" or the card's name."""
        return self.name if self.device == "cuda" else f"CPU, {self.cores} core{'s' if self.cores > 1 else ''}"


def detect(settings: Settings) -> Machine:
    """This machine under these settings."""
    gpu = "" if settings.device == "cpu" else _gpu_name()
    note = ""
    if gpu:
        probe = _torch_probe(settings.home_dir() / "hardware.json", gpu)
        if probe["cuda"]:
            return Machine("cuda", gpu, os.cpu_count() or 1, _gpu_memory()[0], True, fast_16_bit=int(probe["capability"]) >= AMPERE)
        note = f"This machine has a {gpu}, but the installed torch cannot use it (its driver may be too old). Training runs on the processor."
    flags = processor_flags()
    fast_16_bit = bool(flags & {"avx512_bf16", "amx_bf16"})
    return Machine("cpu", processor_name(), usable_cores(), psutil.virtual_memory().total, "avx512f" in flags, note, fast_16_bit)


def _gpu_handle() -> object:
    """The card that a worker would use: NVML ignores CUDA_VISIBLE_DEVICES, so it is read here."""
    visible = os.environ.get("CUDA_VISIBLE_DEVICES", "0").split(",")[0]
    return pynvml.nvmlDeviceGetHandleByIndex(int(visible)) if visible.isdigit() else pynvml.nvmlDeviceGetHandleByUUID(visible)


def _gpu_name() -> str:
    """"" where there is no card or no driver."""
    try:
        pynvml.nvmlInit()
        return str(pynvml.nvmlDeviceGetName(_gpu_handle()))
    except pynvml.NVMLError:
        return ""


def _gpu_memory() -> tuple[int, int]:
    """(total, free) bytes of the card."""
    memory = pynvml.nvmlDeviceGetMemoryInfo(_gpu_handle())
    return int(memory.total), int(memory.free)


def _torch_probe(cache: Path, gpu: str) -> dict[str, object]:
    """Whether torch can use the card: asked once in a child, as importing torch takes seconds and much memory."""
    key = {"gpu": gpu, "driver": str(pynvml.nvmlSystemGetDriverVersion())}
    if cache.exists() and (known := read_json(cache)).items() >= key.items():
        return known
    done = subprocess.run([sys.executable, "-c", PROBE], capture_output=True, text=True, timeout=PROBE_SECONDS, check=False)
    answer = json.loads(done.stdout) if done.returncode == 0 else {"cuda": False, "capability": 0}
    cache.parent.mkdir(parents=True, exist_ok=True)
    write_json(cache, {**key, **answer})
    return {"schema": SCHEMA, **key, **answer}


