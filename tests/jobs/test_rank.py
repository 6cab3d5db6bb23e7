"""How one of several processes says why it ends."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest
import torch.distributed as dist

from qlora_demo.errors import DiskFullError, ModelError
from qlora_demo.jobs import rank
from qlora_demo.jobs.launch import EXIT_FAULT, EXIT_LOST, EXIT_TOLD
from qlora_demo.jobs.processes import EXIT_DISK, EXIT_MEMORY

CLOSED = "[../third_party/gloo/gloo/transport/tcp/pair.cc:547] Connection closed by peer [127.0.0.1]:4242"


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (MemoryError(), EXIT_MEMORY),
        (RuntimeError("CUDA out of memory. Tried to allocate 2 GiB"), EXIT_MEMORY),
        (DiskFullError("The disk is full."), EXIT_DISK),
        (OSError(errno.ENOSPC, "No space left on device"), EXIT_DISK),
        (RuntimeError(CLOSED), EXIT_LOST),
        (dist.DistBackendError("NCCL error: remote process exited or there was a network error"), EXIT_LOST),
        (dist.DistBackendError("NCCL error: failed to extend /dev/shm/nccl-x to 9637892 bytes, error: No space left on device (28)"), EXIT_LOST),
        (RuntimeError("shapes do not match"), EXIT_FAULT),
        (KeyError("x"), EXIT_FAULT),
    ],
)
def test_each_reason_has_its_exit_code(tmp_path: Path, capfd: pytest.CaptureFixture, error: Exception, code: int) -> None:
    assert rank._why(error, tmp_path) == code
    assert str(error) in capfd.readouterr().err  # with its details in the log
    assert not (tmp_path / "told").exists()


def test_a_sentence_for_people_reaches_the_worker(tmp_path: Path) -> None:
    assert rank._why(ModelError("This model needs the internet."), tmp_path) == EXIT_TOLD
    assert (tmp_path / "told").read_text() == "This model needs the internet."


def test_the_variables_of_a_launcher_are_taken_out_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"RANK": "1", "WORLD_SIZE": "2", "LOCAL_RANK": "1", "MASTER_PORT": "1", "TORCHELASTIC_RUN_ID": "x", "OTHER": "y"}.items():
        monkeypatch.setenv(name, value)
    assert rank._taken_from_environment() == (1, 2)
    assert [name for name in ("RANK", "WORLD_SIZE", "LOCAL_RANK", "MASTER_PORT", "TORCHELASTIC_RUN_ID") if name in rank.os.environ] == []
    assert rank.os.environ["OTHER"] == "y"
    assert rank._taken_from_environment() == (0, 1)
