"""Fetches the orders now, and prints the results of the two runs that follow."""

import time

from duebook import Client


def main() -> None:
    with Client() as client:
        fetched = client.runs.wait(client.jobs.trigger("key:orders.fetch"), timeout=60)
        for key in ("orders.invoice", "orders.pack"):
            while not (runs := list(client.jobs.runs(f"key:{key}"))):  # it is made within a moment of the end
                time.sleep(0.1)
            run = client.runs.wait(runs[0], timeout=60)
            print(key, run.result, "because of", fetched.id)


if __name__ == "__main__":
    main()
