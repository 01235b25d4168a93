// What the other modules share: words, tokens, and a way to meet elements whenever they arrive (with the page, a swap, a clone).

/** Run `fn` once for every element matching `selector`, now and later. */
export function enhance(selector, fn) {
  const seen = new WeakSet();
  const meet = (root) => {
    const found = root.matches?.(selector) ? [root] : [];
    for (const el of [...found, ...(root.querySelectorAll?.(selector) ?? [])]) if (!seen.has(el)) { seen.add(el); fn(el); }
  };
  meet(document);
  new MutationObserver((changes) => changes.forEach((c) => c.addedNodes.forEach(meet))).observe(document.body, { childList: true, subtree: true });
}

/** A translated sentence from the page's <template id="words">, its {places} filled. */
export function word(name, values = {}) {
  const text = document.getElementById("words")?.content.querySelector(`[data-word="${name}"]`)?.textContent ?? "";
  return text.replace(/\{(\w+)\}/g, (_, key) => values[key] ?? "");
}

/** Say something to a screen reader, politely. */
export function say(text) {
  const live = document.getElementById("live");
  if (live) live.textContent = text;
}

export const token = () => document.querySelector('meta[name="csrf-token"]')?.content ?? "";

/** A same-origin request that carries the CSRF token; keepalive lets it outlive the page. */
export function send(url, method, body, extra = {}) {
  const json = body !== undefined && !(body instanceof URLSearchParams);
  const headers = { "X-CSRFToken": token(), Accept: "application/json", ...(json && { "Content-Type": "application/json" }) };
  return fetch(url, { method, headers, body: json ? JSON.stringify(body) : body, credentials: "same-origin", ...extra });
}

export const typing = (el) => Boolean(el?.closest?.("textarea, select, [contenteditable=true], input:not([type=radio], [type=checkbox], [type=button], [type=submit])"));
