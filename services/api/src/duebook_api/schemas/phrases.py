"""How explanations write times, numbers and names."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from duebook_common.domain.definition import Rate
from duebook_common.domain.queue.events import INSTALLATION
from duebook_common.domain.queue.state import Pause
from duebook_common.runtime.phrases import interval, quantity

_MAX_QUOTE = 300  # characters
WAITS_FOR_SCHEDULER = "waits for a scheduler: none is running, they are behind, or its queue is full"
_ORDINALS = ("first", "second", "third", "fourth", "fifth")


def exact_time(time: datetime, zone: str = "UTC") -> str:
    """An instant in UTC, followed by the zone's local time if that differs."""
    utc = time.astimezone(UTC)
    text = f"{utc:%Y-%m-%dT%H:%M:%S}{_fraction(utc)}Z"
    local = utc.astimezone(ZoneInfo(zone))
    if local.utcoffset() == timedelta(0):
        return text
    day = "" if local.date() == utc.date() else f"{local:%Y-%m-%d} "
    return f"{text} ({day}{local:%H:%M}{f':{local:%S}' if local.second else ''} in {zone})"


def _fraction(time: datetime) -> str:
    return f".{time.microsecond:06}".rstrip("0") if time.microsecond else ""


def event_time(time: datetime, zone: str = "UTC") -> str:
    """The same to the second, which is enough for the time of an event."""
    return exact_time(time.replace(microsecond=0), zone)


def jitter_text(due_at: datetime, zone: str) -> str:
    """What follows a nominal time that jitter delays."""
    return f" (due at {event_time(due_at, zone)} because of jitter)"


def is_or_are(number: int) -> str:
    return "is" if number == 1 else "are"


def ordinal(number: int) -> str:
    """Words up to "fifth", then "6th"."""
    if 0 < number <= len(_ORDINALS):
        return _ORDINALS[number - 1]
    suffix = "th" if 10 <= number % 100 <= 20 else {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return f"{number}{suffix}"


def quoted(text: str) -> str:
    """Text from outside on one line, without control characters and cut after 300 characters."""
    printable = "".join(character if character.isprintable() else " " for character in text)
    line = " ".join(printable.split())
    return f"“{line if len(line) <= _MAX_QUOTE else line[:_MAX_QUOTE] + '…'}”"


def actor_name(actor: str) -> str:
    """The name of an event's actor (`meta.actor`) within a sentence."""
    if actor == "anonymous":
        return "a client without an API key"
    if actor.startswith("key:"):
        return f"API key {quoted(actor.removeprefix('key:'))}"
    kind = actor.partition(" ")[0]
    return f"the {kind}" if kind in {"scheduler", "executor"} else quoted(actor)


def acting(actor: str, bulk: str | None) -> str:
    """The actor of an event as the subject of a sentence, with the bulk operation of which the event is a part."""
    return actor_name(actor) if bulk is None else f"{actor_name(actor)}, by the bulk operation {bulk},"


def executor_name(executor: str | None) -> str:
    """The name of an attempt's executor; the log has it as "executor HOST/PID"."""
    return f"the executor {(executor or '').removeprefix('executor ')}"


def capitalized(sentence: str) -> str:
    return sentence[:1].upper() + sentence[1:]


def with_reason(reason: str | None) -> str:
    """The end of a clause about a command, which may have a reason."""
    return f", with the reason {quoted(reason)}" if reason else ", without giving a reason"


def pause_clause(pause: Pause, zone: str) -> str:
    """Who paused the queue, since when and why; of a pause that has ended also when that was."""
    frozen = pause.name == INSTALLATION
    what = "the whole installation" if frozen else f"the queue {quoted(pause.name)}"
    verb, by, reason = "frozen" if frozen else "paused", actor_name(pause.paused_by), _why(pause.reason)
    since = event_time(pause.since, zone)
    if pause.until is None:
        return f"{what} is {verb} by {by} since {since}{reason}"
    return f"{what} was {verb} by {by} from {since} to {event_time(pause.until, zone)}{reason}"


def rate_clause(rate: Rate) -> str:
    """The rate of a run as the object of a sentence."""
    allowed = f"{quantity(rate.limit, 'start')} in any {interval(rate.per)}"
    return f"the rate of the key {quoted(rate.key)}, which allows {allowed}"


def _why(reason: str | None) -> str:
    return f": {quoted(reason)}" if reason else ""
