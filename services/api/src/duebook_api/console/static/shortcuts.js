// Keys: `/` `?` `g`+page `j` `k` `x` `Enter` `.` `t` `Esc`. They can be switched off, and never act while a field has the focus.
import { remember } from "./cookies.js";
import { announce } from "./messages.js";
import { clear, toggle } from "./selection.js";

const KEY = "duebook-shortcuts";
const THEMES = ["", "light", "dark"];
const help = document.getElementById("help");
let afterG = 0;

const enabled = () => localStorage.getItem(KEY) !== "off";
const rows = () => [...document.querySelectorAll("main tbody tr[id]")].filter((row) => row.offsetParent);
const current = () => document.querySelector("main tbody tr.current");

function move(step) {
  const all = rows();
  if (!all.length) return;
  const index = all.indexOf(current());
  const next = all[Math.min(Math.max(index + step, 0), all.length - 1)];
  current()?.classList.remove("current");
  next.classList.add("current");
  const link = next.querySelector("a");
  (link ?? next).focus({ preventScroll: true });
  next.scrollIntoView({ block: "nearest" });
}

function theme() {
  const root = document.documentElement;
  const next = THEMES[(THEMES.indexOf(root.dataset.theme ?? "") + 1) % THEMES.length];
  if (next) root.dataset.theme = next;
  else delete root.dataset.theme;
  remember("duebook_theme", next);
  announce(next ? `Theme: ${next}.` : "Theme: that of the system.");
}

function select() {
  const row = current();
  if (row) toggle(row);
}

const actions = {
  "/": () => (document.querySelector("form[data-filter] input:not([type=hidden])") ?? document.getElementById("search"))?.focus(),
  "?": () => help?.showModal(),
  j: () => move(1),
  k: () => move(-1),
  x: select,
  ".": () => [...document.querySelectorAll(".actions a, .actions button, .actions summary")].find((each) => each.checkVisibility())?.focus(),
  t: theme,
};

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
  const field = event.target.closest("input, textarea, select, [contenteditable]");
  if (event.key === "Escape" && !document.querySelector("dialog[open]")) {
    const menu = document.querySelector("details.menu[open]");
    if (menu) menu.open = false;
    else if (field) field.blur();
    else if (clear()) return;
    else document.querySelector("[data-back]")?.click();
    return;
  }
  if (!enabled() || (field && field.type !== "checkbox") || document.querySelector("dialog[open]")) return;
  if (afterG && Date.now() - afterG < 1500) {
    afterG = 0;
    const link = document.querySelector(`[data-shortcut="${CSS.escape(event.key)}"]`);
    if (link) {
      event.preventDefault();
      link.click();
      return;
    }
  }
  if (event.key === "g") {
    afterG = Date.now();
    return;
  }
  const action = actions[event.key];
  if (action) {
    event.preventDefault();
    action();
  }
});

for (const button of document.querySelectorAll("[data-action=theme], [data-action=help]")) {
  button.hidden = false;
  button.addEventListener("click", button.dataset.action === "theme" ? theme : actions["?"]);
}
const box = document.querySelector("[data-action=shortcuts]");
if (box) {
  box.checked = enabled();
  box.addEventListener("change", () => localStorage.setItem(KEY, box.checked ? "on" : "off"));
}
