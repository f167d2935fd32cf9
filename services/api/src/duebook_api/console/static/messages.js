// Short messages in the region that screen readers announce.
const region = document.getElementById("messages");

export function announce(text, isFault = false) {
  if (!region) return;
  const message = document.createElement("p");
  message.className = isFault ? "message fault" : "message";
  message.textContent = text;
  region.replaceChildren(message);
  setTimeout(() => message.remove(), 6000);
}
