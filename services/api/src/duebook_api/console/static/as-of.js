// The choice of an instant as a slider. The list that it stands for is sent, and is what is there without JavaScript.
// While it is moved, by keys or by the pointer, the page around it follows, and the URL with it.
import { showCopyButtons } from "./copy.js";

const SETTLED_MS = 120;

class AsOfSlider extends HTMLElement {
  connectedCallback() {
    this.list = this.querySelector("select");
    this.range = Object.assign(document.createElement("input"), { type: "range", min: 0 });
    this.shown = document.createElement("output");
    this.range.id = `${this.list.id}-slider`;
    this.shown.htmlFor = this.range.id;
    this.querySelector("label").htmlFor = this.range.id;
    this.range.addEventListener("input", () => this.choose());
    this.list.hidden = true;
    this.list.form.querySelector("button").hidden = true;
    this.append(this.range, this.shown);
    this.follow();
  }

  follow() {
    this.range.max = this.list.options.length - 1;
    this.range.value = this.list.selectedIndex;
    this.say();
  }

  say() {
    this.shown.textContent = this.list.selectedOptions[0].text;
    this.range.setAttribute("aria-valuetext", this.shown.textContent);
  }

  choose() {
    this.list.selectedIndex = this.range.value;
    this.say();
    clearTimeout(this.settling);
    this.settling = setTimeout(() => this.load(), SETTLED_MS);
  }

  async load() {
    this.loading?.abort();
    this.loading = new AbortController();
    const form = this.list.form;
    const given = [...new FormData(form)].filter(([, value]) => value);
    const url = `${form.getAttribute("action")}?${new URLSearchParams(given)}`;
    try {
      const answer = await fetch(url, { signal: this.loading.signal });
      if (!answer.ok || answer.redirected) return form.requestSubmit();
      this.replaceOthers(new DOMParser().parseFromString(await answer.text(), "text/html"));
      history.replaceState(null, "", url);
    } catch (error) {
      if (error.name !== "AbortError") form.requestSubmit();
    }
  }

  // All of the page but the panel of the slider, which keeps the focus and the pointer, and gets instants that are new.
  replaceOthers(page) {
    const panel = this.closest("[data-as-of]");
    const next = page.getElementById(panel.id);
    if (!next) return this.list.form.requestSubmit();
    const main = panel.parentElement;
    for (const part of [...main.children]) if (part !== panel) part.remove();
    const parts = [...next.parentElement.children];
    const at = parts.indexOf(next);
    panel.before(...parts.slice(0, at));
    panel.after(...parts.slice(at + 1));
    for (const one of [".heading", ".zone"]) document.querySelector(one).replaceChildren(...page.querySelector(one).childNodes);
    document.title = page.title;
    const { value } = this.list;
    this.list.replaceChildren(...page.getElementById(this.list.id).childNodes);
    this.list.value = value;
    this.follow();
    showCopyButtons(main);
    globalThis.htmx?.process(main);
  }
}
customElements.define("as-of-slider", AsOfSlider);
