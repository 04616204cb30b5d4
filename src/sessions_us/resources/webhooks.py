"""The resource of webhooks, which are in use but not on the API's official page."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sessions_us_api.api import webhooks as api

from .resource import ApiResource

if TYPE_CHECKING:
    from sessions_us_api.models import Webhook, WebhookTrigger

    from .._calls.arguments import Extra

__all__ = ("Webhooks",)


class Webhooks(ApiResource):
    """Subscriptions of a URL to one trigger. No way to list or read them is known: keep their ids."""

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
        """Subscribe a URL to one trigger.

        Args:
            url: public address that accepts JSON over HTTPS.
            trigger: what Sessions reports, such as `WebhookTrigger.SESSION_CREATED`.
            permission: `personal` for the objects of the user, `organization` for those of the whole workspace.
            link_public_key: True: the webhook is removed together with the key that created it.
            integration: name of a known integration. It makes the webhook read-only in the app; best left out.

        Returns:
            The webhook. Keep its `id`: `delete` needs it.

        Raises:
            DecodeError: the webhook was created, but the answer has no id.

        Endpoint: POST /api/webhooks
        Known from: observed; not on the official page.
        """
        body = {
            "url": url,
            "trigger": trigger,
            "permission": permission,
            "linkPublicKey": link_public_key,
            "integration": integration,
        }
        return await self._calls.one(api.create_webhook, body=body, extra=extra)

    async def delete(self, id: str, *, extra: Extra | None = None) -> None:
        """Delete a subscription.

        Args:
            id: id of the webhook.

        Endpoint: DELETE /api/webhooks/{id}
        Known from: observed; not on the official page.
        """
        await self._calls.nothing(api.delete_webhook, id, extra=extra)
