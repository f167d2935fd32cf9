"""`duebook-notifier`."""

from duebook_common.service import run
from duebook_common.settings import load
from duebook_notifier.app import body
from duebook_notifier.settings import NotifierSettings


def main() -> None:
    settings = load(NotifierSettings)
    run("notifier", settings, settings.port, body)


if __name__ == "__main__":
    main()
