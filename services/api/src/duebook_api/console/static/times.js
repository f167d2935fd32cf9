// Relative times go on while a page is open. The words are those of pages/times.py.
const two = (first, unit, second, smaller) => (second ? `${first} ${unit} ${second} ${smaller}` : `${first} ${unit}`);

export function duration(seconds) {
  if (seconds < 60) return `${Math.round(seconds)} s`;
  const whole = Math.round(seconds);
  if (whole < 3600) return two(Math.floor(whole / 60), "min", whole % 60, "s");
  if (whole < 86400) return two(Math.floor(whole / 3600), "h", Math.floor((whole % 3600) / 60), "min");
  const days = Math.floor(whole / 86400);
  return days === 1 ? "1 day" : `${days.toLocaleString("en")} days`;
}

export function relative(at, now = Date.now()) {
  const seconds = (at - now) / 1000;
  if (Math.abs(seconds) < 1) return "now";
  return seconds > 0 ? `in ${duration(seconds)}` : `${duration(-seconds)} ago`;
}

class RelativeTime extends HTMLElement {
  show() {
    const text = relative(Date.parse(this.getAttribute("at")));
    if (text !== this.textContent) this.textContent = text;
  }
}
customElements.define("relative-time", RelativeTime);

setInterval(() => {
  if (document.hidden) return;
  for (const each of document.querySelectorAll("relative-time")) each.show();
}, 1000);
