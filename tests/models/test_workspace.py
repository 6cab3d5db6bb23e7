"""Pieces lie side by side, do not overlap, and are used again."""

from __future__ import annotations

import pytest
import torch

from qlora_demo.models import workspace
from qlora_demo.models.workspace import ALIGNED, Workspace


@pytest.fixture
def space(monkeypatch: pytest.MonkeyPatch) -> Workspace:
    monkeypatch.setattr(workspace, "BLOCK", 1000)
    return Workspace(torch.float32, torch.device("cpu"))


def test_pieces_have_the_asked_shape_and_do_not_overlap(space: Workspace) -> None:
    pieces = [space.take(3, 50).fill_(i) for i in range(20)]  # more than one block
    assert all(piece.shape == (3, 50) and piece.is_contiguous() and bool((piece == i).all()) for i, piece in enumerate(pieces))
    assert all(piece.data_ptr() % (4 * ALIGNED) == pieces[0].data_ptr() % (4 * ALIGNED) for piece in pieces[:3])


def test_after_going_back_the_same_memory_is_given_again(space: Workspace) -> None:
    first = space.take(200).data_ptr()
    mark = space.mark()
    after = [space.take(700).data_ptr(), space.take(700).data_ptr()]
    space.rewind(mark)
    assert [space.take(700).data_ptr(), space.take(700).data_ptr()] == after
    space.rewind()
    assert space.take(200).data_ptr() == first


def test_a_piece_larger_than_a_block_gets_one_of_its_own(space: Workspace) -> None:
    assert space.take(5000).fill_(1).sum() == 5000
    assert space.take(10).data_ptr() != 0
