// Passkeys: button[data-passkey="get" | "create"] with data-options (JSON by the server) asks the browser; the answer goes as JSON into the
// form's [data-passkey-answer], and the form is posted. Bytes travel as base64url. Only pages that need it load this module.
import { enhance } from "./dom.js";

const bytes = (text) => Uint8Array.from(atob(text.replace(/-/g, "+").replace(/_/g, "/")), (sign) => sign.charCodeAt(0));
const text = (buffer) => btoa(String.fromCharCode(...new Uint8Array(buffer))).replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "");
const listed = (credentials = []) => credentials.map((one) => ({ ...one, id: bytes(one.id) }));

function read(options) {
  const { challenge, user, allowCredentials, excludeCredentials } = options;
  return {
    ...options, challenge: bytes(challenge), ...(user && { user: { ...user, id: bytes(user.id) } }),
    ...(allowCredentials && { allowCredentials: listed(allowCredentials) }), ...(excludeCredentials && { excludeCredentials: listed(excludeCredentials) }),
  };
}

function written({ id, rawId, type, response }) {
  const names = ["clientDataJSON", "attestationObject", "authenticatorData", "signature", "userHandle"];
  const parts = Object.fromEntries(names.filter((name) => response[name]).map((name) => [name, text(response[name])]));
  return JSON.stringify({ id, rawId: text(rawId), type, response: parts });
}

enhance("button[data-passkey]", (button) => {
  const { form } = button;
  const [unsupported, cancelled] = ["unsupported", "cancelled"].map((name) => form.querySelector(`[data-say=${name}]`));
  if (!window.PublicKeyCredential) return;
  unsupported.hidden = true;
  button.hidden = false;
  button.addEventListener("click", async () => {
    cancelled.hidden = true;
    try {
      const publicKey = read(JSON.parse(button.dataset.options));
      form.querySelector("[data-passkey-answer]").value = written(await navigator.credentials[button.dataset.passkey]({ publicKey }));
    } catch { cancelled.hidden = false; return; } // the person said no, or took too long
    form.submit();
  });
});
