// The live part polls while somebody looks, and says so when its numbers are old.
const POLL = "#live";
const PATIENCE = 2; // polls in a row that may fail before the page says so
let failures = 0;

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
  if (isPoll(event.target)) judge((event as CustomEvent).detail?.ctx?.response?.status === 200);
});

function judge(fresh: boolean): void {
  failures = fresh ? 0 : failures + 1;
  const old = document.getElementById("old");
  if (!old) return;
  document.body.classList.toggle("stale", failures >= PATIENCE);
  old.hidden = failures < PATIENCE;
  const since = old.querySelector("[data-since]");
  if (since && failures === PATIENCE) since.textContent = document.querySelector("#pulse time")?.textContent ?? "";
}

function isPoll(target: EventTarget | null): boolean {
  return target instanceof Element && target.matches(POLL);
}
