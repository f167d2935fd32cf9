// A link with `data-dialog` leads to a page with a form. Here the form is shown in a dialog instead.
import { showCopyButtons } from "./copy.js";
import { announce } from "./messages.js";

const dialog = document.getElementById("dialog");

// One dialog at a time: an answer that comes late must not replace what the reader has typed meanwhile.
let loading = false;

async function open(link) {
  if (loading) return;
  let answer, text;
  loading = true;
  link.setAttribute("aria-busy", "true");
  try {
    answer = await fetch(link.href, { headers: { "X-Dialog": "1" } });
    text = await answer.text();
  } catch {
    announce("Duebook does not answer. Try again in a moment.", true);
    return;
  } finally {
    loading = false;
    link.removeAttribute("aria-busy");
  }
  const page = new DOMParser().parseFromString(text, "text/html");
  const action = page.querySelector(".action");
  if (!answer.ok || answer.redirected || !action) {
    location.assign(link.href);
    return;
  }
  dialog.replaceChildren(action);
  showCopyButtons(dialog);
  globalThis.htmx?.process(dialog);
  dialog.showModal();
  (dialog.querySelector("[autofocus]") ?? dialog.querySelector("input:not([type=hidden]), textarea, button"))?.focus();
}

document.addEventListener("click", (event) => {
  const link = event.target.closest("a[data-dialog]");
  if (link && dialog && !event.ctrlKey && !event.metaKey && !event.shiftKey) {
    event.preventDefault();
    open(link);
  }
  if (event.target.closest("[data-close]") && dialog?.open) {
    event.preventDefault();
    dialog.close();
  }
  if (event.target === dialog) dialog.close();
});
