"""Starts the page: `python app.py`. Settings come from the environment, see qlora_demo/settings.py."""

from __future__ import annotations

import os
import shutil
import signal
import sys
import threading
from pathlib import Path

from huggingface_hub import constants

from qlora_demo.errors import StorageError, UserError
from qlora_demo.settings import Settings
from qlora_demo.studio import Studio
from qlora_demo.systems import end_signals

BAD_INPUT = 2


def main() -> int:
    """Serves until Ctrl-C or SIGTERM. Returns the exit code."""
    try:
        settings = Settings.from_env(os.environ)
        studio = Studio(settings, spare_cores=1)
        studio.start(warm=settings.warm_worker)
    except UserError as error:
        print(error, file=sys.stderr)
        return BAD_INPUT
    try:
        serve(studio, settings)
    except UserError as error:
        print(error, file=sys.stderr)
        return BAD_INPUT
    finally:
        if studio.ledger.active() is not None:
            print("Saving a point of the running training; it goes on at the next start.", flush=True)
        studio.close()
    return 0


def serve(studio: Studio, settings: Settings) -> None:
    """Builds the page and serves it until the process is asked to end. Raises StorageError."""
    prepare_folders(settings.temp_dir())
    os.environ.update(GRADIO_ANALYTICS_ENABLED="False", HF_HUB_DISABLE_TELEMETRY="1")
    constants.HF_HUB_DISABLE_TELEMETRY = True  # the hub's library has read its environment already
    from qlora_demo.ui.page import build_page  # noqa: PLC0415 - gradio reads its environment when it is imported
    from qlora_demo.ui.serving import launch  # noqa: PLC0415 - likewise

    address = launch(build_page(studio), studio)
    print(f"Train your own chat model: open {address} in a browser. Ctrl-C ends it.")
    print(f"Models, data and runs are kept in {studio.home.path}.", flush=True)
    wait_for_end()


def prepare_folders(temp: Path) -> None:
    """An empty folder for uploads in flight, and an empty one to run in, as gradio serves what is in the current folder. Raises StorageError."""
    uploads, here = temp / "uploads", temp / "empty"
    try:
        for folder in (uploads, here):
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        os.chdir(here)
    except OSError as error:
        raise StorageError(f"The folder {temp} cannot be used ({error.strerror}). Set QLORA_DEMO_TEMP to one you can write.") from error
    os.environ["GRADIO_TEMP_DIR"] = str(uploads)


def wait_for_end() -> None:
    """Returns at Ctrl-C or SIGTERM."""
    ended = threading.Event()
    for number in end_signals():
        signal.signal(number, lambda *_: ended.set())
    while not ended.wait(1):
        pass


if __name__ == "__main__":
    sys.exit(main())
