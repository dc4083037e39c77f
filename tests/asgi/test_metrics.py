"""Waiting for the last request in flight, without looking again and again."""

from __future__ import annotations

import asyncio

from openviking_asgi.metrics import Metrics


def test_who_waits_for_idleness_is_woken_by_the_last_request():
    async def scene() -> None:
        metrics = Metrics()
        await metrics.until_idle()
        metrics.begin_request()
        metrics.begin_request()
        waiting = asyncio.ensure_future(metrics.until_idle())
        await asyncio.sleep(0)
        metrics.end_request()
        await asyncio.sleep(0)
        assert not waiting.done()
        metrics.end_request()
        await asyncio.wait_for(waiting, 10)
        assert metrics.in_flight == 0

    asyncio.run(scene())
