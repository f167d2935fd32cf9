"""`duebook mail`: the mails about runs."""

from typing import Annotated
from urllib.parse import quote

import typer

from duebook.cli import output
from duebook.cli.names import OfJob, filter_id
from duebook.cli.options import IdempotencyKey, Limit, Output, Reason, connect, without_none
from duebook.cli.output import Format
from duebook.cli.values import MailStatus

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="List mails about runs, and have one sent again.")

_COLUMNS = ("id", "status", "recipient", "job_name", "outcome", "tries", "next_try_at", "updated_at", "error")

MailId = Annotated[str, typer.Argument(metavar="MAIL_ID", show_default=False)]


@app.command("list")
def list_mails(
    status: Annotated[list[MailStatus] | None, typer.Option(help="Only with this status; may be repeated.")] = None,
    job: OfJob = None,
    run: Annotated[str | None, typer.Option(metavar="RUN_ID", help="Only about this run.")] = None,
    to: Annotated[str | None, typer.Option(metavar="ADDRESS", help="Only to this recipient.")] = None,
    limit: Limit = 50,
    fmt: Output = Format.TABLE,
) -> None:
    """List mails, those that changed last first."""
    with connect() as api:
        statuses = ",".join(status) if status else None
        found = api.items(
            "/api/notification", limit + 1, status=statuses, job_id=filter_id(api, job), run_id=run, recipient=to
        )
        output.print_list(output.take(found, limit), _COLUMNS, fmt)


@app.command("show")
def show_mail(mail: MailId, fmt: Output = Format.TABLE) -> None:
    """Show a mail with its status and error."""
    with connect() as api:
        output.print_item(api.get(f"/api/notification/{quote(mail, safe='')}"), fmt)


@app.command("resend")
def resend_mail(
    mail: MailId, reason: Reason = None, idempotency_key: IdempotencyKey = None, fmt: Output = Format.TABLE
) -> None:
    """Have a mail sent again, within the recipient's budget."""
    path = f"/api/notification/{quote(mail, safe='')}/resend"
    with connect() as api:
        shown = api.post(path, without_none(reason=reason), idempotency_key=idempotency_key)
    output.print_item(shown, fmt)
    output.print_message("the notifier sends the mail within seconds")
