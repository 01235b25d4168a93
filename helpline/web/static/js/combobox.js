// [data-combobox] with a text input inside becomes an ARIA 1.2 combobox fed by GET data-source?q=…, which answers
// [{value, label, detail?, group?}] or {items: […]}. Typed words stand in an address: use it for places and categories, never for people.
// Single: the choice goes to input[type=hidden][data-value]. Multi ([data-multi]): checked checkboxes in ul.picks, the first is the main one.
// Without this file the text field is posted as it is and the server resolves it.
import { enhance, say, word } from "./dom.js";

const node = (tag, attrs = {}, ...children) => {
  const el = document.createElement(tag);
  for (const [key, value] of Object.entries(attrs)) if (value !== undefined) el.setAttribute(key, value);
  el.append(...children);
  return el;
};
const changed = (box) => box.dispatchEvent(new Event("input", { bubbles: true }));

function pick(box, { value, label, group }) {
  const text = group ? [node("b", {}, group), ` ${label}`] : [label];
  const tick = node("input", { type: "checkbox", name: box.dataset.name, value, checked: "" });
  const chip = node("label", { class: "chip on" }, tick, node("span", {}, ...text));
  const full = group ? `${group} ${label}` : label;
  const first = node("button", { type: "button", class: "first", "aria-label": word("make-main", { label: full }), title: word("make-main", { label: full }) }, "⇤");
  return node("li", {}, chip, node("span", { class: "main-word away" }, word("main")), first);
}

/** What is chosen: [{value, label, group?}], the main one first. */
export function chosen(box) {
  if (box.dataset.multi === undefined) {
    const value = box.querySelector("[data-value]").value;
    return value ? [{ value, label: box.querySelector("input:not([type=hidden])").value }] : [];
  }
  return [...box.querySelectorAll(".picks li")].map((li) => {
    const [group, span] = [li.querySelector("b")?.textContent, li.querySelector(".chip span")];
    const label = (group ? span.textContent.slice(group.length) : span.textContent).trim();
    return { value: li.querySelector("input").value, label, ...(group && { group }) };
  });
}

/** Replace what is chosen (drafts restore through this). */
export function choose(box, items) {
  if (box.dataset.multi === undefined) {
    box.querySelector("[data-value]").value = items[0]?.value ?? "";
    if (items[0]) box.querySelector("input:not([type=hidden])").value = items[0].label;
  } else box.querySelector(".picks").replaceChildren(...items.map((item) => pick(box, item)));
}

function move(box, li, step) {
  const list = li.parentElement;
  if (step === "first") list.prepend(li);
  else if (step < 0) li.previousElementSibling?.before(li);
  else li.nextElementSibling?.after(li);
  li.querySelector("input").focus();
  say(li === list.firstElementChild ? word("is-main", { label: li.querySelector(".chip").textContent.trim() }) : "");
  changed(box);
}

function watchPicks(box, input) {
  const picks = box.querySelector(".picks");
  picks.addEventListener("change", (event) => {
    const li = event.target.closest("li");
    const next = li.nextElementSibling ?? li.previousElementSibling;
    say(word("removed", { label: li.querySelector(".chip").textContent.trim() }));
    li.remove();
    (next?.querySelector("input") ?? input).focus();
    changed(box);
  });
  picks.addEventListener("click", (event) => { if (event.target.closest(".first")) move(box, event.target.closest("li"), "first"); });
  picks.addEventListener("keydown", (event) => {
    const li = event.target.closest("li");
    if (event.key === "Home") move(box, li, "first");
    else if (event.altKey && ["ArrowLeft", "ArrowUp"].includes(event.key)) move(box, li, -1);
    else if (event.altKey && ["ArrowRight", "ArrowDown"].includes(event.key)) move(box, li, 1);
    else if (["Delete", "Backspace"].includes(event.key)) event.target.click();
    else return;
    event.preventDefault();
  });
}

