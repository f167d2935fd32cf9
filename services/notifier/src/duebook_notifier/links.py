"""Where a reader of a mail gets to: pages of the console, and requests with the API's address (DUEBOOK_PUBLIC_URL)."""

from dataclasses import dataclass
from uuid import UUID


@dataclass(frozen=True, slots=True)
class Links:
    """`base` is the public URL without a slash at its end; without one there are no pages to link to."""

    base: str = ""
    console: bool = True

    @classmethod
    def to(cls, public_url: str, base_path: str, *, console: bool) -> "Links":
        """A public URL may name the base path already, as readers see it."""
        named = not public_url or public_url.endswith(base_path)
        return cls(public_url if named else f"{public_url}{base_path}", console)

    def job(self, job_id: UUID) -> str:
        return self._page(f"/jobs/{job_id}")

    def run(self, run_id: UUID) -> str:
        return self._page(f"/runs/{run_id}")

    def group(self, fingerprint: str) -> str:
        """The dead letters that failed alike."""
        return self._page(f"/dead-letters?fingerprint={fingerprint}")

    def dead_letters(self) -> str:
        return self._page("/dead-letters")

    def request(self, method: str, path: str, body: str) -> str:
        """A request as the reader can send it; without a public URL the reader must know the host."""
        return f"{method} {self.base}{path}   {body}"

    def _page(self, path: str) -> str:
        return f"{self.base}/console{path}" if self.base and self.console else ""


NO_LINKS = Links()
