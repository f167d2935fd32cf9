"""One exposition from those of several processes."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from duebook_executor.processes.merged_metrics import merge


def measured(queue: str, runs: int) -> str:
    """What one process measures."""
    registry = CollectorRegistry()
    Counter("runs_total", "Runs.", ["queue"], registry=registry).labels(queue).inc(runs)
    Gauge("tasks", 'With "quotes" and a \\.', registry=registry).set(runs)
    Histogram("run_seconds", "Duration.", ["queue"], buckets=(0.1, 1), registry=registry).labels(queue).observe(runs)
    return generate_latest(registry).decode()


def samples(text: str) -> dict[str, float]:
    """The value of each sample by its name and labels, without times of creation."""
    found = [sample for family in text_string_to_metric_families(text) for sample in family.samples]
    return {
        f"{each.name}{sorted(each.labels.items())}": each.value for each in found if not each.name.endswith("_created")
    }


def test_each_sample_is_kept_and_says_its_process() -> None:
    texts = {"1": measured("default", 3), "2": measured("default", 4)}
    merged = samples(merge(texts).decode())
    assert merged["runs_total[('process', '1'), ('queue', 'default')]"] == 3
    assert merged["runs_total[('process', '2'), ('queue', 'default')]"] == 4
    assert merged["run_seconds_bucket[('le', '+Inf'), ('process', '2'), ('queue', 'default')]"] == 1
    assert len(merged) == sum(len(samples(text)) for text in texts.values())


def test_each_family_is_described_once_and_its_samples_stand_together() -> None:
    texts = {name: measured("a", 1) for name in ("parent", "1", "2")}
    lines = merge(texts).decode().splitlines()
    heads = [line for line in lines if line.startswith("# HELP")]
    assert heads == [line for line in texts["1"].splitlines() if line.startswith("# HELP")]
    names = [line.partition("{")[0] for line in lines if line.startswith("runs_total")]
    assert len(names) == 3


def test_the_values_of_labels_keep_what_must_be_escaped() -> None:
    odd = 'a "b"\\c\nd'
    name = f"runs_total{sorted({'process': '1', 'queue': odd}.items())}"
    assert samples(merge({"1": measured(odd, 1)}).decode())[name] == 1