enhance("[data-combobox]", (box) => {
  const input = box.querySelector("input:not([type=hidden], [type=checkbox])");
  const multi = box.dataset.multi !== undefined;
  const hidden = box.querySelector("[data-value]");
  const list = node("ul", { role: "listbox", id: `${input.id}-list`, "aria-label": input.labels?.[0]?.textContent ?? input.getAttribute("aria-label") ?? "", hidden: "" });
  let items = [], at = -1, timer = 0, asked = 0;
  input.after(list);
  for (const [key, value] of Object.entries({ role: "combobox", autocomplete: "off", "aria-autocomplete": "list", "aria-expanded": "false", "aria-controls": list.id })) input.setAttribute(key, value);
  if (multi) watchPicks(box, input);

  const close = () => { list.hidden = true; at = -1; input.setAttribute("aria-expanded", "false"); input.removeAttribute("aria-activedescendant"); };
  const mark = (to) => {
    at = to;
    [...list.children].forEach((li, i) => li.setAttribute("aria-selected", String(i === at)));
    if (at < 0) return input.removeAttribute("aria-activedescendant");
    input.setAttribute("aria-activedescendant", list.children[at].id);
    list.children[at].scrollIntoView({ block: "nearest" });
  };
  const take = (item) => {
    if (multi) {
      if (!chosen(box).some((c) => String(c.value) === String(item.value))) box.querySelector(".picks").append(pick(box, item));
      input.value = "";
      say(word("added", { label: item.label }));
    } else { hidden.value = item.value; input.value = item.detail ? `${item.label}, ${item.detail}` : item.label; }
    close();
    changed(box);
    hidden?.dispatchEvent(new Event("change", { bubbles: true }));
  };
  const show = (found) => {
    items = found;
    list.replaceChildren(...items.map((item, i) => node("li", { role: "option", id: `${list.id}-${i}`, "aria-selected": "false" },
      ...(item.group ? [node("b", {}, item.group), ` ${item.label}`] : [item.label]), ...(item.detail ? [node("small", {}, item.detail)] : []))));
    list.hidden = !items.length;
    input.setAttribute("aria-expanded", String(!list.hidden));
    at = -1;
    input.removeAttribute("aria-activedescendant");
    say(items.length ? word("found", { n: items.length }) : word("found-none"));
  };
  const ask = async () => {
    const mine = ++asked;
    const url = new URL(box.dataset.source, location.href);
    url.searchParams.set("q", input.value.trim());
    try {
      const answer = await fetch(url, { headers: { Accept: "application/json" }, credentials: "same-origin" });
      const body = answer.ok ? await answer.json() : [];
      if (mine === asked && document.activeElement === input) show(body.items ?? body);
    } catch { if (mine === asked) close(); } // offline: what is typed stays, the server resolves it later
  };

  input.addEventListener("input", (event) => {
    if (!event.isTrusted && event.target !== input) return;
    if (hidden) hidden.value = ""; // what was chosen no longer is what is written
    clearTimeout(timer);
    asked++;
    if (input.value.trim()) timer = setTimeout(ask, 150);
    else close();
  });
  input.addEventListener("keydown", (event) => {
    if (event.isComposing) return;
    const open = !list.hidden;
    if (event.key === "ArrowDown" && !open && input.value.trim()) ask();
    else if (event.key === "ArrowDown" && open) mark((at + 1) % items.length);
    else if (event.key === "ArrowUp" && open) mark((at <= 0 ? items.length : at) - 1);
    else if (event.key === "Enter" && open && !event.ctrlKey) take(items[Math.max(at, 0)]);
    else if (event.key === "Escape" && open) close();
    else if (event.key === "Backspace" && multi && !input.value) return box.querySelector(".picks li:last-child input")?.focus();
    else return;
    event.preventDefault();
  });
  list.addEventListener("pointerdown", (event) => {
    event.preventDefault(); // the field keeps the focus
    const li = event.target.closest("[role=option]");
    if (li) take(items[[...list.children].indexOf(li)]);
  });
  input.addEventListener("blur", close);
});
