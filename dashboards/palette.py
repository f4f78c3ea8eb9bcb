"""Colours that colour-blind people tell apart (Okabe and Ito, 2008), and the look that all figures share."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

BLUE, ORANGE, GREEN, RED = "#0072B2", "#E69F00", "#009E73", "#D55E00"
PURPLE, SKY, YELLOW, BLACK, GREY = "#CC79A7", "#56B4E9", "#F0E442", "#222222", "#9AA5B1"
CYCLE = (BLUE, GREEN, RED, PURPLE, SKY, BLACK, ORANGE)
SYMBOLS = ("circle", "square", "diamond", "triangle-up", "cross", "x", "star")
SCALE = "Viridis"
"""From dark violet to yellow; its lightness grows evenly, which colour-blind readers see too."""

PALE = "#E3E7EB"

OUTCOMES = {
    "complete": BLUE,
    "stopped": SKY,
    "running": GREEN,
    "waiting": YELLOW,
    "infeasible": ORANGE,
    "failed": RED,
    "cut off": BLACK,
}
"""How a trial or an attempt ended."""

LINES = {
    "training": BLUE,
    "evaluation": SKY,
    "metering": BLACK,
    "setup": GREEN,
    "calibration": YELLOW,
    "saving": PURPLE,
    "waiting": ORANGE,
    "lost": RED,
    "idle": GREY,
}
"""What a slot's seconds went into."""

LAYOUT: dict[str, Any] = {
    "template": "plotly_white",
    "font": {"family": "system-ui, sans-serif", "size": 14, "color": BLACK},
    "margin": {"l": 70, "r": 20, "t": 60, "b": 60},
    "height": 520,
    "hoverlabel": {"align": "left"},
    "legend": {
        "orientation": "h",
        "x": 0,
        "y": 0,
        "yref": "container",
        "yanchor": "bottom",
        "itemsizing": "constant",
        "tracegroupgap": 0,
    },
}

ICON = "data:image/svg+xml," + quote(
    f"<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 32 32'><rect width='32' height='32' rx='7' fill='{BLUE}'/>"
    "<path d='M6 26V17H12V10H20V7H27' fill='none' stroke='#fff' stroke-width='3'/>"
    f"<circle cx='12' cy='10' r='5' fill='{ORANGE}'/></svg>",
    safe=" /:=",
)
"""What a browser shows beside the title of a page, as an address: a front and its knee."""

LEGEND_ABOVE: dict[str, Any] = {"orientation": "h", "x": 0, "y": 1, "yref": "paper", "yanchor": "bottom"}
"""The legend of a figure that is as high as what it shows, so that it is in sight with the first bars."""
