"""A shielded step runs to its end, whatever becomes of its caller."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from sessions_us._send.cancel_scope import shield

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize("as_future", [False, True])
async def test_the_result_or_the_error_of_the_step(as_future: bool) -> None:
    """Of a coroutine and of a future."""

    async def step(result: int) -> float:
        await asyncio.sleep(0)
        return 1 / result

    def made(result: int) -> Any:
        return asyncio.ensure_future(step(result)) if as_future else step(result)

    assert await shield(made(2)) == 0.5
    with pytest.raises(ZeroDivisionError):
        await shield(made(0))


@pytest.mark.parametrize("fails", [False, True])
async def test_a_cancelled_caller_waits_for_the_end(fails: bool) -> None:
    """However often it is cancelled; an error of the step is not reported as lost."""
    lost: list[Any] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: lost.append(context))
    go, ended = asyncio.Event(), asyncio.Event()

    async def step() -> None:
        await go.wait()
        ended.set()
        if fails:
            raise ValueError("of the step")

    caller = asyncio.create_task(shield(step()))
    for _ in range(3):
        await asyncio.sleep(0)
        caller.cancel()
    await asyncio.sleep(0)
    assert not caller.done()
    go.set()
    with pytest.raises(asyncio.CancelledError):
        await caller

    assert ended.is_set()
    await asyncio.sleep(0)
    asyncio.get_running_loop().set_exception_handler(None)
    assert lost == []


async def test_a_step_that_is_cancelled_itself() -> None:
    """Its caller hears of that."""
    step = asyncio.get_running_loop().create_future()
    asyncio.get_running_loop().call_soon(step.cancel)
    with pytest.raises(asyncio.CancelledError):
        await shield(step)
