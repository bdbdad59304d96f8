// What a flag means, beside it while the pointer is on it. Placed by script, since the page's policy takes no inline styles.
import type uPlot from "uplot";
import type { Flag, Series } from "./series";

const NEAR_PX = 9;
const GAP_PX = 10;

export function tip(current: () => Series | undefined): uPlot.Plugin {
  const box = document.createElement("div");
  box.className = "chart__tip small";
  box.hidden = true;
  return {
    hooks: {
      ready: (u) => { u.over.append(box); },
      setCursor: (u) => {
        const near = u.over.matches(":hover") ? flagsAt(u, current()) : [];
        box.hidden = near.length === 0;
        if (near.length) show(u, box, near);
      },
    },
  };
}

function flagsAt(u: uPlot, series: Series | undefined): Flag[] {
  const x = u.cursor.left ?? -1;
  if (x < 0) return [];
  return series?.flags.filter((flag) => Math.abs(u.valToPos(flag.at, "x") - x) <= NEAR_PX) ?? [];
}

function show(u: uPlot, box: HTMLElement, flags: Flag[]): void {
  box.replaceChildren(...flags.map(said));
  const x = u.valToPos(flags[0]?.at ?? 0, "x");
  const wide = u.over.clientWidth;
  const onTheRight = x < wide / 2;
  box.style.left = onTheRight ? `${x + GAP_PX}px` : "";
  box.style.right = onTheRight ? "" : `${wide - x + GAP_PX}px`;
  box.style.maxWidth = `${Math.max(wide / 2, 160)}px`;
}

function said(flag: Flag): HTMLElement {
  const line = document.createElement("p");
  const what = document.createElement("strong");
  what.textContent = flag.words;
  line.append(what, `${flag.state ? `, ${flag.state}` : ""} · ${flag.who}: ${flag.why}`);
  return line;
}
