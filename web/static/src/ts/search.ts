// The search dialog: what is found stands under the field; up and down choose, enter goes there.
export function openSearch(): void {
  const dialog = document.querySelector<HTMLDialogElement>("#search");
  if (!dialog || dialog.open) return;
  dialog.showModal();
  dialog.querySelector<HTMLInputElement>("input")?.select();
}

document.addEventListener("click", (event) => {
  if (event.target instanceof Element && event.target.closest('[data-open="search"]')) openSearch();
});

document.addEventListener("keydown", (event) => {
  const dialog = document.querySelector<HTMLDialogElement>("#search[open]");
  if (!dialog) return;
  const input = dialog.querySelector<HTMLInputElement>("input");
  const found = [...dialog.querySelectorAll<HTMLAnchorElement>(".found a")];
  const at = found.indexOf(document.activeElement as HTMLAnchorElement);
  if (event.key === "ArrowDown" && at < found.length - 1) {
    found[at + 1]?.focus();
  } else if (event.key === "ArrowUp") {
    if (at > 0) found[at - 1]?.focus();
    else input?.focus();
  } else if (event.key === "Enter" && document.activeElement === input && found[0]) {
    found[0].click();
  } else {
    return;
  }
  event.preventDefault();
});
