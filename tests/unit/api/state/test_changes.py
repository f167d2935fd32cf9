import re
from pathlib import Path

import duebook_api.console
from duebook_api.state.changes import RESOURCES

TEMPLATES = Path(duebook_api.console.__file__).parent / "templates"


def test_every_resource_that_a_page_follows_is_known() -> None:
    texts = [path.read_text(encoding="utf-8") for path in TEMPLATES.glob("*.html")]
    followed = {
        name for text in texts for found in re.findall(r'data-live="([a-z -]+)', text) for name in found.split()
    }
    assert followed - {"time"} <= set(RESOURCES)
