"""A database that is dumped and loaded into another cluster, as an operator restores it."""

import subprocess
from collections import Counter

import asyncpg

from support import servers
from support.smtp_server import Mailbox

_SPENT = 5_000  # transaction ids: more than a new cluster spends on the load of a dump


async def spend_transaction_ids(url: str) -> None:
    connection = await asyncpg.connect(url)
    for _ in range(_SPENT):
        await connection.execute("SELECT pg_current_xact_id()")
    await connection.close()


def copy(source: str, target: str) -> None:
    dump = str(servers.private_path() / "duebook.dump")
    for command in (
        ["pg_dump", "--format=custom", f"--file={dump}", source],
        ["pg_restore", "--no-owner", f"--dbname={target}", dump],
    ):
        subprocess.run(command, check=True, capture_output=True)


def mailed(smtp: Mailbox) -> Counter[str]:
    return Counter(message["subject"] for message in smtp.messages)
