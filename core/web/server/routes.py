"""What browsers fetch without a rerun: a run's rows, a study's figure, and the JavaScript of our components."""

import json

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.routing import BaseRoute, Route
from streamlit import config

from core.experiment.study import MEASURES
from core.launcher.launcher import LauncherUnavailable
from core.storage.database import State, StoreError
from core.storage.records import UnknownRun, checked_id
from core.web.server.copies import ASSETS
from core.web.server.installation import installation

# The addresses carry a hash or a version, so what they give never changes.
FOR_EVER = {"Cache-Control": "public, max-age=31536000, immutable"}
MOST_ROWS = 5000


def base_address() -> str:
    """The address that the server is told to use, with a slash at both ends."""
    return f"/{config.get_option('server.baseUrlPath').strip('/')}/".replace("//", "/")


def routes() -> list[BaseRoute]:
    """The app's own routes."""
    base = base_address()
    return [
        Route(f"{base}api/runs/{{run_id}}/rows", run_rows),
        Route(f"{base}api/studies/{{study}}/closing", study_closing),
        Route(f"{base}assets/{{name}}", asset),
    ]


async def run_rows(request: Request) -> Response:
    """`GET api/runs/{id}/rows?after=N`: what the charts need of the rows after cursor N (`core/results/chart_rows.py`:
    some fields, rounded), the next cursor, the run's state, when to ask again, and of a twin how far its curves are
    apart, in words.

    Needs the store alone, so it answers for ended and recorded runs, too, and without a Launcher.
    """
    run_id = request.path_params["run_id"]
    try:
        after = int(request.query_params.get("after", "0"))
        served = installation()
        tail = await served.tails.of(served.store, checked_id(run_id))
    except UnknownRun as error:
        return JSONResponse({"error": str(error)}, status_code=404)
    except (ValueError, OverflowError):
        return JSONResponse({"error": "after must be a whole number."}, status_code=400)
    except (StoreError, LauncherUnavailable) as error:
        return JSONResponse({"error": str(error)}, status_code=503)
    texts, following, more = tail.after(after, MOST_ROWS)
    state = State.RUNNING if more else tail.state
    rows = f'"rows":[{",".join(texts)}],"next":{following},"twin":{json.dumps(tail.difference.words)}'
    body = f'{{"run":"{run_id}","state":"{state}",{rows},"again_ms":{served.audience.again_ms(run_id)}}}'
    return Response(body, media_type="application/json", headers={"Cache-Control": "no-store"})


async def study_closing(request: Request) -> Response:
    """`GET api/studies/{id}/closing?measure=M&cell=N&after=VERSION`: the figure of an interval that closes in, where it
    is another one than that version, and when to ask again.
    """
    study, query = request.path_params["study"], request.query_params
    try:
        served = installation()
        measure, cell = query.get("measure", MEASURES[0].name), int(query.get("cell", "0"))
        found = await served.closings.of(served.outcomes, checked_id(study), measure, cell)
    except UnknownRun as error:
        return JSONResponse({"error": str(error)}, status_code=404)
    except (LookupError, ValueError, OverflowError):
        return JSONResponse({"error": "There is no such measure, or no such combination."}, status_code=400)
    except (StoreError, LauncherUnavailable) as error:
        return JSONResponse({"error": str(error)}, status_code=503)
    answer: dict[str, object] = {"version": found.version, "again_ms": served.audience.again_ms(study)}
    if found.version != query.get("after"):
        answer["done"] = found.done
        if drawn := found.drawn:
            answer |= {"figure": drawn.json, "finding": drawn.finding}
    return JSONResponse(answer, headers={"Cache-Control": "no-store"})


def asset(request: Request) -> Response:
    """`GET assets/{name}`: one of the few files that our components load."""
    path = ASSETS.get(request.path_params["name"])
    if path is None:
        raise HTTPException(404)
    return FileResponse(path, media_type="text/javascript", headers=FOR_EVER)
