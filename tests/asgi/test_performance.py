"""The performance view: its numbers are those of the requests that were made."""

from __future__ import annotations

import html
import json
import re
import shutil
import subprocess
from datetime import datetime
from typing import TYPE_CHECKING, Any

import pytest
from starlette.testclient import TestClient

from openviking.performance import ENGINE_METRICS
from openviking_asgi.app import create_app
from openviking_asgi.limits import PERFORMANCE_MINUTES_MAX
from openviking_asgi.plots import bars, curve

if TYPE_CHECKING:
    from pathlib import Path

    from tests.asgi.conftest import CheckedClient

    from openviking.engine import Engine

HTML = {"accept": "text/html,application/xhtml+xml,*/*;q=0.8"}


def work(client: CheckedClient) -> None:
    """Nine requests: three embeddings (one repeated), two searches, three messages, a resource."""
    for text in ("a calm sea", "a calm sea", "a storm"):
        client.post("/embeddings", json={"text": text})
    for _ in range(2):
        client.post("/skills/search", json={"query": "a calm sea"})
    for session in ("s-1", "s-1", "s-2"):
        client.post("/conversation", json={"message": "hello", "session_id": session})
    client.post("/resources", json={"content": "a", "target_uri": "u"})


def metrics(client: CheckedClient, **query: Any) -> dict[str, Any]:
    response = client.get("/performance/metrics", params=query)
    assert response.status_code == 200, response.text
    found: dict[str, Any] = response.json()
    return found


def test_a_fresh_server_has_all_fields_and_zeros(client: CheckedClient):
    found = metrics(client)

    assert set(found) == {"timestamp", "systems", "summary"}
    assert datetime.fromisoformat(found["timestamp"]).tzinfo is not None
    assert set(found["systems"]) == {"openviking"}
    system = found["systems"]["openviking"]
    assert set(system["averages"]) == set(ENGINE_METRICS)
    assert all(
        values == {"average": 0.0, "min": 0.0, "max": 0.0, "count": 0}
        for values in system["averages"].values()
    )
    assert system["total_requests"] == 0
    assert found["summary"] == {
        "total_requests": 0, "active_sessions": 0, "cache_size": 0, "cache_hit_rate": 0.0,
    }  # fmt: skip


def test_counts_are_those_of_the_requests_made(client: CheckedClient, engine: Engine):
    work(client)
    for path in ("/health", "/metrics", "/performance/metrics", "/docs", "/commands"):
        client.get(path)

    found = metrics(client)
    counts = {
        metric: values["count"]
        for metric, values in found["systems"]["openviking"]["averages"].items()
    }

    assert counts == {
        "embedding_generation_time": 2,
        "embedding_cache_hit": 3,
        "skill_search_time": 2,
        "conversation_time": 3,
        "resource_storage_time": 1,
    }
    # Nine and the list of commands; the views of the server itself do not count.
    assert found["summary"]["total_requests"] == 10
    assert found["systems"]["openviking"]["total_requests"] == 10
    assert found["summary"]["active_sessions"] == 2
    stats = engine.cache.stats()
    assert found["summary"]["cache_size"] == stats["entries"]
    rate = stats["hits"] / (stats["hits"] + stats["misses"])
    assert found["summary"]["cache_hit_rate"] == pytest.approx(rate, abs=1e-4)
    hits = found["systems"]["openviking"]["averages"]["embedding_cache_hit"]
    assert hits["average"] == pytest.approx(1 / 3, abs=1e-4)
    assert (hits["min"], hits["max"]) == (0.0, 1.0)


def test_times_are_milliseconds_within_those_of_the_client(client: CheckedClient):
    work(client)

    for metric, values in metrics(client)["systems"]["openviking"]["averages"].items():
        if metric != "embedding_cache_hit":
            assert 0 < values["min"] <= values["average"] <= values["max"] < 10_000, metric


