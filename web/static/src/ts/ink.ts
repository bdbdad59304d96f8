// Colours for drawing on canvas, read from the page's custom properties, so that light and dark come from one place.
const probe = document.createElement("span");

export function ink(name: string): string {
  if (!probe.isConnected) {
    probe.className = "unseen";
    probe.setAttribute("aria-hidden", "true");
    document.body.append(probe);
  }
  probe.style.color = `var(--${name})`;
  return getComputedStyle(probe).color;
}

export function faded(name: string, percent: number): string {
  probe.style.color = "";
  ink(name);
  probe.style.color = `color-mix(in oklab, var(--${name}) ${percent}%, transparent)`;
  return getComputedStyle(probe).color;
}
