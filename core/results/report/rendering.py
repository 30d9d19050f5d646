"""How a report's template becomes its file: one HTML page that needs nothing beside it and in which nothing runs."""

from pathlib import Path
from typing import Any

import jinja2

from core.experiment.names import framework, is_variant
from core.results.charts import COLOURS

_TEMPLATES = jinja2.Environment(
    loader=jinja2.FileSystemLoader(Path(__file__).parent),
    undefined=jinja2.StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
    autoescape=True,  # names, notes and messages come from people: they are text
)
_TEMPLATES.filters["framework"] = framework
_TEMPLATES.filters["wears"] = lambda engine: framework(engine) + (" open" if is_variant(engine) else "")


def rendered(template: str, **values: Any) -> str:
    """The template of this name, filled in."""
    return _TEMPLATES.get_template(template).render(colours=COLOURS, **values)
