"""Fetches the orders now, and prints the results of the two runs that follow."""

import time

from duebook import Client


def main() -> None:
    with Client() as client:
        fetched = client.runs.wait(client.jobs.trigger("key:orders.fetch"), timeout=60)
        for key in ("orders.invoice", "orders.pack"):
            while not (runs := list(client.runs.list(job=f"key:{key}", cause=fetched))):
                time.sleep(0.1)  # it is made within a moment of the end
            run = client.runs.wait(runs[0], timeout=60)
            print(key, run.result, "because of", fetched.id)


if __name__ == "__main__":
    main()
