// A panel opens as a modal dialog when it arrives and leaves the page when it closes; focus goes back where it was.
class Panel extends HTMLElement {
  connectedCallback(): void {
    const dialog = this.querySelector("dialog");
    if (!dialog || dialog.open) return;
    dialog.addEventListener("close", () => this.remove());
    dialog.showModal();
  }
}

customElements.define("trivet-panel", Panel);

document.addEventListener("click", (event) => {
  const target = event.target;
  if (!(target instanceof Element)) return;
  if (target.matches("dialog") || target.closest("[data-close]")) {
    const dialog = target.closest("dialog");
    if (dialog) dialog.close();
    else if (target.closest("[data-close]")) history.back();
  }
});
