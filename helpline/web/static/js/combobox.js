// [data-combobox] with a text input inside becomes an ARIA 1.2 combobox fed by GET data-source?q=…, which answers
// [{value, label, kind?, detail?, group?}] or {items: […]}. Typed words stand in an address: use it for places and categories, never for people.
// With data-browse the source answers without words too: what has `within: true` opens (?under=value) instead of being chosen; ?codes=… names what is chosen anew.
// Single: the choice goes to input[type=hidden][data-value]. Multi ([data-multi]): checked checkboxes in ul.picks, the first is the main one.
// Without this file the text field is posted as it is and the server resolves it.
import { enhance, say, word } from "./dom.js";

const ROOM = 360; // px that the list and the foot of a page need

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

/** Say what is chosen in the page's language: it may have been chosen in another. */
export async function rename(box) {
  const items = chosen(box);
  if (box.dataset.browse === undefined || !items.length) return;
  const found = await look(box, { codes: items.map((item) => item.value) }).catch(() => []);
  const named = new Map(found.map((item) => [item.value, item]));
  choose(box, items.map((item) => named.get(item.value) ?? item));
}

async function look(box, asked) {
  const url = new URL(box.dataset.source, location.href);
  for (const [key, value] of Object.entries(asked)) if (value.length) url.searchParams.set(key, value);
  const answer = await fetch(url, { headers: { Accept: "application/json" }, credentials: "same-origin" });
  const body = answer.ok ? await answer.json() : [];
  return body.items ?? body;
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
  const browse = box.dataset.browse !== undefined;
  const list = node("ul", { role: "listbox", id: `${input.id}-list`, "aria-label": input.labels?.[0]?.textContent ?? input.getAttribute("aria-label") ?? "", hidden: "" });
  const none = node("p", { class: "none small", hidden: "" }, word(browse ? "found-none-browse" : "found-none"));
  let items = [], at = -1, timer = 0, asked = 0, under = "", browsing = false;
  input.after(none, list);
  for (const [key, value] of Object.entries({ role: "combobox", autocomplete: "off", "aria-autocomplete": "list", "aria-expanded": "false", "aria-controls": list.id })) input.setAttribute(key, value);
  if (multi) watchPicks(box, input);

  const close = () => { asked++; list.hidden = true; at = -1; under = ""; input.setAttribute("aria-expanded", "false"); input.removeAttribute("aria-activedescendant"); };
  const mark = (to) => {
    at = to;
    [...list.children].forEach((li, i) => li.setAttribute("aria-selected", String(i === at)));
    if (at < 0) return input.removeAttribute("aria-activedescendant");
    input.setAttribute("aria-activedescendant", list.children[at].id);
    list.children[at].scrollIntoView({ block: "nearest" });
  };
  const take = (item) => {
    if (item.within || item.back) return open(item.value);
    if (multi) {
      if (!chosen(box).some((c) => String(c.value) === String(item.value))) box.querySelector(".picks").append(pick(box, item));
      input.value = "";
      say(word("added", { label: item.label }));
    } else { hidden.value = item.value; input.value = item.detail ? `${item.label}, ${item.detail}` : item.label; }
    none.hidden = true;
    close();
    changed(box);
    hidden?.dispatchEvent(new Event("change", { bubbles: true }));
  };
  const line = (item) => [
    ...(item.group && !under ? [node("b", {}, item.group), ` ${item.label}`] : [item.label]),
    ...(item.within ? [node("span", { class: "soft", "aria-hidden": "true" }, " ›")] : []),
    ...(item.kind || item.detail ? [node("small", {}, [item.kind, item.detail].filter(Boolean).join(" · "))] : []),
  ];
  const show = (found) => {
    items = found;
    list.replaceChildren(...items.map((item, i) => node("li", { role: "option", id: `${list.id}-${i}`, "aria-selected": "false" }, ...line(item))));
    const { top, bottom } = input.getBoundingClientRect();
    list.classList.toggle("up", top > ROOM && window.innerHeight - bottom < ROOM);
    list.hidden = !items.length;
    list.scrollTop = 0;
    input.setAttribute("aria-expanded", String(!list.hidden));
    at = -1;
    input.removeAttribute("aria-activedescendant");
    say([none.hidden ? "" : none.textContent, items.length ? word("found", { n: items.length }) : ""].join(" ").trim());
  };
  const ask = async (wanted) => {
    const mine = ++asked;
    const current = () => mine === asked && document.activeElement === input;
    try {
      let found = await look(box, wanted);
      if (!current()) return;
      none.hidden = !(wanted.q && !found.length);
      if (!none.hidden && browse) found = await look(box, {}); // nothing is called so: here is everything
      if (!current()) return;
      browsing = !wanted.q;
      show(found);
    } catch { if (mine === asked) close(); } // offline: what is typed stays, the server resolves it later
  };
  const search = () => ask({ q: input.value.trim() });
  const open = async (code) => {
    const from = under;
    await ask({ under: code });
    under = code;
    if (code) show([{ value: "", label: `‹ ${word("browse-back")}`, back: true }, ...items]);
    mark(code ? 1 : items.findIndex((item) => item.value === from));
  };

  input.addEventListener("input", (event) => {
    if (!event.isTrusted && event.target !== input) return;
    if (hidden) hidden.value = ""; // what was chosen no longer is what is written
    clearTimeout(timer);
    asked++;
    if (browsing) close(); // what stood there answers another question
    under = "";
    if (input.value.trim()) timer = setTimeout(search, 150);
    else { none.hidden = true; if (browse) search(); else close(); }
  });
  const begin = () => { if (browse && list.hidden && !input.value.trim()) search(); };
  input.addEventListener("focus", begin);
  input.addEventListener("click", begin);
  input.addEventListener("keydown", (event) => {
    if (event.isComposing) return;
    const shown = !list.hidden;
    if (event.key === "ArrowDown" && !shown && (browse || input.value.trim())) search();
    else if (event.key === "ArrowDown" && shown) mark((at + 1) % items.length);
    else if (event.key === "ArrowUp" && shown) mark((at <= 0 ? items.length : at) - 1);
    else if (event.key === "ArrowRight" && shown && items[at]?.within) open(items[at].value);
    else if (["ArrowLeft", "Backspace"].includes(event.key) && shown && under && !input.value) open("");
    else if (event.key === "Enter" && shown && !event.ctrlKey && at < 0 && !(input.value.trim() && none.hidden)) close(); // nothing is meant yet
    else if (event.key === "Enter" && shown && !event.ctrlKey) take(items[Math.max(at, 0)]);
    else if (event.key === "Escape" && shown) close();
    else if (event.key === "Backspace" && multi && !input.value) return box.querySelector(".picks li:last-child input")?.focus();
    else return;
    event.preventDefault();
  });
  list.addEventListener("pointerdown", (event) => event.preventDefault()); // the field keeps the focus
  list.addEventListener("click", (event) => { // not before: a finger may be scrolling
    const li = event.target.closest("[role=option]");
    if (li) take(items[[...list.children].indexOf(li)]);
  });
  input.addEventListener("blur", close);
});
