"""`python -m docs.pages`: write every rendered page, and the alerts for Kubernetes."""

from docs.pages import alerts, jobs_schema
from docs.pages.catalogue import PAGES, REFERENCE


def main() -> None:
    for name, render in PAGES.items():
        (REFERENCE / name).write_text(render(), encoding="utf-8")
    jobs_schema.PACKAGED.write_text(jobs_schema.render(), encoding="utf-8")
    alerts.MANIFEST.write_text(alerts.render(), encoding="utf-8")


if __name__ == "__main__":
    main()
