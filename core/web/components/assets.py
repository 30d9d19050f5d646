"""The addresses of the scripts that our components load, which `core/web/server/routes.py` serves."""

import hashlib
from importlib.metadata import version
from pathlib import Path

SCRIPTS = sorted(Path(__file__).parent.rglob("*.js"))
SCRIPTS_HASH = hashlib.sha256(b"".join(path.read_bytes() for path in SCRIPTS)).hexdigest()[:12]
"""Of all together: one script loads another with its own version, and the two always match."""
PLOTLY_URL = f"assets/plotly.min.js?v={version('plotly')}"


def script_url(name: str) -> str:
    """A script's address, relative to the page's base; it changes with any script, so it may be cached for good."""
    return f"assets/{name}?v={SCRIPTS_HASH}"


def loading(name: str, otherwise: str) -> str:
    """A component's inline code: hands everything to the script, or does `otherwise`, JavaScript, where it is not had.

    Tried twice: a browser may come while the dashboard restarts. Inline code travels with every update, so it is short.
    """
    return f"""
const load = (again) => import(new URL("{script_url(name)}" + again, document.baseURI));
export default async (component) => {{
  const code = await load("").catch(() => load("&again")).catch(() => null);
  if (code) return code.default(component);
  {otherwise}
}};
"""
