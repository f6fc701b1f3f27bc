"""Templates, and how values are shown."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode

from jinja2 import Environment, PackageLoader, StrictUndefined
from jinja2_fragments import render_block
from markupsafe import Markup, escape

from segments.dashboard.assets import asset_url

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import tzinfo

# What the words of commands and states are to people.
WORDS = {
    "add": "added by hand",
    "block": "blocked by hand",
    "reset": "reset",
    "enter": "entered by automation",
    "leave": "left by automation",
    "expire": "override lapsed",
}


def path(*parts: object, **query: object) -> str:
    """Return the URL of a page under /admin; parameters that are None or empty are left out."""
    url = "/".join(["/admin", *(quote(str(part), safe="") for part in parts)])
    named = {name: value for name, value in query.items() if value not in (None, "")}
    return f"{url}?{urlencode(named)}" if named else url


def network_path(network_id: str, *parts: object, **query: object) -> str:
    """Return the URL of a page of a network."""
    return path("networks", network_id, *parts, **query)


def number(value: int) -> str:
    """Write a number with separators of thousands."""
    return f"{value:,}"


def moment(value: datetime | None, zone: tzinfo = UTC) -> Markup:
    """Write a time, in UTC or in another time zone; the title has its microseconds."""
    if value is None:
        return Markup("&ndash;")
    at = value.astimezone(zone)
    return Markup('<time datetime="{0}" title="{0}">{1}</time>').format(
        at.isoformat(), at.strftime("%Y-%m-%d %H:%M:%S")
    )


def words(value: str | None) -> str:
    """Say a user_status or an outcome in words."""
    return WORDS.get(value or "", (value or _NOTHING).replace("_", " "))


def bidi(value: object) -> Markup:
    """Isolate a text of any direction from what is around it."""
    return Markup("<bdi>{}</bdi>").format(escape(value))


# Stands for a value that there is not.
_NOTHING = "\N{EN DASH}"
# An error is never shown in the place of what was there; the notice that the server is away stands beside it.
_HTMX = json.dumps(
    {
        "noSwap": [204, 304, "4xx", "5xx"],
        "includeIndicatorCSS": False,
        "history": False,
        "defaultTimeout": 15000,
    }
)

_environment = Environment(
    loader=PackageLoader("segments.dashboard"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
_environment.filters.update(number=number, moment=moment, words=words, bidi=bidi)
_environment.globals.update(asset_url=asset_url, path=path, htmx_config=_HTMX)


def render(template: str, context: Mapping[str, Any], block: str | None = None) -> str:
    """Render a template, or one block of it if it has that."""
    page = _environment.get_template(template)
    if block is None or block not in page.blocks:
        return page.render(context)
    return render_block(_environment, template, block, context)
