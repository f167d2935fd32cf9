// Buttons that copy the text of `data-copy`. They are hidden without JavaScript: the text itself stands beside them.
import { announce } from "./messages.js";

export function showCopyButtons(root = document) {
  for (const button of root.querySelectorAll("[data-copy][hidden]")) button.hidden = false;
}

document.addEventListener("htmx:load", (event) => showCopyButtons(event.target));
document.addEventListener("click", async (event) => {
  const button = event.target.closest("[data-copy]");
  if (!button) return;
  try {
    await navigator.clipboard.writeText(button.dataset.copy);
    announce("Copied.");
  } catch {
    announce("The browser does not allow copying; select the text instead.", true);
  }
});
showCopyButtons();
