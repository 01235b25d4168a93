// Nothing typed is lost. form[data-draft="<id>"][data-draft-url="<url>"] is kept twice while it is being written:
// here (IndexedDB, sealed) after every change, and on the server (PUT data-draft-url) a second later.
//
//   PUT  {"fields": [[name, value, label?, group?], …], "base": "<saved_at the text began from>" | null} -> 200 {"saved_at"} | 409 changed elsewhere | 401 locked
//   GET  -> {"fields": …, "saved_at"}; asked only when the form says data-draft-saved="<saved_at>" (the server holds a draft)
//   <meta name="drafts-done" content="<id> <id>"> on any page: posted and stored, the copies here go. Until then they stay: a lost answer loses nothing.
//
// The limits, plainly: the local copy is AES-GCM under a key that cannot be exported and lives in the same browser profile. That keeps text out of
// plain files, backups and other people's sign-ins here (each has a database and a key of their own), and sign-out destroys key and copies together.
// It does not protect against who controls the unlocked browser or the machine, nor from code running in our own pages; the policy on content does that.
import { deleteDB, openDB } from "../vendor/idb/idb.js";
import { chosen, choose, rename } from "./combobox.js";
import { enhance, send, word } from "./dom.js";
import { ensure } from "./repeat.js";

const NAME = `helpline-drafts-${document.body.dataset.user || "nobody"}`;
const WEEK = 7 * 24 * 3600 * 1000;
const text = [new TextEncoder(), new TextDecoder()];
const drafts = new Set();
let opened;

const store = () => (opened ??= openDB(NAME, 1, { upgrade(db) { db.createObjectStore("keys"); db.createObjectStore("drafts"); }, blocking() { opened?.then((db) => db.close()); opened = undefined; } }));

async function key() {
  const db = await store();
  const fresh = await crypto.subtle.generateKey({ name: "AES-GCM", length: 256 }, false, ["encrypt", "decrypt"]);
  const tx = db.transaction("keys", "readwrite"); // one transaction: two tabs must not make two keys
  const found = await tx.store.get("key");
  if (!found) await tx.store.put(fresh, "key");
  await tx.done;
  return found ?? fresh;
}

async function put(id, record) {
  const iv = crypto.getRandomValues(new Uint8Array(12));
  const sealed = await crypto.subtle.encrypt({ name: "AES-GCM", iv, additionalData: text[0].encode(id) }, await key(), text[0].encode(JSON.stringify(record)));
  await (await store()).put("drafts", { iv, sealed, at: Date.now() }, id);
}

async function get(id) {
  const row = await (await store()).get("drafts", id);
  if (!row) return null;
  try {
    return JSON.parse(text[1].decode(await crypto.subtle.decrypt({ name: "AES-GCM", iv: row.iv, additionalData: text[0].encode(id) }, await key(), row.sealed)));
  } catch { return null; }
}

/** Destroy key and copies of this user on this machine. */
export async function wipe() {
  if (opened) (await opened).close();
  opened = undefined;
  await deleteDB(NAME);
}

const skipped = (el) => !el.name || ["csrf_token"].includes(el.name) || ["password", "file", "submit", "button"].includes(el.type) || el.closest("[data-draft-skip]");

function read(form) {
  const fields = [];
  for (const el of form.elements) {
    if (skipped(el) || el.matches(".picks input, [data-value]")) continue;
    if (["checkbox", "radio"].includes(el.type)) { if (el.checked) fields.push([el.name, el.value]); } else fields.push([el.name, el.value]);
  }
  form.querySelectorAll("[data-combobox]").forEach((box) => chosen(box).forEach((c) => fields.push([box.dataset.name, c.value, c.label, ...(c.group ? [c.group] : [])])));
  return fields;
}

function write(form, fields) {
  form.querySelectorAll("[data-repeat]").forEach((box) => {
    const at = new RegExp(`^${box.dataset.repeat}-(\\d+)-`);
    new Set(fields.map(([name]) => at.exec(name)?.[1]).filter(Boolean)).forEach((i) => ensure(box, Number(i)));
  });
  const by = Map.groupBy ? Map.groupBy(fields, ([name]) => name) : fields.reduce((m, f) => m.set(f[0], [...(m.get(f[0]) ?? []), f]), new Map());
  for (const el of form.elements) {
    if (skipped(el) || el.matches(".picks input, [data-value]")) continue;
    const values = (by.get(el.name) ?? []).map(([, value]) => value);
    if (["checkbox", "radio"].includes(el.type)) el.checked = values.includes(el.value);
    else if (values.length) [el.value] = values;
  }
  form.querySelectorAll("[data-combobox]").forEach((box) => {
    choose(box, (by.get(box.dataset.name) ?? []).map(([, value, label, group]) => ({ value, label: label ?? value, group })));
    const typed = by.get(box.querySelector("input[role=combobox]")?.name)?.[0][1];
    if (typed !== undefined) box.querySelector("input[role=combobox]").value = typed;
  });
  form.dispatchEvent(new Event("helpline:restored", { bubbles: true }));
  // What the server says of it, once each: earlier calls, the danger.
  new Map([...form.querySelectorAll("[hx-post]")].map((el) => [el.getAttribute("hx-post"), el])).forEach((el) => el.value !== "" && el.dispatchEvent(new Event("change")));
}

class Draft {
  constructor(form) {
    Object.assign(this, { form, id: form.dataset.draft, url: form.dataset.draftUrl, base: form.dataset.draftSaved || null, timer: 0, writing: null, sent: null, wait: 1000 });
    this.first = JSON.stringify(read(form));
  }

