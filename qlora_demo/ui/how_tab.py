"""How it works: the three methods drawn, told, and counted for a model's size beside this machine."""

from __future__ import annotations

from dataclasses import dataclass

import gradio as gr

from qlora_demo.catalogue import SHAPES, find_shape
from qlora_demo.estimate import Computing
from qlora_demo.studio import Studio
from qlora_demo.ui.diagram import diagram
from qlora_demo.ui.guard import Guard, Updates, Visit
from qlora_demo.ui.parts import heading, text
from qlora_demo.ui.views_how import INTRO, KEY, measured_by_others, numbers, sections, words

SIZES = "Size of the model: millions (M) or billions (B) of numbers"


@dataclass(frozen=True)
class HowTab:
    shape: gr.Radio
    numbers: gr.HTML


def build(studio: Studio) -> HowTab:
    first = SHAPES[0].name
    with gr.Row():
        with gr.Column(scale=5, min_width=300):
            text(f'{heading("How it works")}<p>{INTRO}</p>')
            text(f'{diagram()}<p class="qd-small">{KEY}</p>', elem_id="diagram")
        with gr.Column(scale=7, min_width=320):
            text(sections(), elem_id="methods-told")
    text(heading("In numbers"))
    shape = gr.Radio([s.name for s in SHAPES], value=first, label=SIZES, elem_id="shape")
    shown = text(_numbers(studio, first), elem_id="shape-numbers")
    with gr.Accordion("What others measured", open=False, elem_id="others"):
        text(measured_by_others())
    with gr.Accordion("Words", open=False, elem_id="words"):
        text(words())
    return HowTab(shape, shown)


def _numbers(studio: Studio, name: str) -> str:
    machine = studio.machine
    return numbers(find_shape(name), machine.title(), machine.free_bytes(), machine.memory_bytes, Computing.of(machine))


def wire(tab: HowTab, place: gr.Tab, guard: Guard) -> None:
    """Another size, other numbers. `place` is the tab itself: what is free is looked up again whenever it is opened."""

    def choose(visit: Visit, name: str) -> Updates:
        return {tab.numbers: _numbers(visit.studio, name)}

    guard.on([tab.shape.input, place.select], choose, [tab.shape], [tab.numbers])
