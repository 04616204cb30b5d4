#!/bin/sh
# The sandbox from any language, shown with curl alone. Start `sessions-us sandbox` first; SANDBOX is its address.
set -eu
SANDBOX=${SANDBOX:-http://127.0.0.1:8099}
KEY=${KEY:-sandbox-user-key}
post() { curl -fsS -X POST -H 'content-type: application/json' "$SANDBOX/_sandbox/$1" -d "${2:-{\}}"; echo; }
api() { curl -sS -H "x-api-key: $KEY" -w '  %{http_code}\n' "$SANDBOX/api/$1"; }

echo '# seed: a session in an hour'
post reset
post data '{"sessions": [{"id": "kick-off", "name": "Kick-off", "startAt": "2090-01-01T09:00:00Z"}]}'
api sessions/kick-off

echo '# fail: the next request gets a 429, the one after that is two seconds late'
post faults '{"status": 429, "headers": {"Retry-After": "1"}}'
post faults '{"delay": 2}'
api sessions/kick-off
api rooms/none

echo '# advance: the window of the quota is over, and so is the hour'
post clock '{"seconds": 3600}'

echo '# a session is held; its takeaways are there'
post sessions/kick-off/start
post sessions/kick-off/end '{"takeaways": "We agreed."}'
api sessions/kick-off/takeaways

echo '# trigger: every webhook with this trigger gets it'
post triggers '{"name": "SESSION_ENDED", "id": "kick-off"}'

echo '# what the sandbox was asked'
curl -fsS "$SANDBOX/_sandbox/requests"
echo
