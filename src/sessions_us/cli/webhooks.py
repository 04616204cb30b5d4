"""`sessions-us webhooks add` and `remove`."""

from __future__ import annotations

import asyncio
from typing import Annotated

import typer
from rich.text import Text
from sessions_us_api.models import WebhookPermission, WebhookTrigger

from .access import SENDING, KeyFile, MaxWait, QuotaStore, budget, connect, user_key
from .options import choice, help_alone
from .output import AsJson, note, print_rows, require_output, screen, wants_json
from .text import one_line
from .waiting import Waiting

__all__ = ("app",)

app: typer.Typer = typer.Typer(
    help="""Subscribe URLs to what happens. The API can't list webhooks: keep the id that `add` prints.

    \b
    Examples:
      sessions-us webhooks add --url https://example.com/hook --trigger SESSION_ENDED
      sessions-us webhooks remove 64b1c3d2-5e8f-4a21-b0c7-d9e8f7a6b5c4
    """,
    rich_markup_mode=None,
)
app.callback(invoke_without_command=True)(help_alone)

_WHOSE = {
    WebhookPermission.PERSONAL: "your own objects",
    WebhookPermission.ORGANIZATION: "all objects of the workspace",
}


@app.command(cls=SENDING)
def add(
    url: Annotated[str, typer.Option(help="Where the events go: a public https address.")],
    trigger: Annotated[
        WebhookTrigger,
        typer.Option(
            "--trigger", metavar="TRIGGER", parser=choice(WebhookTrigger), help=f"One of {', '.join(WebhookTrigger)}."
        ),
    ],
    permission: Annotated[
        WebhookPermission, typer.Option(help="Whose objects are reported: your own, or the whole workspace's.")
    ] = WebhookPermission.PERSONAL,
    json: Annotated[bool, typer.Option("--json", help="Print the webhook as the server sent it.")] = False,
    key_file: KeyFile = None,
    quota_store: QuotaStore = None,
    max_wait: MaxWait = None,
) -> None:
    """Subscribe a URL to one trigger, and print the id of the webhook. Keep it: `remove` needs it.

    \b
    Examples:
      sessions-us webhooks add --url https://example.com/hook --trigger SESSION_ENDED
      id=$(sessions-us webhooks add --url https://example.com/hook --trigger BOOKING_CREATED --permission organization)
    """
    require_output()
    key = user_key(key_file)

    async def subscribe() -> None:
        waiting = Waiting("adding the webhook")
        async with connect(key, budget(quota_store), on_event=waiting.on_event, max_wait=max_wait) as user:
            with waiting:
                webhook = await user.webhooks.create(url=url, trigger=trigger, permission=permission)
        row = key.redact_json(webhook.to_dict())
        if json:
            print_rows([row])
        else:
            typer.echo(one_line(row["id"]))
        note(f"{trigger} of {_WHOSE[permission]} goes to {url}. Keep the id, because the API can't list webhooks")

    asyncio.run(subscribe())


@app.command(cls=SENDING)
def remove(
    id: Annotated[str, typer.Argument(help="Of the webhook, as `add` printed it.")],
    json: AsJson = None,
    key_file: KeyFile = None,
    quota_store: QuotaStore = None,
    max_wait: MaxWait = None,
) -> None:
    """Delete a webhook.

    \b
    Examples:
      sessions-us webhooks remove 64b1c3d2-5e8f-4a21-b0c7-d9e8f7a6b5c4
    """
    key = user_key(key_file)

    async def unsubscribe() -> None:
        waiting = Waiting("removing the webhook")
        async with connect(key, budget(quota_store), on_event=waiting.on_event, max_wait=max_wait) as user:
            with waiting:
                await user.webhooks.delete(id)
        row = {"id": id, "removed": True}
        if wants_json(json):
            print_rows([row])
        else:
            screen().print(Text(f"Removed {one_line(id)}."))

    asyncio.run(unsubscribe())
