"""Where a reader of a mail gets to: pages of the console, and requests with the API's address (DUEBOOK_PUBLIC_URL)."""

from dataclasses import dataclass
from uuid import UUID


@dataclass(frozen=True, slots=True)
class Links:
    """`base` is the public URL without a slash at its end; without one there are no pages to link to."""

    base: str = ""

    def job(self, job_id: UUID) -> str:
        return self._page(f"/console/jobs/{job_id}")

    def run(self, run_id: UUID) -> str:
        return self._page(f"/console/runs/{run_id}")

    def group(self, fingerprint: str) -> str:
        """The dead letters that failed alike."""
        return self._page(f"/console/dead-letters?fingerprint={fingerprint}")

    def request(self, method: str, path: str, body: str) -> str:
        """A request as the reader can send it; without a public URL the reader must know the host."""
        return f"{method} {self.base}{path}   {body}"

    def _page(self, path: str) -> str:
        return f"{self.base}{path}" if self.base else ""


NO_LINKS = Links()
