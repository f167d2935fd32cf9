"""What the fields of keys, services, executors, tasks and mails mean, with an example each."""

from duebook_api.openapi.described import Described

_AT = "2100-01-04T02:00:00Z"
_KEY = "1f2e3d4c5b6a7988"

_WHOAMI: dict[str, Described] = {
    "Whoami.actor": ("The name under which events record what this key does.", f"key:{_KEY}"),
    "Whoami.key_id": ("The id of the key; null for the first key and without keys.", _KEY),
    "Whoami.name": ("The name of the key, `DUEBOOK_API_KEY` for the first one, `anonymous` without keys.", "ci"),
    "Whoami.scopes": ("What the key may do.", ["jobs:read", "runs:read"]),
    "Whoami.expires_at": ("When the key expires; null if it does not.", _AT),
    "Whoami.auth": ("Whether this server needs keys (`required`) or not (`off`).", "required"),
}
INSTALLATION: dict[str, Described] = _WHOAMI
