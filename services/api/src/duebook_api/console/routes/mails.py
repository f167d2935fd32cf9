"""The mails about runs, and sending one again."""

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from duebook_api.console.pages import mails as page
from duebook_api.console.reader import reader_of
from duebook_api.console.rendering import redirect, render
from duebook_api.console.requests import filters, needs, read_form
from duebook_api.http.requests import validated
from duebook_api.mails.routes import NotificationQuery, find_notification, find_notifications, resend
from duebook_api.schemas.bodies import ReasonBody
from duebook_api.state.dependencies import actor, dependencies
from duebook_common.runtime.scopes import Scope
from duebook_common.store.mail_handling import ResendRequest

router = APIRouter(prefix="/mails")


@router.get("", **needs(Scope.MAILS_READ))
async def list_mails(request: Request) -> Response:
    """The mails, those that changed last first: sent, retrying, held and given up."""
    deps, reader = dependencies(request), reader_of(request)
    q = filters(request, NotificationQuery, "/api/notification")
    found = await find_notifications(deps, q)
    return await render(
        request,
        "mails.html",
        q=q,
        rows=page.mail_rows(found["items"]),
        sentence=page.sentence(found["items"]),
        statuses=page.STATUSES,
        next_cursor=found["next_cursor"],
        copies=reader.copies_of("/api/notification", q, "mail", "list"),
    )


@router.get("/{mail_id}/resend", **needs(Scope.MAILS_WRITE))
async def ask_resend(request: Request, mail_id: str) -> Response:
    reader, mail = reader_of(request), await find_notification(dependencies(request), mail_id)
    url = reader.api(f"/api/notification/{mail['id']}/resend")
    action = page.resend_form(mail, url, needs_key=reader.needs_key)
    return await render(request, "action.html", action=action)


@router.post("/{mail_id}/resend", **needs(Scope.MAILS_WRITE))
async def send_again(request: Request, mail_id: str) -> Response:
    body = validated(ReasonBody, {"reason": (await read_form(request)).get("reason") or None})
    wanted = ResendRequest(body.reason, None, None)
    mail = await resend(dependencies(request), mail_id, wanted, actor(request))
    return redirect(request, "/console/mails", f"The mail to {mail['recipient']} is on its way.")
