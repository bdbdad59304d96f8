// A page with a live part is told when something of its topics has changed (one EventSource a page), and looks again: the
// event `look` on #live fetches it, morphed in place, and charts hear it too. What is told is coalesced. A page that was told
// nothing for a while looks by itself, so it stays right when no stream comes through; when it is hidden it does neither.
const LOOK_ANYWAY_MS = 10_000;
const ASK_AGAIN_MS = 2_000; // after an answer that did not come
const COALESCE_MS = 1_000;
const USAGE_MS = 3_000; // requests come all the time: what they change is looked at less often
const STREAM_AGAIN_MS = 30_000; // after a stream was refused
const PATIENCE = 2; // looks in a row that may fail before the page says so

let stream: EventSource | undefined;
let topics = "";
let failures = 0;
let lookedAt = 0;
let nextLook = 0;
let nextAt = 0;
let streamAgain = 0;

function live(): HTMLElement | null {
  return document.querySelector<HTMLElement>("#live[data-topics], #live[hx-get]");
}

// Look now, or as soon as a second has passed since the last time.
function lookSoon(wait = 0): void {
  const due = Math.max(wait, lookedAt + COALESCE_MS - performance.now(), 0);
  const at = performance.now() + due;
  if (nextLook && nextAt <= at) return; // sooner anyway
  window.clearTimeout(nextLook);
  [nextLook, nextAt] = [window.setTimeout(look, due), at];
}

function look(): void {
  const part = live();
  nextLook = 0;
  if (document.hidden || !part) return;
  lookedAt = performance.now();
  part.dispatchEvent(new CustomEvent("look"));
  document.dispatchEvent(new CustomEvent("trivet:look"));
  lookSoon(failures ? ASK_AGAIN_MS : LOOK_ANYWAY_MS);
}

function listen(): void {
  const part = live();
  if (document.hidden || !part?.dataset.topics || stream) return;
  topics = part.dataset.topics;
  stream = new EventSource(`/live-events?topics=${encodeURIComponent(topics.trim().replaceAll(/\s+/g, ","))}`);
  stream.addEventListener("look", (event) => {
    const rest = (event as MessageEvent<string>).data === "usage" ? lookedAt + USAGE_MS - performance.now() : 0;
    lookSoon(rest);
  });
  stream.addEventListener("error", () => {
    if (stream?.readyState !== EventSource.CLOSED) return; // it comes back by itself
    stop();
    lookSoon(); // whoever is signed out learns it from the answer
    streamAgain = window.setTimeout(listen, STREAM_AGAIN_MS * (0.75 + Math.random() / 2));
  });
}

function stop(): void {
  stream?.close();
  stream = undefined;
  window.clearTimeout(streamAgain);
}

document.addEventListener("visibilitychange", () => {
  if (document.hidden) {
    stop();
  } else {
    listen();
    lookSoon();
  }
});
window.addEventListener("pagehide", stop);
window.addEventListener("pageshow", (event) => {
  if (event.persisted) {
    listen();
    lookSoon();
  }
});

// An answer that is not the live part (signed out, gone, an error) must not take its place.
document.addEventListener("htmx:before:swap", (event) => {
  const ctx = (event as CustomEvent).detail?.ctx;
  if (!isLive(event.target)) return;
  if (ctx?.response?.status === 401) location.reload();
  if (ctx?.response?.status !== 200) event.preventDefault();
});

document.addEventListener("htmx:finally:request", (event) => {
  if (isLive(event.target)) judge((event as CustomEvent).detail?.ctx?.response?.status === 200);
});

function judge(fresh: boolean): void {
  failures = fresh ? 0 : failures + 1;
  if (!fresh) lookSoon(ASK_AGAIN_MS);
  const old = document.getElementById("old");
  if (!old) return;
  document.body.classList.toggle("stale", failures >= PATIENCE);
  old.hidden = failures < PATIENCE;
  const since = old.querySelector("[data-since]");
  if (since && failures === PATIENCE) since.textContent = document.querySelector("#pulse time")?.textContent ?? "";
}

function isLive(target: EventTarget | null): boolean {
  return target instanceof Element && target.id === "live";
}

if (live()) {
  listen();
  lookSoon(LOOK_ANYWAY_MS);
}
