"""What the model still knows of the world after training: general items that the base gets right, and how many of those the adapted one does.

No answer is written: a model gets an item right where it finds the right ending's first word piece likelier than that of every other ending of its
group. One reading of a hundred short beginnings is enough for that.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from os.path import commonprefix

import torch
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from qlora_demo.data.rendering import Rendered
from qlora_demo.evaluation.general_items import GROUPS
from qlora_demo.evaluation.kept import Forgetting
from qlora_demo.models.loss import collate
from qlora_demo.models.pair import Pair

FEWEST_RIGHT = 0.3
"""A model that guesses gets about a tenth right, and so many never: there is nothing to forget, or it speaks no English."""


@dataclass(frozen=True)
class Item:
    """A beginning in tokens, and the first tokens of its group's endings, the right one first."""

    beginning: tuple[int, ...]
    endings: tuple[int, ...]


@dataclass(frozen=True)
class Knowledge:
    """What one model makes of the items: which it gets right, and its mean loss on the right endings."""

    right: tuple[bool, ...]
    loss: float


def forgetting(pair: Pair, tokenizer: PreTrainedTokenizerBase) -> Forgetting | None:
    """None where the base knows too little for it to be measured."""
    known = items(tokenizer)
    return compared(*pair.both(lambda model: knowledge(model, known, tokenizer.pad_token_id)))


def items(tokenizer: PreTrainedTokenizerBase) -> list[Item]:
    """Of plain text, without a chat template: a base model knows the world without a chat around it."""
    found = []
    for group in GROUPS:
        for beginning, right in group:
            others = [ending for _, ending in group if ending != right]
            found.append(_item(tokenizer, beginning, [right, *others]))
    return found


def _item(tokenizer: PreTrainedTokenizerBase, beginning: str, endings: Sequence[str]) -> Item:
    """The beginning lasts until not all endings go on alike: in some tokenizers the space before a word is a piece of its own."""
    whole = tokenizer([f"{beginning} {ending}" for ending in endings])["input_ids"]
    shared = len(commonprefix(whole))
    return Item(tuple(whole[0][:shared]), tuple(ids[shared] for ids in whole))


def knowledge(model: PreTrainedModel, known: Sequence[Item], pad_id: int) -> Knowledge:
    """Leaves the model's mode as it was."""
    was_training = model.training
    model.eval()
    rows = [Rendered(item.beginning, item.beginning) for item in known]
    batch = {name: tensor.to(model.device) for name, tensor in collate(rows, pad_id).items()}
    with torch.no_grad():
        hidden = model.model(input_ids=batch["input_ids"], attention_mask=batch["attention_mask"], use_cache=False).last_hidden_state
        last = torch.tensor([len(item.beginning) - 1 for item in known], device=hidden.device)
        chances = model.lm_head(hidden[torch.arange(len(known), device=hidden.device), last]).float().log_softmax(-1).cpu()
    model.train(was_training)
    return believed(chances, known)


def believed(chances: torch.Tensor, known: Sequence[Item]) -> Knowledge:
    """From the log-likelihoods of what follows each beginning, (items, vocabulary)."""
    right, loss = [], 0.0
    for row, item in zip(chances, known, strict=True):
        best, *others = (float(row[token]) for token in item.endings)
        right.append(best > max(others))
        loss -= best / len(known)
    return Knowledge(tuple(right), loss)


def compared(base: Knowledge, adapted: Knowledge) -> Forgetting | None:
    known = sum(base.right)
    if known < FEWEST_RIGHT * len(base.right):
        return None
    kept = sum(before and after for before, after in zip(base.right, adapted.right, strict=True))
    return Forgetting(base.loss, adapted.loss, kept, known)
