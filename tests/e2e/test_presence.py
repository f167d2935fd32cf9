"""Every service says that it runs, until it stops; one that is killed is remembered."""

from support.fleet import Platform, eventually
from support.load import Load, held, launch


def services(platform: Platform) -> list[tuple[str, str]]:
    shown = platform.get("/api/system")["services"]
    return sorted((each["service"], each["state"]) for each in shown)


def test_each_service_is_listed_until_it_stops(platform: Platform) -> None:
    platform.start_all()
    everything = [(name, "alive") for name in ("api", "executor", "notifier", "scheduler")]
    eventually(lambda: services(platform) == everything, explain=lambda: str(services(platform)))
    [executor] = platform.get("/api/executor")["items"]
    assert (executor["state"], executor["running"]) == ("alive", 0)
    assert "log" in executor["tasks"]
    eventually(lambda: platform.get("/api/task/log")["executors"] == 1)
    for name in ("executor", "notifier", "scheduler"):
        assert platform[name, 0].stop() == 0
    eventually(lambda: services(platform) == [("api", "alive")], explain=lambda: str(services(platform)))
    assert platform.get("/api/executor")["items"] == []


def test_an_executor_shows_what_it_is_doing_also_while_it_drains(platform: Platform) -> None:
    load = Load(platform, DUEBOOK_GRACE="PT30S")
    launch(platform, api=1, scheduler=1, executor=1)
    load.submit(held(2, "later"))
    running = {row["run_id"] for row in load.await_running(2, "later")}

    def doing(state: str) -> bool:
        items = platform.get("/api/executor")["items"]
        if [each["state"] for each in items] != [state]:
            return False
        shown = platform.get(f"/api/executor/{items[0]['id']}")
        return {run["id"] for run in shown["runs"]} == {str(run_id) for run_id in running}

    eventually(lambda: doing("alive"))
    executor = platform["executor", 0]
    executor.terminate()
    eventually(lambda: doing("draining"))
    eventually(lambda: ("executor", "draining") in services(platform))
    load.open("later")
    eventually(lambda: platform.get("/api/executor")["items"] == [])
