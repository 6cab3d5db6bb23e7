"""From a catalogue entry to a folder with its weights: the bundled model, this machine's cache, or the hub."""

from __future__ import annotations

from pathlib import Path

from huggingface_hub import snapshot_download
from huggingface_hub.errors import GatedRepoError, HfHubHTTPError, LocalEntryNotFoundError, RepositoryNotFoundError

from qlora_demo.catalogue import BaseModel
from qlora_demo.errors import ModelError
from qlora_demo.run_dir import Home
from qlora_demo.settings import Settings
from qlora_demo.source.bundled import ensure_bundled

# Weights in safetensors only: a pickle can run code. No Python files: none would be run.
PATTERNS = ["*.safetensors", "*.json", "*.jinja", "tokenizer.model", "merges.txt", "vocab.txt"]


def locate(model: BaseModel, settings: Settings) -> Path:
    """The folder of `model`, fetched on first use. Raises ModelError with a sentence."""
    if model.bundled():
        return ensure_bundled(Home(settings.home_dir()).models, settings.bundled_model, settings.offline)
    try:
        return Path(
            snapshot_download(model.id, revision=model.revision, allow_patterns=PATTERNS, local_files_only=settings.offline)
        )
    except LocalEntryNotFoundError as error:
        raise ModelError(f"{model.name} is not on this disk and the model hub cannot be reached. Choose the bundled model.") from error
    except GatedRepoError as error:
        raise ModelError(f"{model.name} asks for its terms to be accepted first. Choose another model.") from error
    except RepositoryNotFoundError as error:
        raise ModelError(f"{model.name} is no longer on the model hub. Choose another model.") from error
    except HfHubHTTPError as error:
        raise ModelError(f"The model hub answered with an error while {model.name} was fetched. Try again later.") from error
    except OSError as error:
        raise ModelError(f"{model.name} could not be fetched ({error.strerror or 'no connection'}). Check internet and disk.") from error
