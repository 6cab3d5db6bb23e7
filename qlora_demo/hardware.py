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
from qlora_demo.systems import cards_work_together, free_memory, processor_flags, processor_name, usable_cores

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
    whether training is in bf16 throughout; `note` is for people. `processes` train a run together, on a card each where there are several."""

    device: str
    name: str
    cores: int
    memory_bytes: int
    fast_4_bit: bool
    note: str = ""
    fast_16_bit: bool = True
    processes: int = 1

    def free_bytes(self) -> int:
        """Memory that a new process can take now; of several cards, on the one with the least."""
        if self.device == "cuda":
            return _gpu_memory(self.processes)[1]
        return free_memory()

    def title(self) -> str:
        """For the page's head: "CPU, 2 cores", the card's name, or "2 × NVIDIA L4"."""
        if self.device == "cuda":
            return self.name if self.processes == 1 else f"{self.processes} × {self.name}"
        return f"CPU, {self.cores} core{'s' if self.cores > 1 else ''}"


def detect(settings: Settings) -> Machine:
    """This machine under these settings."""
    gpu = "" if settings.device == "cpu" else _gpu_name()
    note = ""
    if gpu:
        probe = _torch_probe(settings.home_dir() / "hardware.json", gpu)
        if probe["cuda"]:
            ampere = int(probe["capability"]) >= AMPERE
            processes = _processes(settings, len(cards()))
            return Machine("cuda", gpu, os.cpu_count() or 1, _gpu_memory(processes)[0], True, "", ampere, processes)
        note = f"This machine has a {gpu}, but the installed torch cannot use it (its driver may be too old). Training runs on the processor."
    flags = processor_flags()
    fast_16_bit = bool(flags & {"avx512_bf16", "amx_bf16"})
    cores = usable_cores()
    processes = max(1, min(settings.processes, cores))
    return Machine("cpu", processor_name(), cores, psutil.virtual_memory().total, "avx512f" in flags, note, fast_16_bit, processes)


def cards() -> list[str]:
    """The cards that train together, in CUDA's names for them: all that may be used of the first one's kind. Raises pynvml.NVMLError."""
    handles = _gpu_handles()
    kind = pynvml.nvmlDeviceGetName(handles[0])
    return [str(pynvml.nvmlDeviceGetUUID(handle)) for handle in handles if pynvml.nvmlDeviceGetName(handle) == kind]


def _processes(settings: Settings, found: int) -> int:
    """On `found` cards."""
    if not cards_work_together():
        return 1
    return min(settings.processes, found) if settings.processes > 0 else found


def _gpu_handles() -> list[object]:
    """The cards that a worker may use, the first one first: NVML ignores CUDA_VISIBLE_DEVICES, so it is read here, as CUDA reads it: up to the first
    name that is none."""
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    names = [str(i) for i in range(pynvml.nvmlDeviceGetCount())] if visible is None else [name.strip() for name in visible.split(",")]
    handles: list[object] = []
    for name in names:
        try:
            handles.append(pynvml.nvmlDeviceGetHandleByIndex(int(name)) if name.isdigit() else pynvml.nvmlDeviceGetHandleByUUID(name))
        except pynvml.NVMLError:
            break
    return handles


def _gpu_name() -> str:
    """"" where there is no card or no driver."""
    try:
        pynvml.nvmlInit()
        return str(pynvml.nvmlDeviceGetName(_gpu_handles()[0]))
    except (pynvml.NVMLError, IndexError):
        return ""


def _gpu_memory(processes: int) -> tuple[int, int]:
    """(total, free) bytes of the card; of several that are used, the least."""
    found = [pynvml.nvmlDeviceGetMemoryInfo(pynvml.nvmlDeviceGetHandleByUUID(card)) for card in cards()[:processes]]
    return min(int(memory.total) for memory in found), min(int(memory.free) for memory in found)


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


