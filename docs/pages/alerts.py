"""The alert rules as the object that the Prometheus Operator reads. They are written once, for Prometheus itself."""

from pathlib import Path
from textwrap import indent

_DEPLOY = Path(__file__).parents[2] / "deploy"
MANIFEST = _DEPLOY / "kubernetes/components/monitoring/alerts.yaml"
_HEAD = """\
# Rendered from deploy/monitoring/alerts.yml. Change that file, then run: make docs
apiVersion: monitoring.coreos.com/v1
kind: PrometheusRule
metadata:
  name: duebook
  labels: {app.kubernetes.io/part-of: duebook}
spec:
"""


def render() -> str:
    rules = (_DEPLOY / "monitoring/alerts.yml").read_text(encoding="utf-8")
    return _HEAD + indent(rules[rules.index("groups:") :], "  ")
