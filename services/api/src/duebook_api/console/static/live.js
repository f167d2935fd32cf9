// Live pages. One tab of the browser, a visible one, holds a lock and the event stream, and passes on what it says: only
// which resources have changed. Each tab then loads its own page again, at most once a second, and takes over the parts
// marked with `data-live`. New rows are announced, not pushed under the cursor.
import { consolePath } from "./cookies.js";
import { showCopyButtons } from "./copy.js";

const KEY = "duebook-live";
const REFRESH_MS = 1000;
const SLOW_MS = 30_000;
const TEMPORARY = new Set([408, 429]); // too slow, or too often: the next change asks again
const channel = new BroadcastChannel("duebook-live");
const control = document.querySelector("live-switch");
const button = control?.querySelector("button");
const changed = new Set();
let release = null;
let waiting = null;
let source = null;
let refreshing = false;
let lastRefresh = 0;
let seen = "1"; // the end of the log that the stream has read: viewers who have seen the same share a page
let state = "connecting"; // "on" once the stream follows the log: what has changed before is in none of its frames

const parts = () => [...document.querySelectorAll("[data-live]")];
const isOn = () => localStorage.getItem(KEY) !== "off";
const wanted = () => control && isOn() && !document.hidden && parts().length > 0;
const isBusy = () =>
  document.hidden ||
  document.querySelector("dialog[open], [aria-busy=true], details.menu[open], main input:not([type=range]):focus, main textarea:focus, main select:focus, main tr.selected") ||
  String(getSelection() ?? "") !== "";

function show(state) {
  if (!button) return;
  button.setAttribute("aria-pressed", String(isOn()));
  button.dataset.state = state;
  const words = { off: "Live is off", lost: "Reconnecting…", paused: "Paused", ended: "Sign in again", refused: "Live ended" };
  button.lastElementChild.textContent = words[state] ?? "Live";
  showStale(state);
}

// What a page shows while nothing answers is of an earlier instant, and must not be taken for the present.
const STALE = {
  lost: "The server does not answer. What stands here goes on by itself as soon as it does.",
  ended: "The session has ended. Load the page again to sign in.",
  refused: "The server shows it no more. Load it again to see why.",
};

function showStale(state) {
  const notice = document.getElementById("stale");
  const text = isOn() ? STALE[state] : "";
  notice.hidden = !text;
  notice.textContent = text ? `This page shows what was at ${notice.dataset.at}. ${text}` : "";
}

function start() {
  if (!wanted() || waiting || release) return;
  waiting = new AbortController();
  navigator.locks
    .request("duebook-live", { signal: waiting.signal }, () => new Promise((resolve) => {
      release = resolve;
      open();
    }))
    .catch(() => {});
  show(state);
  channel.postMessage({ ask: true });
}

function stop() {
  source?.close();
  source = null;
  release?.();
  release = null;
  waiting?.abort();
  waiting = null;
}

function open() {
  pass({ state: "connecting" });
  source = new EventSource(`${consolePath}/live`);
  source.onerror = () => {
    pass({ state: "lost" });
    if (source?.readyState === EventSource.CLOSED) refreshAll(); // an error page, or that of the sign-in: the page tells
  };
  source.onmessage = (event) =>
    pass({ state: "on", changed: Object.keys(JSON.parse(event.data)), seen: event.lastEventId });
}

function pass(message) {
  channel.postMessage(message);
  receive(message);
}

function receive(message) {
  if (message.ask) {
    if (source && state === "on") channel.postMessage({ state, seen, changed: [] });
    return;
  }
  const before = state;
  state = message.state;
  if (state !== before && isOn()) show(state);
  if (message.seen) seen = message.seen;
  for (const resource of message.changed ?? []) changed.add(resource);
  if (state === "on" && before !== "on") refreshAll();
  else refreshSoon();
}

function refreshAll() {
  for (const part of parts()) for (const resource of part.dataset.live.split(" ")) changed.add(resource);
  refreshSoon();
}

function refreshSoon() {
  if (!changed.size || refreshing || !isOn()) return;
  const due = parts().filter((part) => part.dataset.live.split(" ").some((each) => changed.has(each)));
  if (!due.length) return changed.clear();
  setTimeout(refresh, Math.max(0, lastRefresh + REFRESH_MS - Date.now()));
  refreshing = true;
}

