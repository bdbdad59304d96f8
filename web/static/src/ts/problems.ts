// A field is marked as wrong as soon as a problem stands beside it, and no longer than that: what is told while somebody
// types changes the words alone, never the field.
function mark(): void {
  for (const told of document.querySelectorAll<HTMLElement>(".field__problem[id]")) {
    const field = document.querySelector(`[aria-describedby="${CSS.escape(told.id)}"]`);
    if (!field) continue;
    if (told.textContent?.trim()) field.setAttribute("aria-invalid", "true");
    else field.removeAttribute("aria-invalid");
  }
}
document.addEventListener("htmx:after:swap", mark);
