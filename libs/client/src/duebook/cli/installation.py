"""`duebook whoami`: who asks."""

from duebook.cli import output
from duebook.cli.options import Output, connect
from duebook.cli.output import Format


def whoami(fmt: Output = Format.TABLE) -> None:
    """Show the name, the scopes and the expiry of the key in DUEBOOK_API_KEY, as the server knows it."""
    with connect() as api:
        output.print_item(api.get("/api/whoami"), fmt)
