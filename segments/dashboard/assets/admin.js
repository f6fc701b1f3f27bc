// Says so when the server does not answer htmx, and stops saying so once it does.
(() => {
  const away = (hidden) => {
    const notice = document.getElementById("away");
    if (notice) notice.hidden = hidden;
  };
  document.addEventListener("htmx:error", () => away(false));
  document.addEventListener("htmx:after:request", (event) => away(event.detail.ctx.response.status < 500));
  // What went wrong is read first.
  document.getElementById("fault")?.focus();
})();
