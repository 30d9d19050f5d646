"""The route of a study's figure: sent once, and read once for all who ask at the same time."""

import asyncio
import json
from pathlib import Path

import pytest
from starlette.requests import Request

from core.deployment.limits import NO_LIMITS
from core.deployment.settings import DeploymentSettings
from core.launcher.launcher import LauncherUnavailable
from core.results.study_shared import Outcomes
from core.storage.runs import Store
from core.storage.studies import Studies
from core.web.server import routes
from core.web.server.installation import Installation, serve_with
from tests.unit.results.test_study_shared import STUDY, begun, run_pair


@pytest.fixture
def studies(tmp_path: Path) -> Studies:
    found = Studies(tmp_path)
    found.open_for_writing()
    return found


def test_the_route_sends_a_figure_once_and_then_only_that_it_has_not_changed(
    studies: Studies, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("core.web.server.live.FRESH_S", -1)
    study = begun(studies)
    run_pair(studies, study, STUDY.pairs[0])
    serve_with(Installation(DeploymentSettings(data_dir=studies.data_dir), NO_LIMITS, LauncherUnavailable("")))

    def ask(query: str, study: str = study) -> tuple[int, dict[str, object]]:
        status, body = answered(study, query)
        return status, json.loads(body)

    try:
        status, first = ask("measure=log_rss_mib&cell=0")
        assert (status, first["done"], bool(first["figure"])) == (200, 1, True)
        assert ask(f"measure=log_rss_mib&cell=0&after={first['version']}") == (
            200, {"version": first["version"], "again_ms": 250},
        )  # fmt: skip
        run_pair(studies, study, STUDY.pairs[1])
        assert ask(f"measure=log_rss_mib&cell=0&after={first['version']}")[1]["done"] == 2
        for query in ("measure=zebra", "cell=2", "cell=-1", "cell=x", f"cell={'9' * 5000}"):
            assert ask(query) == (400, {"error": "There is no such measure, or no such combination."})
        for unknown in ("20260101-000000-00000000", "zebra"):
            assert ask("", unknown)[0] == 404
    finally:
        serve_with(None)


def answered(study: str, query: str) -> tuple[int, bytes]:
    """Status and body of the route."""
    scope = {"type": "http", "method": "GET", "headers": [], "path_params": {"study": study}}
    answer = asyncio.run(routes.study_closing(Request({**scope, "query_string": query.encode()})))
    return answer.status_code, bytes(answer.body)


def test_viewers_at_the_same_time_have_one_look(studies: Studies, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("core.web.server.live.FRESH_S", 5)
    study = begun(studies)
    served = Installation(DeploymentSettings(data_dir=studies.data_dir), NO_LIMITS, LauncherUnavailable(""))
    looks: list[str] = []
    stamp = studies.stamp
    monkeypatch.setattr(studies, "stamp", lambda study: looks.append(study) or stamp(study))
    outcomes = Outcomes(studies, Store(studies.data_dir))

    async def thirty() -> None:
        await asyncio.gather(*(served.closings.of(outcomes, study, "test_loss", 0) for _ in range(30)))

    asyncio.run(thirty())
    assert looks == [study]
