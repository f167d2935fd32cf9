// The choice of an earlier version as a slider; the list that it stands for is sent, and is what is there without JavaScript.
class VersionSlider extends HTMLElement {
  connectedCallback() {
    const list = this.querySelector("select");
    const range = Object.assign(document.createElement("input"), { type: "range", min: 0, max: list.options.length - 1 });
    const chosen = document.createElement("output");
    range.value = list.selectedIndex;
    range.id = `${list.id}-slider`;
    this.querySelector("label").htmlFor = range.id;
    const show = () => {
      list.selectedIndex = range.value;
      chosen.textContent = list.selectedOptions[0].text;
      range.setAttribute("aria-valuetext", chosen.textContent);
    };
    range.addEventListener("input", show);
    range.addEventListener("pointerup", () => setTimeout(() => list.form.requestSubmit()));
    list.hidden = true;
    this.append(range, chosen);
    show();
  }
}
customElements.define("version-slider", VersionSlider);
