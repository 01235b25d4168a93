// [data-repeat="children"] holds [data-repeat-item]s and a <template> whose names say children-__i__-name.
// [data-repeat-add] adds one, [data-repeat-remove] inside an item takes it away. Without this file both are plain submit buttons.
// Indices are never reused and may have gaps after a removal: the server reads them in order, not by number.
import { enhance } from "./dom.js";

const items = (box) => [...box.querySelectorAll(":scope > [data-repeat-item]")];
const limit = (box) => Number(box.dataset.repeatMax || 12);
const adders = (box) => document.querySelectorAll(`[data-repeat-add="${box.dataset.repeat}"]`);

function renumber(box) {
  items(box).forEach((item, at) => item.querySelectorAll("[data-repeat-number]").forEach((el) => { el.textContent = at + 1; }));
  adders(box).forEach((button) => { button.disabled = items(box).length >= limit(box); });
}

/** Add the item with this index (or the next free one); gives the item, or null at the limit. */
export function add(box, index = Number(box.dataset.repeatNext ?? items(box).length)) {
  if (items(box).length >= limit(box)) return null;
  const template = box.querySelector(":scope > template");
  const hold = document.createElement("template");
  hold.innerHTML = template.innerHTML.replaceAll("__i__", String(index));
  const item = hold.content.firstElementChild;
  box.insertBefore(item, template);
  box.dataset.repeatNext = Math.max(index + 1, Number(box.dataset.repeatNext ?? 0));
  renumber(box);
  return item;
}

/** Make sure that the fields of this index exist: drafts need them before they can be filled. */
export function ensure(box, index) {
  const has = box.querySelector(`[name^="${CSS.escape(`${box.dataset.repeat}-${index}-`)}"]`);
  if (!has) add(box, index);
}

enhance("[data-repeat]", (box) => { box.dataset.repeatNext ??= items(box).length; renumber(box); });

document.addEventListener("click", (event) => {
  const adder = event.target.closest("[data-repeat-add]");
  const remover = event.target.closest("[data-repeat-remove]");
  if (!adder && !remover) return;
  const box = adder ? document.querySelector(`[data-repeat="${adder.dataset.repeatAdd}"]`) : remover.closest("[data-repeat]");
  if (!box) return;
  event.preventDefault();
  if (adder) add(box)?.querySelector("input, select, textarea")?.focus();
  else {
    const item = remover.closest("[data-repeat-item]");
    const near = item.previousElementSibling ?? adders(box)[0];
    item.remove();
    renumber(box);
    (near?.querySelector?.("input, select, textarea") ?? near)?.focus?.();
  }
  box.dispatchEvent(new Event("input", { bubbles: true })); // so that a draft notices
});
