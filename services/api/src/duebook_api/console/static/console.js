// What pages do beyond reading and filtering. Without this file every page still works.
import "./live.js";
import "./shortcuts.js";
import "./dialogs.js";
import "./copy.js";
import { remember } from "./cookies.js";
import "./times.js";
import "./as-of.js";
import "./payload.js";

remember("duebook_own_tz", Intl.DateTimeFormat().resolvedOptions().timeZone);

// A menu closes when something else is used.
document.addEventListener("click", (event) => {
  for (const menu of document.querySelectorAll("details.menu[open]")) {
    if (!menu.contains(event.target)) menu.open = false;
  }
});
// An empty field of a filter stays out of the URL.
document.addEventListener("submit", (event) => {
  if (!event.target.matches("form[data-filter], form.search")) return;
  const empty = [...event.target.elements].filter((field) => field.name && !field.value && !field.disabled);
  for (const field of empty) field.disabled = true;
  setTimeout(() => empty.forEach((field) => (field.disabled = false)));
});
