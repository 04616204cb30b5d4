"""Webhooks. They are in use without being listed on the API's official page."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sessions_us_api.api.webhooks import create_webhook, delete_webhook

if TYPE_CHECKING:
    from sessions_us_api.models import Webhook, WebhookTrigger

    from .._calls.arguments import Extra
    from .._calls.calls import Calls

__all__ = ("Webhooks",)


class Webhooks:
    """Subscriptions of a URL to one kind of event. No way to list or read them is known: keep their ids."""

    __slots__ = ("_calls",)

    def __init__(self, calls: Calls) -> None:
        self._calls = calls

    async def create(
        self,
        *,
        url: str,
        trigger: WebhookTrigger | str,
        permission: str = "personal",
        link_public_key: bool | None = None,
        integration: str | None = None,
        extra: Extra | None = None,
    ) -> Webhook:
        """Subscribes a URL to one kind of event.

        Args:
            url: where the events go: a public address that takes JSON over HTTPS.
            trigger: what is reported, such as `WebhookTrigger.SESSION_CREATED`; one webhook has one trigger.
            permission: whose objects are reported: `personal` for the user's own, `organization` for the whole
                workspace's.
            link_public_key: True removes the webhook together with the key that made it.
            integration: the name of a known integration; it makes the webhook read-only in the app. Best left out.
            extra: further fields by their wire names, merged last into the JSON body.

        Returns:
            The webhook. Keep its `id`: `delete` needs it.

        Raises:
            DecodeError: the webhook was made, but the answer holds no id.
            SessionsError: see `sessions_us.errors`.

        Endpoint: POST /api/webhooks
        Known from: wire; not on the official page.
        """
        body = {
            "url": url,
            "trigger": trigger,
            "permission": permission,
            "linkPublicKey": link_public_key,
            "integration": integration,
        }
        return await self._calls.one(create_webhook, body=body, extra=extra)

    async def delete(self, id: str, *, extra: Extra | None = None) -> None:
        """Ends a subscription.

        Args:
            id: of the webhook.
            extra: a JSON body, by wire names; none is needed.

        Raises:
            ValueError: the id can't stand in a path.
            SessionsError: see `sessions_us.errors`.

        Endpoint: DELETE /api/webhooks/{id}
        Known from: wire; not on the official page.
        """
        await self._calls.nothing(delete_webhook, id, extra=extra)
