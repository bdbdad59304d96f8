import "htmx.org";
import "./keys";
import "./live";
import "./panel";
import "./places";
import "./problems";
import "./search";
import "./zone";

// Charts are most of the script: they come with the first page that has one.
function charts(): void {
  if (document.querySelector("trivet-chart") && !customElements.get("trivet-chart")) void import("./chart");
}
charts();
document.addEventListener("htmx:after:swap", charts);