def test_a_known_system_is_detailed_and_an_unknown_one_is_not(client: CheckedClient):
    work(client)

    detailed = metrics(client, system="openviking", minutes=7)

    assert detailed["system"] == "openviking"
    assert detailed["timeframe_minutes"] == 7
    assert detailed["total_metrics"] == 11
    assert len(detailed["recent_metrics"]) == 11
    assert set(detailed["averages"]) == set(ENGINE_METRICS)
    assert all(type(value) is float for value in detailed["averages"].values())
    newest = detailed["recent_metrics"][-1]
    assert (newest["system"], newest["metric"]) == ("openviking", "resource_storage_time")
    assert set(metrics(client, system="smp")) == {"timestamp", "systems", "summary"}


def test_at_most_20_recent_values_are_shown(client: CheckedClient):
    for number in range(25):
        client.post("/embeddings", json={"text": f"text {number}"})

    recent = metrics(client, system="openviking")["recent_metrics"]

    assert len(recent) == 20
    assert [one["timestamp"] for one in recent] == sorted(one["timestamp"] for one in recent)


def test_a_batch_counts_each_of_its_texts_as_a_look_up(client: CheckedClient):
    client.post("/embeddings", json={"texts": ["a", "b", "c"]})
    client.post("/v1/embeddings", json={"input": ["a", "d"]})

    averages = metrics(client)["systems"]["openviking"]["averages"]

    assert averages["embedding_cache_hit"]["count"] == 5
    assert averages["embedding_generation_time"]["count"] == 2


def test_refused_requests_count_as_requests_but_not_as_work(client: CheckedClient):
    client.post("/embeddings", json={"text": 5})
    client.post("/embeddings", json={"text": ""})
    client.get("/skills/nothing")

    found = metrics(client)

    assert found["summary"]["total_requests"] == 3
    assert found["systems"]["openviking"]["averages"]["embedding_generation_time"]["count"] == 0


@pytest.mark.parametrize(
    ("minutes", "status"),
    [
        (0, 422), (1, 200), (PERFORMANCE_MINUTES_MAX - 1, 200), (PERFORMANCE_MINUTES_MAX, 200),
        (PERFORMANCE_MINUTES_MAX + 1, 422), ("x", 422), ("1.5", 422), ("nan", 422), (-1, 422),
    ],
)  # fmt: skip
def test_the_minutes_are_limited(shared_client: CheckedClient, minutes: object, status: int):
    for path in ("/performance/metrics", "/performance/dashboard"):
        response = shared_client.get(path, params={"minutes": str(minutes)}, headers=HTML)
        assert response.status_code == status, path


def test_the_dashboard_is_json_unless_html_is_wanted(client: CheckedClient):
    for accept in ("*/*", "application/json", "text/html;q=0, application/json", "", "text"):
        response = client.get("/performance/dashboard", headers={"accept": accept})
        assert response.headers["content-type"] == "application/json", accept
        assert response.json()["system"] == "openviking"
    for accept in (HTML["accept"], "TEXT/HTML", "application/xhtml+xml"):
        response = client.get("/performance/dashboard", headers={"accept": accept})
        assert response.headers["content-type"] == "text/html; charset=utf-8", accept


def text_of(page: str) -> str:
    """What a person reads on the page."""
    body = re.sub(r"<(script|style|head)\b.*?</\1>", " ", page, flags=re.DOTALL)
    return " ".join(html.unescape(re.sub(r"<[^>]*>", " ", body)).split())


def test_the_page_shows_the_same_numbers(client: CheckedClient, engine: Engine):
    work(client)

    text = text_of(client.get("/performance/dashboard", headers=HTML).text)

    assert "healthy" in text
    assert "Requests 9 9 since the start" in text
    assert "Skill search 2 times: p50" in text
    stats = engine.cache.stats()
    assert f"hits, misses {stats['hits']}, {stats['misses']}" in text
    assert "active 2 all 2 messages 6" in text
    assert engine.model in text
    assert "33.3% of 3 texts" in text


