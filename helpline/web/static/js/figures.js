// [data-table] shows the figure it stands in as a table and back; [data-table="all"] does so for every figure of the page.
// A heat map drawn as a picture would be 168 stops of the Tab key: its links are reached by pointer, or by key once it is a table.
import { enhance } from "./dom.js";

const links = (figure, plain) => figure.querySelectorAll(".heat:not(.numbers) td a").forEach((a) => { a.tabIndex = plain ? 0 : -1; });

function turn(figure, plain) {
  figure.classList.toggle("as-table", plain);
  figure.querySelector("[data-table]")?.setAttribute("aria-pressed", String(plain));
  links(figure, plain);
}

enhance(".figure", (figure) => links(figure, figure.classList.contains("as-table")));

document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-table]");
  if (!button) return;
  const plain = button.getAttribute("aria-pressed") !== "true";
  button.setAttribute("aria-pressed", String(plain));
  (button.dataset.table === "all" ? document.querySelectorAll(".figure") : [button.closest(".figure")]).forEach((figure) => turn(figure, plain));
});
