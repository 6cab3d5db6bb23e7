"""The last phase of a run: base and trained model on the rows set aside."""

from __future__ import annotations

import traceback
from typing import Any

from qlora_demo.evaluation.facts import facts_of
from qlora_demo.evaluation.report import Trial, score
from qlora_demo.evaluation.verdict import SET_ASIDE
from qlora_demo.events import EventWriter
from qlora_demo.jobs.fitting import out_of_memory
from qlora_demo.jobs.prepared import Prepared
from qlora_demo.models.loading import Precision, keep_packing_layout, load_base, with_adapter
from qlora_demo.models.pair import Pair
from qlora_demo.run_dir import RunDir
from qlora_demo.training.artifact import ADAPTER, rounded

UNTESTED = "There was too little memory left for the test. Ask it something in Chat."


def tested(run: RunDir, prepared: Prepared, events: EventWriter) -> dict[str, Any] | None:
    """The report, written down as events too; None where memory is too short for the test: what was learned is not lost for that."""
    try:
        report = _test(run, prepared)
    except (MemoryError, RuntimeError) as error:
        if not out_of_memory(error):
            raise
        traceback.print_exc()
        events.write("note", text=UNTESTED)
        return None
    for index, answer in enumerate(report["answers"]):
        events.write("answer", index=index, **answer)
    return report


def _test(run: RunDir, prepared: Prepared) -> dict[str, Any]:
    pair = _pair(run, prepared)
    learned = len({row.row for row in prepared.rows})
    facts = facts_of(run, prepared.recipe, learned, len(prepared.held_out), pair.adapted)
    return score(pair, prepared.renderer, Trial(prepared.held_out, SET_ASIDE, prepared.labels, facts))


def _pair(run: RunDir, prepared: Prepared) -> Pair:
    """Both sides of the test. After full training the base is read again, to stand beside what became of it; a model that was spread over cards is
    read again whole, as it needs less to answer than to learn."""
    if prepared.model is None:
        base = load_base(prepared.folder, prepared.recipe.method, prepared.precision, prepared.device)
        keep_packing_layout(base)
        model = with_adapter(base, run.adapter, ADAPTER).eval()
        return Pair(model, model, ADAPTER)
    model = prepared.model.eval()
    if prepared.recipe.method != "full":
        return Pair(model, model, ADAPTER)
    model = rounded(model, prepared.precision)
    if prepared.device == "cpu":
        model = model.to(prepared.precision.dtype)  # a processor without 16-bit arithmetic tests the rounded numbers in 32
    same = Precision(model.dtype, "", "")
    return Pair(load_base(prepared.folder, "full", same, prepared.device).eval(), model)
