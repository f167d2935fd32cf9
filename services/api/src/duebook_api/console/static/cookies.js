// Choices of this browser that the server renders: the theme and the own time zone.
const base = document.querySelector("[data-base]")?.dataset.base ?? "/console";

export function remember(name, value) {
  document.cookie = `${name}=${value}; path=${base}; max-age=31536000; samesite=lax`;
}

export const consolePath = base;
