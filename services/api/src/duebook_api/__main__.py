"""`duebook-api`."""

import duebook_common.runtime.lean  # noqa: F401 - before anything loads structlog
from duebook_api.app import lifespan
from duebook_api.settings import ApiSettings
from duebook_common.runtime import connections
from duebook_common.runtime.service import run
from duebook_common.runtime.settings import load


def main() -> None:
    settings = load(ApiSettings)
    run("api", settings, settings.port, lifespan, connections.MOST)


if __name__ == "__main__":
    main()
