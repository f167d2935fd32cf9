"""What a client probably means by a recurrence that is written in another way."""

import re

from duebook_common.domain.schedule.cron_hints import interval_of

_WORDS: dict[str, dict[str, str] | str] = {
    "once": "none",
    "never": "none",
    "minutely": {"every": "PT1M"},
    "hourly": {"every": "PT1H"},
    "weekdays": {"rrule": "FREQ=WEEKLY;BYDAY=MO,TU,WE,TH,FR"},
    "monthly": {"rrule": "FREQ=MONTHLY"},
    "yearly": {"rrule": "FREQ=YEARLY"},
    "annually": {"rrule": "FREQ=YEARLY"},
}
_KNOWN = ("none", "daily", "weekly")
_CRON_FIELDS = re.compile(r"[\d*?,/-]+(\s+[\w*?,/#-]+){4,6}", re.ASCII)


def meant(text: str) -> dict[str, str] | str | None:
    """The recurrence in the words of the API, None if there is no guess.

    >>> meant("30 2 * * *"), meant("15m"), meant("Daily"), meant("hourly")
    ({'cron': '30 2 * * *'}, {'every': 'PT15M'}, 'daily', {'every': 'PT1H'})
    """
    text = text.strip()[:200]
    word = text.lower()
    if word in _KNOWN:
        return word
    if word in _WORDS:
        return _WORDS[word]
    kind, _, rest = text.partition(" ")
    if kind.lower() in {"cron", "rrule"} and rest:
        return {kind.lower(): rest.strip()}
    if match := re.match(r"(?:RRULE:)?(FREQ=.*)", text, re.IGNORECASE):
        return {"rrule": match[1]}
    if (interval := interval_of(text)) is not None:
        return {"every": interval}
    return {"cron": text} if text.startswith("@") or _CRON_FIELDS.fullmatch(text) else None
