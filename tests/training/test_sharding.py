"""A base model spread over two processes: each holds a share, and computes what the whole model computes."""

from __future__ import annotations

import shutil
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import pytest
import torch
from runs import conversations
from torch.distributed.tensor import DTensor
from transformers import AutoConfig, LlamaForCausalLM

from qlora_demo.data.rendering import Renderer, load_tokenizer
from qlora_demo.models.loading import Precision, causal_model, keep_packing_layout, load_base
from qlora_demo.models.loss import collate, loss_sum
from qlora_demo.recipe import Recipe
from qlora_demo.training.ranks import Ranks
from qlora_demo.training.sharding import shard, shipped
from qlora_demo.training.trainer import add_adapter

FP32 = Precision(torch.float32, "", "")


def loss_and_gradients(folder: Path, meeting: Path, rank: int, size: int) -> tuple[float, list[torch.Tensor], int, int]:
    """The loss of some rows, the adapter's gradients, and of the frozen weights: bytes held here, and those of the embedding and the head. At the top
    of the module, so that other processes find it."""
    torch.manual_seed(0)
    model = load_base(folder, "qlora", FP32, "cpu", to_shard=size > 1)
    keep_packing_layout(model)
    model = add_adapter(model, Recipe(method="qlora", rank=4))
    for name, parameter in model.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(parameter, std=0.02)
    causal = causal_model(model)
    ranks = Ranks.join(rank, size, meeting, "cpu") if size > 1 else Ranks()
    if size > 1:
        shard(causal, "cpu", size)
    rows = list(Renderer(load_tokenizer(folder), {}).render_all(conversations(4), 256))
    loss = loss_sum(causal, collate(rows, 0))
    loss.backward()
    frozen = {p for p in model.parameters() if not p.requires_grad}
    ends = {causal.get_input_embeddings().weight, causal.get_output_embeddings().weight}
    gradients = [p.grad for p in model.parameters() if p.requires_grad]
    result = float(loss.detach()), gradients, sum(map(held, frozen)), sum(map(held, ends))
    ranks.leave()
    return result


def held(weight: torch.Tensor) -> int:
    here = weight.to_local() if isinstance(weight, DTensor) else weight
    return here.numel() * here.element_size()


@pytest.fixture(scope="module")
def untied_folder(tiny_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("untied")
    shutil.copytree(tiny_folder, folder, dirs_exist_ok=True)
    config = AutoConfig.from_pretrained(tiny_folder)
    config.tie_word_embeddings = False
    torch.manual_seed(0)
    LlamaForCausalLM(config).to(torch.bfloat16).save_pretrained(folder)
    return folder


def test_each_process_holds_half_and_computes_what_the_whole_model_does(tiny_folder: Path, untied_folder: Path, tmp_path: Path) -> None:
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as processes:
        for folder, share_of_ends in ((tiny_folder, 1), (untied_folder, 2)):
            meeting = tmp_path / f"meeting-{share_of_ends}"
            spread = [processes.submit(loss_and_gradients, folder, meeting, rank, 2) for rank in range(2)]
            whole = loss_and_gradients(folder, meeting, 0, 1)
            for loss, gradients, bytes_held, ends in (one.result(timeout=90) for one in spread):
                assert loss == pytest.approx(whole[0], rel=1e-5)
                for mine, right in zip(gradients, whole[1], strict=True):
                    torch.testing.assert_close(mine, right, atol=1e-5, rtol=1e-4)
                assert ends == whole[3] // share_of_ends
                assert bytes_held - ends == (whole[2] - whole[3]) // 2


def test_trls_configuration_is_the_one_that_is_meant() -> None:
    config = shipped()
    assert (config["fsdp_version"], config["fsdp_reshard_after_forward"], config["fsdp_offload_params"]) == (2, True, False)
