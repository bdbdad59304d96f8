// <trivet-chart kind="latency|rate" series="/url" read="id">: draws a scenario's series and keeps it current in place.
import uPlot from "uplot";
import { faded, ink } from "./ink";
import { overlay } from "./overlay";
import { type Series, follow } from "./series";
import { tip } from "./tip";

type Kind = "latency" | "rate";
const darkness = matchMedia("(prefers-color-scheme: dark)");

class Chart extends HTMLElement {
  private plot: uPlot | undefined;
  private series: Series | undefined;
  private leave: (() => void) | undefined;
  private readonly resize = new ResizeObserver(() => this.fit());
  private readonly repaint = (): void => this.rebuild();

  connectedCallback(): void {
    this.leave = follow(this.getAttribute("series") ?? "", (series) => this.show(series));
    this.resize.observe(this);
    darkness.addEventListener("change", this.repaint);
  }

  disconnectedCallback(): void {
    this.leave?.();
    this.resize.disconnect();
    darkness.removeEventListener("change", this.repaint);
    this.plot?.destroy();
    this.plot = undefined;
  }

  private get kind(): Kind {
    return this.getAttribute("kind") === "rate" ? "rate" : "latency";
  }

  private show(series: Series): void {
    this.series = series;
    if (!this.plot) {
      this.rebuild();
      return;
    }
    this.plot.batch(() => {
      this.plot?.setData(this.data(series), false);
      this.plot?.setScale("x", { min: series.from, max: series.to });
      this.plot?.setScale("y", { min: 0, max: this.top(series) });
    });
    this.write(this.plot.cursor.idx ?? null);
  }

  private rebuild(): void {
    this.plot?.destroy();
    if (!this.series || !this.isConnected) return;
    this.plot = new uPlot(this.options(this.series), this.data(this.series), this);
    this.plot.root.setAttribute("aria-hidden", "true");
  }

  private fit(): void {
    const { clientWidth: width, clientHeight: height } = this;
    if (this.plot && width && (width !== this.plot.width || height !== this.plot.height)) this.plot.setSize({ width, height });
  }

  private data(series: Series): uPlot.AlignedData {
    return this.kind === "rate" ? [series.t, series.requests_per_s] : [series.t, series.p95_ms, series.p50_ms];
  }

  private top(series: Series): number {
    const values = this.kind === "rate" ? series.requests_per_s : series.p95_ms;
    const highest = Math.max(1, ...values.filter((v): v is number => v !== null));
    return this.kind === "rate" ? highest * 1.15 : Math.max(highest * 1.2, (series.limit_ms ?? 0) * 1.35);
  }

  private options(series: Series): uPlot.Options {
    const rate = this.kind === "rate";
    const ends = 30; // room for the lines' names at their ends
    return {
      width: this.clientWidth,
      height: this.clientHeight,
      padding: [4, ends, rate ? 6 : 0, 0],
      legend: { show: false },
      tzDate: (at) => uPlot.tzDate(new Date(at * 1e3), series.zone),
      cursor: { sync: { key: this.getAttribute("series") ?? "" }, points: { size: 6 }, drag: { x: this.hasAttribute("narrows"), y: false, setScale: false, dist: 6 } },
      scales: {
        x: { time: true, min: series.from, max: series.to },
        y: { min: 0, max: this.top(series) },
      },
      axes: [
        { show: !rate, stroke: ink("ink-faint"), font: '11px "Inter Variable"', size: 22, gap: 4, grid: { show: false },
          ticks: { stroke: ink("line-strong"), width: 1, size: 4 }, values: clockLabels(series.zone), space: 48 },
        { stroke: ink("ink-faint"), font: '11px "Inter Variable"', size: 46, gap: 6, space: rate ? 22 : 34,
          grid: { stroke: ink("line"), width: 1 }, ticks: { show: false },
          values: (_u, splits) => splits.map(rate ? sayRate : sayDuration) },
      ],
      series: rate ? [{}, line("ink-soft", "ink-soft")] : [{}, line("latency"), line("latency")],
      bands: rate ? [] : [{ series: [1, 2], fill: faded("latency", 20) }],
      plugins: [overlay(() => this.series, { latency: !rate }), tip(() => this.series)],
      hooks: { setCursor: [(u) => this.write(u.cursor.idx ?? null)], setSelect: [narrow], ready: this.hasAttribute("narrows") ? [closer] : [] },
    };
  }

  // What stands under the cursor, in words, over the chart.
  private write(index: number | null): void {
    const place = document.getElementById(this.getAttribute("read") ?? "");
    const series = this.series;
    if (!place || !series) return;
    if (index === null || series.t[index] === undefined) {
      place.textContent = "";
      return;
    }
    const at = new Date(series.t[index] * 1000).toLocaleTimeString("en-GB", { timeZone: series.zone });
    const said = this.kind === "rate"
      ? [sayRate(series.requests_per_s[index] ?? null)]
      : [`P50 ${sayDuration(series.p50_ms[index] ?? null)}`, `P95 ${sayDuration(series.p95_ms[index] ?? null)}`];
    place.textContent = [at, ...said].join(" · ");
  }
}

const DRAWN_PX = 6; // what is shorter was a click
const LEAST_S = 60;

// A stretch that somebody drew over the chart becomes the stretch of the page: it is in the address, so it can be sent.
function narrow(u: uPlot): void {
  if (u.select.width >= DRAWN_PX) look(u.posToVal(u.select.left, "x"), u.posToVal(u.select.left + u.select.width, "x"));
}

// A click is a fifth of what is seen, around where it was.
function closer(u: uPlot): void {
  u.over.addEventListener("click", (event) => {
    const { min, max } = u.scales.x ?? {};
    if (u.select.width >= DRAWN_PX || min == null || max == null) return;
    const [at, half] = [u.posToVal(event.offsetX, "x"), Math.max((max - min) / 10, LEAST_S / 2)];
    look(Math.max(min, at - half), Math.min(max, at + half));
  });
}

// Both in seconds of the epoch.
function look(since: number, until: number): void {
  const url = new URL(location.href);
  url.searchParams.set("since", new Date(since * 1000).toISOString());
  url.searchParams.set("until", new Date(until * 1000).toISOString());
  url.searchParams.delete("range");
  location.assign(url);
}

function line(hue: string, fill?: string): uPlot.Series {
  return { stroke: ink(hue), width: 1.5, points: { show: false }, spanGaps: false, ...(fill ? { fill: faded(fill, 14) } : {}) };
}

function clockLabels(zone: string): uPlot.Axis.DynamicValues {
  return (_u, splits, _axis, _space, step) =>
    splits.map((at) => new Date(at * 1000).toLocaleTimeString("en-GB", {
      timeZone: zone, hour: "2-digit", minute: "2-digit", ...(step < 60 ? { second: "2-digit" } : {}),
    }));
}

function sayDuration(ms: number | null): string {
  if (ms === null) return "–";
  return ms >= 1000 ? `${Number((ms / 1000).toPrecision(3))} s` : `${Number(ms.toPrecision(3))} ms`;
}

function sayRate(perSecond: number | null): string {
  return perSecond === null ? "–" : `${Number(perSecond.toPrecision(3))}/s`;
}

customElements.define("trivet-chart", Chart);
