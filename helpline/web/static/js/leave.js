// Leave fast: Esc three times within a second, or [data-leave], empties the page, locks the session and puts a neutral page in its place.
// The text being typed is kept first (see drafts.js). Earlier pages stay in the browser's history, but the server, being locked, shows none of them.
import { send } from "./dom.js";

const { lockUrl, leaveUrl } = document.body.dataset;
let presses = [];

export function leave() {
  document.documentElement.classList.add("gone");
  document.title = "–";
  document.dispatchEvent(new Event("helpline:flush"));
  // The page goes at once; the lock travels with keepalive, so a slow line cannot hold the page on the screen.
  if (lockUrl) send(lockUrl, "POST", undefined, { keepalive: true }).catch(() => {});
  location.replace(leaveUrl || "/leave/");
}

document.addEventListener("keydown", (event) => {
  if (event.key !== "Escape" || event.repeat) return;
  presses = [...presses.filter((at) => event.timeStamp - at < 1000), event.timeStamp];
  if (presses.length >= 3) leave();
}, true);

document.addEventListener("click", (event) => {
  if (!event.target.closest("[data-leave]")) return;
  event.preventDefault();
  leave();
});
