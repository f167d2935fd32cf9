"""The metrics of several processes as one text: each sample says by the label `process` where it was measured."""

from collections.abc import Iterable, Iterator, Mapping

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.metrics_core import Metric
from prometheus_client.parser import text_string_to_metric_families

LABEL = "process"


def merge(texts: Mapping[str, str]) -> bytes:
    """One exposition from those of the processes, by their names.

    Counters are not added up: after a restart of one process their sum would fall, and Prometheus would take that for
    a restart of all.
    """
    registry = CollectorRegistry()
    registry.register(_Collected(_families(texts)))
    return generate_latest(registry)


class _Collected:
    """What the library reads metrics from."""

    def __init__(self, families: Iterable[Metric]) -> None:
        self._families = list(families)

    def collect(self) -> Iterator[Metric]:
        yield from self._families


def _families(texts: Mapping[str, str]) -> Iterable[Metric]:
    """The families of all processes, each once; their order is that of the first process that has them."""
    merged: dict[str, Metric] = {}
    for process, text in texts.items():
        for family in text_string_to_metric_families(text):
            known = merged.setdefault(family.name, Metric(family.name, family.documentation, family.type))
            known.samples += [sample._replace(labels={**sample.labels, LABEL: process}) for sample in family.samples]
    return merged.values()
