// Selected rows: `x` selects one and `Esc` gives all of them up. Live pauses meanwhile, and their ids can be copied. What
// acts on many acts on the filter, and never on these.
const bar = document.createElement("p");
bar.className = "notice selection";
bar.setAttribute("role", "status");

const selected = () => [...document.querySelectorAll("main tr.selected")];
const idOf = (row) => row.id.slice(row.id.indexOf("-") + 1);

export function toggle(row) {
  row.classList.toggle("selected");
  if (row.classList.contains("selected")) row.setAttribute("aria-selected", "true");
  else row.removeAttribute("aria-selected");
  show();
}

export function clear() {
  const rows = selected();
  for (const row of rows) toggle(row);
  return rows.length > 0;
}

function show() {
  const rows = selected();
  if (!rows.length) return bar.remove();
  const copy = document.createElement("button");
  copy.type = "button";
  copy.className = "button small";
  copy.dataset.copy = rows.map(idOf).join("\n");
  copy.textContent = rows.length === 1 ? "Copy its id" : "Copy their ids";
  const give = document.createElement("button");
  give.type = "button";
  give.className = "button small";
  give.textContent = "Select none";
  give.addEventListener("click", clear);
  bar.replaceChildren(`${rows.length} selected, Live is paused. `, copy, " ", give);
  document.getElementById("content").append(bar);
}
