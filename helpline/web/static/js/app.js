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

// What was typed in a question was refused: it stands open as it was left.
const refused = document.querySelector("[popover][data-open]");
refused?.showPopover();
refused?.querySelector("[aria-invalid]")?.focus();

// A page that came back with errors begins at their summary.
const first = document.querySelector("[data-focus]");
// A field that takes the focus on a phone opens the keyboard and hides the page's top.
const small = window.matchMedia("(max-width: 800px)").matches;
if (!refused && !(small && first?.matches("textarea, input"))) first?.focus();

// What is folded on a phone stands open on a desk, and everywhere without script.
if (small) document.querySelectorAll("details[data-fold]").forEach((el) => { el.open = false; });
