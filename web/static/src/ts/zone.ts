// Tells the server the reader's time zone, so that every time on the page is written in it from the start.
const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
if (zone) {
  document.cookie = `trivet_zone=${encodeURIComponent(zone)}; path=/; max-age=31536000; samesite=lax`;
}
