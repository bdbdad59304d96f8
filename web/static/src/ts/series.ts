// One scenario's series, fetched once for all charts that show it.
export interface Flag {
  at: number; // seconds since the epoch
  kind: string;
  level: number | null;
  state?: string; // in words where it is not proven
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

type Listener = (series: Series) => void;

class Feed {
  private readonly listeners = new Set<Listener>();
  private readonly look = (): void => void this.fetch();
  private last: Series | undefined;
  private under = false;

  constructor(private readonly url: string) {}

  join(listener: Listener): () => void {
    if (this.listeners.size === 0) {
      document.addEventListener("trivet:look", this.look);
      void this.fetch();
    }
    this.listeners.add(listener);
    if (this.last) listener(this.last);
    return () => {
      this.listeners.delete(listener);
      if (this.listeners.size === 0) document.removeEventListener("trivet:look", this.look);
    };
  }

  private async fetch(): Promise<void> {
    if (this.under || (document.hidden && this.last)) return;
    this.under = true;
    try {
      const answer = await fetch(this.url, { headers: { Accept: "application/json" } });
      if (!answer.ok) return;
      this.last = (await answer.json()) as Series;
      for (const listener of this.listeners) listener(this.last);
    } catch {
      // The line is down: the charts keep what they show, and the page says that it is old.
    } finally {
      this.under = false;
    }
  }
}

const feeds = new Map<string, Feed>();

export function follow(url: string, listener: Listener): () => void {
  let feed = feeds.get(url);
  if (!feed) feeds.set(url, (feed = new Feed(url)));
  return feed.join(listener);
}
