"""The page's look: gradio's flat theme with our colours and type. Everything else is in theme.css."""

from __future__ import annotations

from pathlib import Path

from gradio.themes import Default
from gradio.themes.utils import colors, sizes
from gradio.themes.utils.fonts import LocalFont

CSS = Path(__file__).with_name("theme.css")
BASE_COLOUR = "#64748b"
YOURS_COLOUR = "#0f766e"
"""The same in headings, plot and bars; theme.css has them as --qd-base and --qd-yours."""
STEPS_COLOUR = "rgba(20, 184, 166, 0.4)"
"""Of single steps, pale beside their smoothed line on light and dark alike; theme.css has it as --qd-steps."""

RUN_COLOURS = (YOURS_COLOUR, "#b45309", "#7c3aed", "#be123c", "#0369a1")
"""Of runs beside each other, each three to one on light and dark alike; theme.css has them as .qd-run-1 to .qd-run-5."""


def theme() -> Default:
    """Contrast of every pair of text and background is at least 4.5 to 1, in light and dark."""
    return Default(
        primary_hue=colors.teal,
        secondary_hue=colors.slate,
        neutral_hue=colors.slate,
        text_size=sizes.text_lg,  # 16 px: phones do not zoom in on a field
        spacing_size=sizes.spacing_lg,
        radius_size=sizes.radius_lg,
        font=(LocalFont("IBM Plex Sans", weights=(400, 700)), "system-ui", "sans-serif"),
        font_mono=(LocalFont("IBM Plex Mono", weights=(400, 700)), "ui-monospace", "monospace"),
    ).set(
        body_background_fill="*neutral_50",
        body_background_fill_dark="*neutral_950",
        block_shadow="none",
        block_border_width="1px",
        button_large_text_size="*text_md",
        button_primary_background_fill="*primary_700",
        button_primary_background_fill_hover="*primary_800",
        button_primary_text_color="white",
        button_primary_background_fill_dark="*primary_400",
        button_primary_background_fill_hover_dark="*primary_300",
        button_primary_text_color_dark="*neutral_950",
        link_text_color="*primary_700",
        link_text_color_dark="*primary_300",
        body_text_color_subdued="*neutral_600",
        body_text_color_subdued_dark="*neutral_400",
        checkbox_label_background_fill_selected="*primary_50",
        checkbox_label_background_fill_selected_dark="*neutral_800",
        checkbox_label_border_color_selected="*primary_700",
        checkbox_label_border_color_selected_dark="*primary_400",
        checkbox_label_text_color_selected="*neutral_900",
        checkbox_label_text_color_selected_dark="*neutral_50",
        checkbox_background_color_selected="*primary_700",
        checkbox_background_color_selected_dark="*primary_400",
        checkbox_border_color_selected="*primary_700",
        checkbox_border_color_selected_dark="*primary_400",
    )
