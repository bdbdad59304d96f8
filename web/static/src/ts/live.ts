// The live part polls while somebody looks, and says so when its numbers are old.
const POLL = "#live";

document.addEventListener("htmx:config:request", (event) => {
  if (document.hidden && isPoll(event.target)) event.preventDefault();
});

// An answer that is not the live part (signed out, gone, an error) must not take its place.
document.addEventListener("htmx:before:swap", (event) => {
  const ctx = (event as CustomEvent).detail?.ctx;
  if (!isPoll(event.target)) return;
  if (ctx?.response?.status === 401) location.reload();
  if (ctx?.response?.status !== 200) event.preventDefault();
});

document.addEventListener("htmx:finally:request", (event) => {
  const ctx = (event as CustomEvent).detail?.ctx;
  if (isPoll(event.target)) document.body.classList.toggle("stale", ctx?.response?.status !== 200);
});

function isPoll(target: EventTarget | null): boolean {
  return target instanceof Element && target.matches(POLL);
}
