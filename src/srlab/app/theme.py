"""How the page looks: the colours and type of the report (`srlab.report.page`), light and dark."""

import gradio as gr

_PAPER = "#fcfbf9", "#161615"
_RAISED = "#ffffff", "#1f1f1d"
_INK = "#1d1c1a", "#e9e7e3"
_QUIET = "#66625b", "#a09b93"
_LINE = "#e4e0d9", "#33322f"
_ACCENT = "#1d5a96", "#8fbdf0"
_HOVERED = "#164a7d", "#a9cdf5"
_ON_ACCENT = "#ffffff", "#161615"

_COLOURS = {
    "body_background_fill": _PAPER,
    "body_text_color": _INK,
    "body_text_color_subdued": _QUIET,
    "background_fill_primary": _RAISED,
    "background_fill_secondary": _RAISED,
    "block_background_fill": _RAISED,
    "block_border_color": _LINE,
    "block_label_background_fill": _RAISED,
    "block_label_text_color": _QUIET,
    "block_title_text_color": _INK,
    "block_info_text_color": _QUIET,
    "border_color_primary": _LINE,
    "border_color_accent": _ACCENT,
    "color_accent_soft": _LINE,
    "input_background_fill": _RAISED,
    "input_border_color": _LINE,
    "input_border_color_focus": _ACCENT,
    "slider_color": _ACCENT,
    "loader_color": _ACCENT,
    "checkbox_background_color_selected": _ACCENT,
    "checkbox_border_color_selected": _ACCENT,
    "checkbox_label_background_fill": _RAISED,
    "checkbox_label_background_fill_hover": _RAISED,
    "checkbox_label_background_fill_selected": _ACCENT,
    "checkbox_label_text_color_selected": _ON_ACCENT,
    "checkbox_label_border_color": _LINE,
    "checkbox_label_border_color_selected": _ACCENT,
    "button_primary_background_fill": _ACCENT,
    "button_primary_background_fill_hover": _HOVERED,
    "button_primary_border_color": _ACCENT,
    "button_primary_border_color_hover": _HOVERED,
    "button_primary_text_color": _ON_ACCENT,
    "button_secondary_background_fill": _RAISED,
    "button_secondary_background_fill_hover": _PAPER,
    "button_secondary_border_color": _LINE,
    "button_secondary_border_color_hover": _QUIET,
    "button_secondary_text_color": _INK,
}


def make_theme() -> gr.themes.Base:
    """The theme, with fonts that every system has."""
    plain = ["system-ui", "-apple-system", "Segoe UI", "Roboto", "Liberation Sans", "sans-serif"]
    theme = gr.themes.Base(font=plain, font_mono=["ui-monospace", "monospace"], radius_size="md")
    both = {
        name + suffix: colour
        for name, colours in _COLOURS.items()
        for suffix, colour in zip(("", "_dark"), colours, strict=True)
    }
    return theme.set(**both, input_border_width="1px")
