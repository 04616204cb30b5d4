"""Webhooks. In live use, but not in the official list; only making and deleting one is known.

The real API wants a public https address; this one also takes http, because what it delivers to is this machine.
"""

from __future__ import annotations

from datetime import datetime

from ..body import Body
from ..call import RoutedRequest, Routes
from ..delivery import host_of
from ..records import WebhookRecord
from ..state import PERMISSIONS, TRIGGERS, find


def _url(body: Body) -> str:
    value = body.text("url", required=True)
    if value and not host_of(value):
        body.wrong("url must be a URL address")
    return value


def read_webhook(body: Body, id: str, created_at: datetime, owner_id: str) -> WebhookRecord:
    """Read a webhook from a body. It is usable only if the body has no problems."""
    url, trigger = _url(body), body.text("trigger", required=True)
    permission = body.text("permission") or "personal"
    link, integration = body.flag("linkPublicKey"), body.text("integration", nullable=True)
    if trigger and trigger not in TRIGGERS:
        body.wrong(f"trigger must be one of the following values: {', '.join(sorted(TRIGGERS))}")
    if permission not in PERMISSIONS:
        body.wrong(f"permission must be one of the following values: {', '.join(PERMISSIONS)}")
    return WebhookRecord(id, url, trigger, permission, bool(link), integration, created_at, owner_id)


def create(call: RoutedRequest) -> object:
    state, body = call.state, call.body()
    webhook = read_webhook(body, "", state.now(), call.user.id)
    body.check()
    webhook.id, webhook.extra = state.new_id(), body.unknown("webhooks")
    state.webhooks[webhook.id] = webhook
    return state.answers.webhook(webhook)


def delete(call: RoutedRequest) -> object:
    webhook = find(call.state.webhooks, call.id, "Webhook")
    call.require_own(webhook.owner_id == call.user.id)
    del call.state.webhooks[webhook.id]
    return None


ROUTES: Routes = {
    ("POST", "/api/webhooks"): create,
    ("DELETE", "/api/webhooks/{id}"): delete,
}
