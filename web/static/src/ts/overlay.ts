// What every chart carries beside its line: the card's limit with its label, commands as flags, the ladder as a ribbon.
import type uPlot from "uplot";
import { ink } from "./ink";
import type { Flag, Series } from "./series";

const FLAG_HEIGHT = 12;
const RIBBON_HEIGHT = 4;

export function overlay(current: () => Series | undefined, options: { latency: boolean }): uPlot.Plugin {
  return {
    hooks: {
      draw: (u) => {
        const series = current();
        if (!series) return;
        const pen = u.ctx;
        pen.save();
        drawLevels(u, pen, series);
        if (options.latency) drawLimit(u, pen, series);
        drawFlags(u, pen, series, options.latency ? 3 : 2);
        if (options.latency) drawNames(u, pen, series);
        pen.restore();
      },
    },
  };
}

function drawLimit(u: uPlot, pen: CanvasRenderingContext2D, series: Series): void {
  if (series.limit_ms === null) return;
  const y = Math.round(u.valToPos(series.limit_ms, "y", true)) + 0.5;
  const { left, width, top } = u.bbox;
  if (y < top) return;
  pen.strokeStyle = ink("ink");
  pen.lineWidth = devicePixelRatio;
  line(pen, left, y, left + width, y);
  label(pen, series.limit_words, left + width, y - 4 * devicePixelRatio, "right", ink("ink"));
}

// Each line is named at its end, where there is room for both names.
function drawNames(u: uPlot, pen: CanvasRenderingContext2D, series: Series): void {
  const right = u.bbox.left + u.bbox.width + 4 * devicePixelRatio;
  let taken = -Infinity;
  for (const [name, values] of [["P95", series.p95_ms], ["P50", series.p50_ms]] as const) {
    const value = values.findLast((v) => v !== null);
    if (value === undefined || value === null) continue;
    const y = Math.max(u.valToPos(value, "y", true) + 4 * devicePixelRatio, taken + 12 * devicePixelRatio);
    label(pen, name, right, y, "left", ink("latency"));
    taken = y;
  }
}

// Lines first, so that none crosses a name. Where names would collide, the next one stands a row lower.
function drawFlags(u: uPlot, pen: CanvasRenderingContext2D, series: Series, rows: number): void {
  const { left, top, width, height } = u.bbox;
  const unit = devicePixelRatio;
  const shown = series.flags
    .map((flag) => ({ flag, x: Math.round(u.valToPos(flag.at, "x", true)) + 0.5 }))
    .filter(({ x }) => x >= left && x <= left + width);
  for (const { flag, x } of shown) {
    pen.strokeStyle = toneOf(flag);
    pen.lineWidth = unit;
    pen.setLineDash(flag.solid ? [] : [3 * unit, 2 * unit]);
    line(pen, x, top, x, top + height);
    pen.setLineDash([]);
  }
  const ends = Array<number>(rows).fill(-Infinity);
  for (const { flag, x } of shown) {
    const free = ends.findIndex((end) => end <= x);
    const row = free < 0 ? rows - 1 : free;
    const y = top + row * (FLAG_HEIGHT + 1) * unit;
    pennant(pen, x, y, flag.solid, toneOf(flag));
    if (free >= 0) ends[row] = label(pen, flag.short, x + 10 * unit, y + 9 * unit, "left", toneOf(flag)) + 4 * unit;
  }
}

function toneOf(flag: Flag): string {
  return flag.level === null ? ink("ink-soft") : ink(`level-${flag.level}`);
}

function pennant(pen: CanvasRenderingContext2D, x: number, top: number, solid: boolean, tone: string): void {
  const unit = devicePixelRatio;
  pen.beginPath();
  pen.moveTo(x, top);
  pen.lineTo(x + 8 * unit, top + (FLAG_HEIGHT / 3) * unit);
  pen.lineTo(x, top + (FLAG_HEIGHT / 1.5) * unit);
  pen.closePath();
  pen.strokeStyle = tone;
  pen.fillStyle = solid ? tone : ink("paper");
  pen.fill();
  pen.stroke();
}

function drawLevels(u: uPlot, pen: CanvasRenderingContext2D, series: Series): void {
  const { left, top, width, height } = u.bbox;
  for (const stretch of series.levels) {
    const from = Math.max(u.valToPos(stretch.from, "x", true), left);
    const to = Math.min(u.valToPos(stretch.to, "x", true), left + width);
    if (to <= from || stretch.level === 0) continue;
    pen.fillStyle = ink(`level-${stretch.level}`);
    pen.fillRect(from, top + height - RIBBON_HEIGHT * devicePixelRatio, to - from, RIBBON_HEIGHT * devicePixelRatio);
  }
}

function line(pen: CanvasRenderingContext2D, x0: number, y0: number, x1: number, y1: number): void {
  pen.beginPath();
  pen.moveTo(x0, y0);
  pen.lineTo(x1, y1);
  pen.stroke();
}

// Text on a strip of paper so that lines behind it do not cross it. Returns where it ends.
function label(
  pen: CanvasRenderingContext2D, text: string, x: number, y: number, align: "left" | "right", tone: string,
): number {
  pen.font = `500 ${11 * devicePixelRatio}px "Inter Variable", system-ui, sans-serif`;
  pen.textAlign = align;
  pen.textBaseline = "alphabetic";
  const wide = pen.measureText(text).width;
  const start = align === "left" ? x : x - wide;
  pen.fillStyle = ink("paper");
  pen.fillRect(start - 2 * devicePixelRatio, y - 10 * devicePixelRatio, wide + 4 * devicePixelRatio, 13 * devicePixelRatio);
  pen.fillStyle = tone;
  pen.fillText(text, x, y);
  return start + wide;
}
