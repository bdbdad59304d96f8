// `/` searches, `g` and a letter goes to a place, `?` shows the keys.
import { openSearch } from "./search";

const WAIT_MS = 1200;
let goUntil = 0;

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || isTyping(event.target)) return;
  if (document.querySelector("dialog[open]")) return;
  if (event.key === "?") {
    document.querySelector<HTMLDialogElement>("#help")?.showModal();
  } else if (event.key === "/") {
    event.preventDefault();
    openSearch();
  } else if (event.key === "g") {
    goUntil = event.timeStamp + WAIT_MS;
  } else if (event.timeStamp < goUntil) {
    goUntil = 0;
    document.querySelector<HTMLAnchorElement>(`[data-key="${CSS.escape(event.key)}"]`)?.click();
  }
});

// Another language, and the same page with all that its address asks.
document.addEventListener("submit", (event) => {
  if (!(event.target instanceof HTMLFormElement) || !event.target.matches("[data-here]")) return;
  const next = event.target.querySelector<HTMLInputElement>("[name=next]");
  if (next) next.value = location.pathname + location.search;
});

function isTyping(target: EventTarget | null): boolean {
  return target instanceof HTMLElement && target.matches("input, textarea, select, [contenteditable]");
}
