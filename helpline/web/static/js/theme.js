// [data-theme-form]: radios light, dark, system. The choice shows at once and is posted in the background; without this file the form has a button.
document.addEventListener("change", (event) => {
  const form = event.target.closest("[data-theme-form]");
  if (!form) return;
  const { value } = event.target;
  if (value === "system") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = value;
  fetch(form.action, { method: "POST", body: new FormData(form), credentials: "same-origin", redirect: "manual" }).catch(() => {});
});
