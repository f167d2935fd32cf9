// The editor of a payload asks for its parts again when something was typed, one request after the other. An answer is
// dropped if something was typed since its request began: that asks again. So what is replaced is what was sent.
let typed = false;

const texts = (part) => JSON.stringify([...part.querySelectorAll("[name]")].map(({ name, value }) => [name, value]));

function inEditor(type, act) {
  document.addEventListener(type, (event) => event.target.closest(".payload-editor") && act(event));
}

inEditor("input", () => (typed = true));
inEditor("htmx:beforeRequest", () => (typed = false));
inEditor("htmx:beforeSwap", ({ detail }) => (detail.shouldSwap &&= !typed));
// The part with the cursor stays as it is if it shows the answer already.
inEditor("htmx:oobBeforeSwap", ({ detail }) => {
  const { target, fragment } = detail;
  if (target.contains(document.activeElement) && texts(target) === texts(fragment)) detail.shouldSwap = false;
});
