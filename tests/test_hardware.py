"""Which cards a training uses, from what NVIDIA's library says of them."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest

from qlora_demo import hardware
from qlora_demo.settings import Settings

GB = 1_000_000_000


def by_uuid(uuid: str) -> int:
    if not uuid.startswith("GPU-"):
        raise hardware.pynvml.NVMLError(hardware.pynvml.NVML_ERROR_NOT_FOUND)
    return int(uuid.removeprefix("GPU-"))


@pytest.fixture
def four_cards(monkeypatch: pytest.MonkeyPatch) -> None:
    """Three of one kind and another; the second has the least memory free."""
    names, free = ["L4", "L4", "GT 710", "L4"], [20, 12, 1, 20]
    monkeypatch.setattr("sys.platform", "linux")
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    fakes = {
        "nvmlInit": lambda: None,
        "nvmlDeviceGetCount": lambda: len(names),
        "nvmlDeviceGetHandleByIndex": lambda index: index,
        "nvmlDeviceGetHandleByUUID": by_uuid,
        "nvmlDeviceGetUUID": lambda handle: f"GPU-{handle}",
        "nvmlDeviceGetName": lambda handle: names[handle],
        "nvmlDeviceGetMemoryInfo": lambda handle: SimpleNamespace(total=24 * GB, free=free[handle] * GB),
    }
    for name, fake in fakes.items():
        monkeypatch.setattr(hardware.pynvml, name, fake)
    monkeypatch.setattr(hardware, "_torch_probe", lambda cache, gpu: {"cuda": True, "capability": 8})


def test_all_cards_of_the_first_ones_kind_train_together(four_cards: None) -> None:
    assert hardware.cards() == ["GPU-0", "GPU-1", "GPU-3"]
    machine = hardware.detect(Settings())
    assert (machine.processes, machine.free_bytes(), machine.title()) == (3, 12 * GB, "3 × L4")


def test_fewer_where_somebody_says_so(four_cards: None, monkeypatch: pytest.MonkeyPatch) -> None:
    machine = hardware.detect(Settings(processes=1))
    assert (machine.processes, machine.free_bytes(), machine.title()) == (1, 20 * GB, "L4")
    assert hardware.detect(Settings(processes=9)).processes == 3
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3,GPU-1")
    assert hardware.cards() == ["GPU-3", "GPU-1"]
    for written in ("3, 1", "3,GPU-1,-1,0", "3,1,"):  # as CUDA reads it: up to the first that is none
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", written)
        assert hardware.cards() == ["GPU-3", "GPU-1"]
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "-1")
    assert hardware.detect(Settings()).device == "cpu"


def test_elsewhere_than_on_linux_cards_do_not_work_together(four_cards: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.platform", "win32")
    assert hardware.detect(Settings()).processes == 1


def test_a_processor_trains_in_one_process_unless_more_are_asked_for(tmp_path: Path) -> None:
    cpu = Settings(home=str(tmp_path), device="cpu")
    assert hardware.detect(cpu).processes == 1
    assert hardware.detect(Settings(home=str(tmp_path), device="cpu", processes=1000)).processes == hardware.detect(cpu).cores
