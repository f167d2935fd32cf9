"""Mails about runs: list, show, send again."""

import re
from collections.abc import Sequence
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from duebook_api.access.operation import operation
from duebook_api.http.fields import JobId
from duebook_api.http.filters import Condition, Statement, newest_first
from duebook_api.http.idempotency import idempotency_key
from duebook_api.http.paging import SEVERAL, Id, NoQuery, PageQuery, SortOrder, Text, page_of, query, utc_time
from duebook_api.http.problems import not_found
from duebook_api.http.replies import reply
from duebook_api.http.requests import read_optional, validated
from duebook_api.jobs.derived_ids import derived_id
from duebook_api.jobs.requests import request_hash
from duebook_api.schemas import answers, installation, views
from duebook_api.schemas.bodies import ReasonBody
from duebook_api.state.dependencies import Dependencies, actor, dependencies
from duebook_common.domain.mail import Mail, notification_id, parse_topic
from duebook_common.runtime.scopes import Scope
from duebook_common.store.actor import Actor
from duebook_common.store.database import Connection, acquire
from duebook_common.store.mail_handling import ResendRequest, resend_mail
from duebook_common.store.mail_projection import MailKey, load_mails, mail_of

router = APIRouter(prefix="/api/notification", tags=["mails"])

Status = Literal["sent", "held", "in_digest", "retrying", "given_up"]

ORDER = SortOrder(("updated_at", "run_id", "outcome", "recipient"), (utc_time, UUID, str, str))
_NAMES = "SELECT job_id, name FROM jobs WHERE job_id = ANY($1::uuid[])"
_ID = re.compile(r"([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})\.([a-z_]{1,40}-\d{1,10})\.[0-9a-f]{16}", re.ASCII)


class NotificationQuery(PageQuery):
    status: Annotated[tuple[Status, ...], SEVERAL] = ()
    run_id: Id | None = None
    job_id: JobId | None = None
    recipient: Text | None = None


def statement(q: NotificationQuery) -> Statement:
    """The page of mails, as conditions for which there is an index."""
    status: list[Condition] = (
        [("status = ANY({})", list(q.status) or None)] if len(q.status) != 1 else [("status = {}", q.status[0])]
    )
    if q.status and "sent" not in q.status:
        status.append(("status <> 'sent'",))  # matches the partial index
    of = [("run_id = {}", q.run_id), ("job_id = {}", q.job_id), ("recipient = {}", q.recipient)]
    return newest_first("SELECT * FROM mails", ORDER, q, *status, *of)


@router.get(
    "",
    openapi_extra=operation(Scope.MAILS_READ, query=NotificationQuery),
    response_model=answers.Page[installation.Notification],
)
async def list_notifications(request: Request) -> Response:
    """The mails about runs, those that changed last first.

    `held` ones wait for the digest to their recipient, and are `in_digest` once it was sent.
    """
    return reply(await find_notifications(dependencies(request), query(request, NotificationQuery)))


async def find_notifications(deps: Dependencies, q: NotificationQuery) -> views.View:
    """One page of the list of mails."""
    text, arguments = statement(q)
    async with acquire(deps.pool) as db:
        rows: list[Any] = await db.fetch(text, *arguments)
        names = await _names(db, [row["job_id"] for row in rows])
    return page_of(rows, q, lambda row: _view(mail_of(row), names), ORDER.of)


@router.get("/{notification_id}", openapi_extra=operation(Scope.MAILS_READ), response_model=installation.Notification)
async def show_notification(notification_id: str, request: Request) -> Response:
    """One mail."""
    query(request, NoQuery)
    return reply(await find_notification(dependencies(request), notification_id))


async def find_notification(deps: Dependencies, id_: str) -> views.View:
    """The mail with this id; raises Problem 404."""
    async with acquire(deps.pool) as db:
        mail = await _mail(db, id_)
        return _view(mail, await _names(db, [mail.job_id]))


@router.post(
    "/{notification_id}/resend",
    status_code=202,
    openapi_extra=operation(Scope.MAILS_WRITE, ReasonBody, required=False, idempotent=True),
    response_model=installation.Notification,
)
async def resend_notification(notification_id: str, request: Request) -> Response:
    """Have a mail sent again: the notifier sends it within seconds, with a Message-ID of its own.

    A mail that was asked for already and is not sent yet is not sent twice; with an Idempotency-Key neither is one that
    was sent since. It takes from the recipient's budget (`DUEBOOK_MAIL_LIMIT`): beyond it a digest has it. A mail that
    is held for a digest is refused with 409.
    """
    key = idempotency_key(request)
    value = await read_optional(request)
    body = validated(ReasonBody, value)
    deps, by = dependencies(request), actor(request)
    wanted = ResendRequest(body.reason, _request_id(by, key), None if key is None else request_hash(value))
    return reply(await resend(deps, notification_id, wanted, by), 202)


async def resend(deps: Dependencies, id_: str, wanted: ResendRequest, by: Actor) -> views.View:
    """The mail, which is due now; raises Problem 404, WrongStatus and KeyReused."""
    async with acquire(deps.pool) as db:
        mail = await _mail(db, id_)
        names = await _names(db, [mail.job_id])
    key: MailKey = (mail.outcome, mail.recipient)
    return _view(await resend_mail(deps.pool, mail.run_id, key, wanted, by) or mail, names)


def _request_id(by: Actor, key: str | None) -> str | None:
    """An Idempotency-Key belongs to the API key that sent it."""
    return None if key is None else str(derived_id(f"resend\n{by.name}\n{key}"))


async def _mail(db: Connection, id_: str) -> Mail:
    match = _ID.fullmatch(id_)
    mails = await load_mails(db, UUID(match[1])) if match else {}
    for mail in mails.values():
        if notification_id(mail.run_id, mail.outcome, mail.recipient) == id_:
            return mail
    raise not_found(f"mail {id_[:100]!r}")


async def _names(db: Connection, job_ids: Sequence[UUID]) -> dict[UUID, str]:
    return {row["job_id"]: row["name"] for row in await db.fetch(_NAMES, list(set(job_ids)))}


def _view(mail: Mail, names: dict[UUID, str]) -> views.View:
    return {
        "id": notification_id(mail.run_id, mail.outcome, mail.recipient),
        "run_id": mail.run_id,
        "job_id": mail.job_id,
        "job_name": names.get(mail.job_id),
        "outcome": parse_topic(mail.outcome)[0],
        "recipient": mail.recipient,
        "status": mail.status,
        "tries": mail.tries,
        "error": mail.error,
        "next_try_at": mail.wake_at,
        "message_id": mail.message_id,
        "updated_at": mail.updated_at,
    }
