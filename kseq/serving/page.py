"""The page of a server, `/`: type a sentence, see the outputs of a model or of two as you type."""

import functools

from starlette.responses import HTMLResponse
from starlette.routing import Route

from kseq.web.pages import render_page

_STYLES = ("web/base.css", "web/heatmap.css", "serving/page.css")
_SCRIPTS = ("web/elements.js", "web/heatmap.js", "serving/curves.js", "serving/page.js")


async def page(request):
    """Answers `GET /`. The page needs nothing from elsewhere, and asks `models` and `translate`."""
    return HTMLResponse(_html(), headers={"Cache-Control": "no-cache"})


@functools.cache
def _html():
    return render_page("serving/page.html", styles=_STYLES, scripts=_SCRIPTS)


ROUTES = [Route("/", page, methods=["GET"])]
