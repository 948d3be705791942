"""The hive's capabilities: its devices, and a new look on request."""

import msgspec
import pytest
from starlette.types import ASGIApp

from rbee.contracts.hives import Capabilities
from wire.asgi import ask

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize("query", ["", "refresh=1", "refresh=true", "refresh=0"])
async def test_capabilities_list_the_devices(hive_app: ASGIApp, query: str) -> None:
    answer = await ask(hive_app, "GET", "/v1/capabilities", query=query)
    assert answer.status == 200
    told = msgspec.json.decode(answer.body, type=Capabilities)
    assert [device.id for device in told.devices] == ["CPU-0"]
    assert told.devices[0].memory_total_mb
    assert told.device_problems == []
