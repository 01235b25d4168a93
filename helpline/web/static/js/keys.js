// data-key="S" | "F8" | "Alt+C" | "Ctrl+Shift+Enter" | "/" on a button, link or field: the key presses, follows or focuses it.
// Letters work only while nobody is typing; <body data-keys="off"> switches them off for who prefers that (WCAG 2.1.4).
import { typing } from "./dom.js";

// On a Khmer layout event.key is a Khmer letter: the physical key says which one is meant.
function name(event) {
  const key = /^[\x21-\x7e]$/.test(event.key) ? event.key : (/^(?:Key|Digit)(.)$/.exec(event.code)?.[1] ?? event.key);
  const plain = key.length === 1 ? key.toUpperCase() : key;
  const shift = event.shiftKey && (key.length > 1 || event.ctrlKey || event.metaKey || event.altKey);
  return [(event.ctrlKey || event.metaKey) && "Ctrl", event.altKey && "Alt", shift && "Shift", plain].filter(Boolean).join("+");
}

const usable = (el) => !el.disabled && el.checkVisibility?.({ visibilityProperty: true }) !== false;

document.addEventListener("keydown", (event) => {
  if (event.defaultPrevented || event.isComposing || event.repeat) return;
  const pressed = name(event);
  const single = !/^(Ctrl|Alt|F\d)/.test(pressed);
  if (single && (typing(event.target) || document.body.dataset.keys === "off")) return;
  if (pressed === "Enter" && event.target.closest("a, button, input, select, summary, [role=option]")) return;
  const over = document.querySelector("dialog[open]") ?? document.querySelector(".ask-first:popover-open") ?? document;
  const target = [...over.querySelectorAll("[data-key]")].find((el) => el.dataset.key.toLowerCase() === pressed.toLowerCase() && usable(el));
  if (!target) return;
  event.preventDefault();
  target.focus();
  if (typing(target)) target.select?.();
  else target.click();
});