def test_the_page_needs_nothing_from_elsewhere_and_runs_nothing_foreign(client: CheckedClient):
    response = client.get("/performance/dashboard", headers=HTML)
    policy = response.headers["content-security-policy"]

    assert not re.findall(r"""(?:src|href|action)=["']?(?:https?:)?//""", response.text)
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert 'style="' not in response.text
    assert response.headers["cache-control"] == "no-store"
    assert response.headers["vary"] == "accept"


def test_the_view_answers_without_an_engine_and_with_a_broken_store(engine: Engine):
    loading = TestClient(create_app(lambda: engine))
    assert loading.get("/performance/metrics?system=openviking").json()["recent_metrics"] == []
    assert "loading" in text_of(loading.get("/performance/dashboard", headers=HTML).text)
    with TestClient(create_app(engine)) as client:
        engine.store.close()
        page = client.get("/performance/dashboard", headers=HTML)
        refused = client.get("/performance/metrics")

    assert page.status_code == 200
    assert "unhealthy" in text_of(page.text)
    assert "state failed" in text_of(page.text)
    # How many sessions are active cannot be known; a 0 would be a lie.
    assert refused.status_code == 503
    assert refused.headers["content-type"] == "application/problem+json"


def test_a_bar_is_as_high_as_its_value_says():
    plot = bars([0.0, 1.0, 4.0], "label <&>")

    assert re.findall(r'height="([\d.]+)"', plot) == ["25.0", "100.0"]
    assert "label &lt;&amp;&gt;" in plot
    assert "<rect" not in bars([0.0, 0.0], "nothing")


def test_a_curve_leaves_gaps_where_nothing_was_measured():
    plot = curve([1.0, 2.0, None, 4.0], [2.0, 4.0, None, 4.0], "label")

    assert re.findall(r'polyline class=line points="([^"]*)"', plot) == ["0.0,75.0 200.0,50.0"]
    assert plot.count("<path class=dot") == 1
    assert plot.count("<polygon") == 1
    assert "<poly" not in curve([None, None], [None, None], "nothing")


@pytest.fixture
def chromium() -> str:
    found = shutil.which("chromium") or shutil.which("chromium-browser")
    if found is None:
        pytest.skip("no Chromium on this machine")
    return found


@pytest.mark.parametrize("width", [1200, 500])
def test_a_browser_shows_the_page_without_errors_or_sideways_scrolling(
    client: CheckedClient, chromium: str, tmp_path: Path, width: int
):
    work(client)
    page = client.get("/performance/dashboard", headers=HTML).text
    # A probe of the layout instead of the refreshing script, which has no server here.
    probe = (
        "<script>addEventListener('load', () => { document.title = JSON.stringify({"
        "over: document.documentElement.scrollWidth - innerWidth,"
        "tiles: [...document.querySelectorAll('.tiles b')].map(b => b.textContent),"
        "plots: [...document.querySelectorAll('svg')].map(s => s.getBoundingClientRect().width)"
        "}) })</script>"
    )
    file = tmp_path / "page.html"
    file.write_text(re.sub(r"<script>.*?</script>", lambda _: probe, page, flags=re.DOTALL))
    done = subprocess.run(  # noqa: S603 - the browser of this machine on our own page
        [
            chromium, "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars",
            f"--user-data-dir={tmp_path / 'profile'}", f"--window-size={width},900",
            f"--screenshot={tmp_path / 'page.png'}", "--dump-dom", file.as_uri(),
        ],
        capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip

    title = re.search(r"<title>(.*?)</title>", done.stdout)
    assert title is not None, done.stderr[-500:]
    shown = json.loads(html.unescape(title[1]))
    assert shown["over"] <= 0
    assert shown["tiles"][1] == "9"
    assert len(shown["plots"]) == 6
    assert all(150 < wide <= width for wide in shown["plots"])
