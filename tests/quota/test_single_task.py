"""A task of which at most one runs at a time."""

from __future__ import annotations

import asyncio

import pytest

from sessions_us.quota.single_task import SingleTask

pytestmark = pytest.mark.anyio


async def test_it_runs_once_at_a_time_and_again_after_its_end() -> None:
    """A start while it runs does nothing."""
    ran: list[int] = []
    go = asyncio.Event()

    async def work() -> None:
        ran.append(len(ran))
        await go.wait()

    task = SingleTask(work)
    for _ in range(3):
        task.start()
        await asyncio.sleep(0)
    assert ran == [0]
    go.set()
    await task.join()
    task.start()
    await task.join()
    assert ran == [0, 1]


@pytest.mark.parametrize("begun", [False, True])
async def test_it_can_be_started_after_it_was_cancelled(begun: bool) -> None:
    """Also if it was cancelled before its first step, as when a program cancels all tasks."""
    ran: list[int] = []

    async def work() -> None:
        ran.append(len(ran))
        await asyncio.sleep(0.01)

    asyncio.get_running_loop().set_task_factory(None)  # an eager task has always made its first step
    task, before = SingleTask(work), asyncio.all_tasks()
    task.start()
    if begun:
        await asyncio.sleep(0)
    for each in asyncio.all_tasks() - before:
        each.cancel()
    await task.join()
    task.start()
    await task.join()
    assert ran == [0, 1][: 1 + begun]


async def test_waiting_for_its_end_raises_nothing() -> None:
    """The error is the task's own, and the next start runs the work again."""
    ran = 0

    async def work() -> None:
        nonlocal ran
        ran += 1
        await asyncio.sleep(0)
        raise ValueError

    task = SingleTask(work)
    asyncio.get_running_loop().set_exception_handler(lambda loop, context: None)
    await task.join()
    task.start()
    await task.join()
    task.start()
    await task.join()
    assert ran == 2