  /** Once sending was tried without a connection, that is what is said until it is back: what is kept here is said in it. */
  say(told) {
    const state = told === "here" && this.held && navigator.onLine === false ? "offline" : told;
    document.querySelectorAll("[data-draft-status]").forEach((el) => { if (!el.dataset.draftStatus || el.dataset.draftStatus === this.id) el.dataset.state = state; });
  }

  async begin() {
    const here = await get(this.id).catch(() => null);
    const there = this.form.dataset.draftSaved ? await this.fetch() : null;
    // What is unsent here wins; otherwise the server's, which may have been written on another machine.
    const mine = here && (!here.synced || !there || here.base === there.saved_at);
    const chosenDraft = mine ? here : there;
    if (chosenDraft && JSON.stringify(read(this.form)) === this.first) {
      write(this.form, chosenDraft.fields);
      await Promise.all([...this.form.querySelectorAll("[data-combobox]")].map(rename));
      this.base = mine ? here.base : there.saved_at;
      if (mine && !here.synced) this.later(0);
      this.say(mine && !here.synced ? "here" : "both");
    }
    this.noticed = JSON.stringify(read(this.form));
    this.sent = chosenDraft && (!mine || here.synced) ? JSON.stringify(read(this.form)) : this.sent;
  }

  async fetch() {
    try { const answer = await send(this.url, "GET"); return answer.ok ? await answer.json() : null; } catch { return null; }
  }

  /** A change: keep it here at once, and on the server soon. */
  async changed() {
    const now = JSON.stringify(read(this.form));
    if (now === (this.noticed ?? this.first)) return; // a blur says "change" once more
    this.noticed = now;
    this.dirty = true;
    this.later(this.wait);
    if (this.writing) return;
    while (this.dirty) {
      this.dirty = false;
      this.writing = put(this.id, { fields: read(this.form), base: this.base, synced: false });
      // One write at a time, the newest last.
      try { await this.writing; this.kept = true; if (this.form.isConnected) this.say("here"); } catch { this.kept = false; this.say("nowhere"); }
    }
    this.writing = null;
  }

  later(wait) { clearTimeout(this.timer); this.timer = setTimeout(() => this.push(), wait); }

  /** Send what is new. `last` is the farewell of a page that goes away. */
  async push(last = false) {
    clearTimeout(this.timer);
    const fields = read(this.form);
    const now = JSON.stringify(fields);
    if (!this.url || now === this.sent || this.done) return;
    try {
      const body = { fields, base: this.base };
      const answer = await send(this.url, "PUT", body, { keepalive: last && now.length < 60000 });
      if (answer.status === 401) document.dispatchEvent(new Event("helpline:locked"));
      if (answer.status === 409) { this.say("clash"); return; }
      if (!answer.ok) throw new Error("not stored");
      this.base = (await answer.json()).saved_at;
      this.sent = now;
      this.wait = 1000;
      if (JSON.stringify(read(this.form)) !== now) { this.later(this.wait); return; }
      await put(this.id, { fields, base: this.base, synced: true }).catch(() => {});
      this.say("both");
    } catch {
      this.say(this.kept === false ? "nowhere" : "here");
      this.wait = Math.min(this.wait * 2, 60000);
      this.later(this.wait);
    }
  }
}

async function tidy() {
  const done = (document.querySelector('meta[name="drafts-done"]')?.content ?? "").split(" ").filter(Boolean);
  const db = await store();
  for (const id of await db.getAllKeys("drafts")) {
    if (done.includes(id) || (await db.get("drafts", id)).at < Date.now() - WEEK) await db.delete("drafts", id);
  }
}

const unsent = () => [...drafts].some((d) => d.form.isConnected && d.sent !== JSON.stringify(read(d.form)) && JSON.stringify(read(d.form)) !== d.first);
const ready = crypto.subtle && window.indexedDB ? tidy().catch(() => {}) : Promise.resolve();

enhance("form[data-draft]", async (form) => {
  await ready;
  const draft = new Draft(form);
  drafts.add(draft);
  await draft.begin().catch(() => draft.say("nowhere"));
  ["input", "change"].forEach((name) => form.addEventListener(name, () => draft.changed()));
  form.dataset.draftReady = "";
  form.addEventListener("submit", (event) => {
    if (navigator.onLine === false) { event.preventDefault(); draft.held = true; draft.say("offline"); return; } // a lost page would hide what is kept
    clearTimeout(draft.timer);
    draft.done = true;
    setTimeout(() => { draft.done = false; }, 5000); // still here: the post failed, go on keeping
  });
});

const flush = () => drafts.forEach((d) => d.form.isConnected && JSON.stringify(read(d.form)) !== d.first && d.push(true));
document.addEventListener("helpline:flush", flush);
document.addEventListener("helpline:unlocked", () => drafts.forEach((d) => d.push()));
document.addEventListener("visibilitychange", () => { if (document.visibilityState === "hidden") flush(); });
window.addEventListener("online", () => drafts.forEach((d) => d.push()));

document.addEventListener("submit", async (event) => {
  const form = event.target.closest("form[data-sign-out]");
  if (!form || form.dataset.wiped) return;
  event.preventDefault();
  await Promise.allSettled([...drafts].map((d) => d.push()));
  if (unsent() && !window.confirm(word("sign-out-unsent"))) return;
  await Promise.race([wipe().catch(() => {}), new Promise((go) => { setTimeout(go, 2000); })]);
  form.dataset.wiped = "";
  form.submit();
});
