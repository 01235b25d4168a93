// Locks after <body data-idle> seconds without a hand on the machine: a minute before, [data-idle-warn] says so; then the server
// session is locked and dialog#lock covers the page and asks for the password. What was typed stays where it is.
// A 401 to htmx or to a draft opens the same dialog. Tabs share one clock through localStorage (a time, nothing else).
import { send } from "./dom.js";

const dialog = document.getElementById("lock");
const warning = document.querySelector("[data-idle-warn]");
const { idle, lockUrl, unlockUrl } = document.body.dataset;
const limit = Number(idle || 0) * 1000;
const SEEN = "helpline-seen";
let seen = Date.now();

const touch = () => {
  if (dialog?.open || Date.now() - seen < 1000) return;
  seen = Date.now();
  localStorage.setItem(SEEN, String(seen));
  if (warning) warning.hidden = true;
};

/** Cover the page and ask for the password; `tell` also locks the session on the server. */
export function lock(tell = true) {
  if (!dialog || dialog.open) return;
  document.dispatchEvent(new Event("helpline:flush"));
  if (tell && lockUrl) send(lockUrl, "POST", undefined, { keepalive: true }).catch(() => {});
  document.body.classList.add("locked");
  document.querySelectorAll("[popover]").forEach((el) => el.hidePopover?.());
  if (warning) warning.hidden = true;
  dialog.showModal();
}

async function unlock(event) {
  event.preventDefault();
  const form = event.target;
  const [wrong, away] = ["wrong", "offline"].map((name) => form.querySelector(`[data-say=${name}]`));
  wrong.hidden = away.hidden = true;
  let answer;
  try { answer = await send(unlockUrl, "POST", new URLSearchParams(new FormData(form))); } catch { away.hidden = false; return; }
  const body = (await answer.json().catch(() => null)) ?? {};
  if (body.location) location.assign(body.location); // the session is over for good: sign in again, the draft waits
  else if (!answer.ok) { wrong.hidden = false; form.elements.password.select(); }
  else {
    if (body.csrf_token) renew(body.csrf_token);
    form.reset();
    dialog.close();
    document.body.classList.remove("locked");
    seen = 0;
    touch();
    document.dispatchEvent(new Event("helpline:unlocked"));
  }
}

function renew(value) {
  document.querySelector('meta[name="csrf-token"]').content = value;
  document.querySelectorAll('input[name="csrf_token"]').forEach((input) => { input.value = value; });
  document.body.setAttribute("hx-headers:inherited", JSON.stringify({ "X-CSRFToken": value }));
}

if (dialog) {
  dialog.addEventListener("cancel", (event) => event.preventDefault());
  dialog.querySelector("form").addEventListener("submit", unlock);
  document.addEventListener("helpline:locked", () => lock(false));
  document.addEventListener("htmx:before:response", (event) => {
    if (event.detail.ctx.response.status !== 401) return;
    event.preventDefault();
    lock(false);
  });
  if (limit) {
    ["pointerdown", "keydown", "wheel", "touchstart"].forEach((name) => document.addEventListener(name, touch, { passive: true, capture: true }));
    localStorage.setItem(SEEN, String(seen));
    setInterval(() => {
      const quiet = Date.now() - Math.max(seen, Number(localStorage.getItem(SEEN) || 0));
      if (quiet >= limit) lock();
      else if (warning && !dialog.open) warning.hidden = quiet < limit - 60000;
    }, 1000);
  }
}
