// <time data-started="2026-11-23T14:40:05Z" data-now="…server's now…"> counts up as m:ss or h:mm:ss.
// data-now takes a wrong clock of this machine out of the count.
import { enhance } from "./dom.js";

const two = (n) => String(n).padStart(2, "0");

export function spoken(seconds) {
  const s = Math.max(0, Math.floor(seconds));
  const [h, m] = [Math.floor(s / 3600), Math.floor(s / 60) % 60];
  return h ? `${h}:${two(m)}:${two(s % 60)}` : `${two(m)}:${two(s % 60)}`;
}

enhance("[data-started]", (el) => {
  const skew = el.dataset.now ? Date.parse(el.dataset.now) - Date.now() : 0;
  const started = Date.parse(el.dataset.started);
  const tick = () => { el.textContent = spoken((Date.now() + skew - started) / 1000); };
  tick();
  const timer = setInterval(() => (el.isConnected ? tick() : clearInterval(timer)), 1000);
});