async function refresh() {
  try {
    if (isBusy()) {
      if (!document.hidden) show("paused");
      return;
    }
    const resources = new Set(changed);
    changed.clear();
    const url = location.href;
    const answer = await fetch(url, { headers: { "X-Live": seen } });
    if (answer.redirected) return show("ended");
    if (answer.status >= 500 || TEMPORARY.has(answer.status)) return show("lost");
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    // A page that says what is wrong goes on; one that has said something else until now is no more what it was.
    if (!answer.ok && !document.getElementById("problem")) return show("refused");
    if (location.href !== url) return; // the slider has moved the page to another instant
    if (isBusy()) { // since the answer was on its way: what has changed is shown later
      for (const resource of resources) changed.add(resource);
      return;
    }
    for (const part of parts()) {
      if (part.dataset.live.split(" ").some((each) => resources.has(each))) replace(part, page.getElementById(part.id));
    }
    document.getElementById("stale").dataset.at = page.getElementById("stale").dataset.at;
    show(state);
  } catch {
    show("lost");
  } finally {
    lastRefresh = Date.now();
    refreshing = false;
    if (changed.size) setTimeout(refreshSoon, REFRESH_MS);
  }
}

function replace(part, next) {
  if (next) part.dataset.live = next.dataset.live; // a part of what has ended asks no more
  if (!next || part.innerHTML === next.innerHTML) return;
  const news = part.hasAttribute("data-live-rows") ? newRows(part, next) : 0;
  if (news) {
    updateRows(part, next);
    offer(part, news);
    return;
  }
  const focused = focusIn(part);
  const current = part.querySelector("tr.current")?.id;
  const open = [...part.querySelectorAll("details[id][open]")].map((each) => each.id);
  part.replaceChildren(...next.childNodes);
  for (const id of open) document.getElementById(id)?.setAttribute("open", "");
  if (current) document.getElementById(current)?.classList.add("current"); // where `j` and `k` have come to
  if (focused) find(part, focused)?.focus({ preventScroll: true });
  showCopyButtons(part);
  globalThis.htmx?.process(part);
}

const ids = (root) => [...root.querySelectorAll("tbody tr[id]")].map((row) => row.id);

// How many there are, in words; where none of the old rows is left and a page follows, some may stand on that one.
function newRows(part, next) {
  const known = new Set(ids(part)), rows = ids(next);
  const news = rows.filter((id) => !known.has(id)).length;
  const mayBeMore = known.size && news === rows.length && next.querySelector("a[rel=next]");
  return news && mayBeMore ? `${news} or more` : news;
}

function updateRows(part, next) {
  for (const row of part.querySelectorAll("tbody tr[id]")) {
    const now = next.querySelector(`[id="${CSS.escape(row.id)}"]`);
    if (!now) row.classList.add("gone");
    else if (row.innerHTML !== now.innerHTML) {
      const focused = focusIn(row);
      row.innerHTML = now.innerHTML;
      if (focused) find(row, focused)?.focus({ preventScroll: true });
    }
  }
}

function offer(part, count) {
  let news = part.querySelector(".news");
  if (!news) {
    news = document.createElement("p");
    news.className = "news";
    news.setAttribute("role", "status");
    const link = document.createElement("a");
    link.className = "button small";
    link.href = location.href;
    news.append(link);
    part.prepend(news);
  }
  news.firstElementChild.textContent = `${count} new: show`;
}

// Focus survives a refresh: by id, else by the position in the tree.
const focusIn = (root) => (root.contains(document.activeElement) ? pathTo(document.activeElement, root) : null);

function pathTo(element, root) {
  if (element.id) return element.id;
  const steps = [];
  for (let each = element; each !== root; each = each.parentElement) {
    steps.unshift([...each.parentElement.children].indexOf(each));
  }
  return steps;
}

function find(root, path) {
  if (typeof path === "string") return document.getElementById(path);
  return path.reduce((element, index) => element?.children[index], root);
}

// Some things change without an event: the lines of a running task's log every moment, services and executors seldom.
setInterval(() => {
  if (!wanted() || !document.querySelector('[data-live~="time"]')) return;
  changed.add("time");
  refreshSoon();
}, REFRESH_MS);
setInterval(() => {
  if (source?.readyState === EventSource.CLOSED && wanted()) open(); // the browser tries no more after an error page
  if (wanted() && !isBusy() && Date.now() - lastRefresh >= SLOW_MS) refreshAll();
}, SLOW_MS);

channel.onmessage = (event) => receive(event.data);
document.addEventListener("visibilitychange", () => {
  if (document.hidden) return stop();
  start();
  refreshAll();
});
addEventListener("pagehide", stop);
addEventListener("pageshow", start);

if (control && parts().length && navigator.locks) {
  control.hidden = false;
  button.addEventListener("click", () => {
    localStorage.setItem(KEY, isOn() ? "off" : "on");
    if (isOn()) start();
    else stop();
    show(isOn() ? state : "off");
  });
  show(isOn() ? state : "off");
  start();
}
