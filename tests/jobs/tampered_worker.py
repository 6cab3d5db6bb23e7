"""The real worker with something in its way, as `tamper.json` in the run's directory says.

`bytes`: so much memory, once the model is there, and no more. `measure`: how much it took from there on goes into the file `took`.
`broken_step`: gradients of that step are no numbers; `saved_step`: a point is saved after it. `save_each`: a point after so many steps.
`full_at`: the disk is full when a file of that name is written.
"""

import errno
import json
import resource
import sys
from pathlib import Path
from typing import Any

import safetensors.torch
from peft import peft_model
from transformers import TrainerCallback

from qlora_demo.jobs import train, worker
from qlora_demo.training import callbacks


def mapped(what: str) -> int:
    """Bytes of this process: VmSize now, VmPeak at most."""
    status = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith(what))
    return int(status.split()[1]) * 1024


class Breaker(TrainerCallback):
    """Stands before the real callback."""

    def __init__(self, tamper: dict[str, Any]):
        self._tamper = tamper

    def on_pre_optimizer_step(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        if state.global_step + 1 == self._tamper["broken_step"]:
            next(p for p in kwargs["model"].parameters() if p.grad is not None).grad[0] = float("nan")

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        callbacks.FIRST_CHECKPOINT_SECONDS = 0 if state.global_step == self._tamper["saved_step"] else 1000


class Saver(TrainerCallback):
    """Stands before the real callback."""

    def __init__(self, each: int):
        self._each = each

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        callbacks.FIRST_CHECKPOINT_SECONDS = callbacks.CHECKPOINT_SECONDS = 0 if state.global_step % self._each == 0 else 1000
        callbacks.CHECKPOINT_SHARE = 0


def refuse(name: str) -> None:
    """Half of the file is there when the system refuses the rest."""

    def save_file(tensors: Any, filename: Any, metadata: Any = None) -> None:
        if Path(filename).name != name or "checkpoint-" in str(filename):
            return real(tensors, filename, metadata)
        Path(filename).write_bytes(bytes(1000))
        raise OSError(errno.ENOSPC, "No space left on device")

    real = safetensors.torch.save_file
    safetensors.torch.save_file = save_file
    peft_model.safe_save_file = save_file


def main() -> int:
    run = Path(sys.argv[1])
    tamper = json.loads((run / "tamper.json").read_text())
    build, before = train._trainer, []

    def tampered(*arguments: Any) -> Any:
        trainer = build(*arguments)
        if "broken_step" in tamper:
            trainer.callback_handler.callbacks.insert(1, Breaker(tamper))
        if "save_each" in tamper:
            trainer.callback_handler.callbacks.insert(1, Saver(tamper["save_each"]))
        if "full_at" in tamper:
            refuse(tamper["full_at"])
        before.append(mapped("VmSize"))
        if "bytes" in tamper:
            resource.setrlimit(resource.RLIMIT_AS, (before[0] + tamper["bytes"],) * 2)
        return trainer

    train._trainer = tampered
    code = worker.main(run)
    if "measure" in tamper:
        (run / "took").write_text(str(mapped("VmPeak") - before[0]))
    return code


if __name__ == "__main__":
    sys.exit(main())
