import "htmx.org";
import "./chart";
import "./keys";
import "./live";
import "./panel";
import "./zone";
