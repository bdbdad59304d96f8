// One scenario's series, fetched once for all charts that show it.
export interface Flag {
  at: number; // seconds since the epoch
  kind: string;
  level: number | null;
  solid: boolean; // proven by telemetry; hollow until then
  short: string; // L2, r3
  words: string;
  who: string;
  why: string;
}

export interface Series {
  t: number[];
  p50_ms: (number | null)[];
  p95_ms: (number | null)[];
  requests_per_s: (number | null)[];
  limit_ms: number | null;
  limit_words: string;
  flags: Flag[];
  levels: { from: number; to: number; level: number }[];
  from: number;
  to: number;
  zone: string;
}

const REFRESH_MS = 2000;
type Listener = (series: Series) => void;

class Feed {
  private readonly listeners = new Set<Listener>();
  private timer: number | undefined;
  private last: Series | undefined;

  constructor(private readonly url: string) {}

  join(listener: Listener): () => void {
    this.listeners.add(listener);
    if (this.last) listener(this.last);
    if (this.timer === undefined) void this.tick();
    return () => {
      this.listeners.delete(listener);
      if (this.listeners.size === 0) this.stop();
    };
  }

  private stop(): void {
    window.clearTimeout(this.timer);
    this.timer = undefined;
  }

  private async tick(): Promise<void> {
    this.timer = window.setTimeout(() => void this.tick(), REFRESH_MS);
    if (document.hidden && this.last) return;
    try {
      const answer = await fetch(this.url, { headers: { Accept: "application/json" } });
      if (!answer.ok) return;
      this.last = (await answer.json()) as Series;
      for (const listener of this.listeners) listener(this.last);
    } catch {
      // The line is down: the charts keep what they show, and the page says that it is old.
    }
  }
}

const feeds = new Map<string, Feed>();

export function follow(url: string, listener: Listener): () => void {
  let feed = feeds.get(url);
  if (!feed) feeds.set(url, (feed = new Feed(url)));
  return feed.join(listener);
}
