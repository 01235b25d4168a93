// Everything a page may carry; each module waits for its own data-attributes.
import "./leave.js";
import "./keys.js";
import "./idle.js";
import "./repeat.js";
import "./combobox.js";
import "./clock.js";
import "./theme.js";
import "./figures.js";
import "./drafts.js";

// A page that came back with errors begins at their summary.
document.querySelector("[data-focus]")?.focus();
