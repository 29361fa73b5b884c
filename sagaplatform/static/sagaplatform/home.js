// The home page is asked for again and again, unless that is paused or nobody sees it.
"use strict";

document.addEventListener("DOMContentLoaded", () => {
  const paused = document.getElementById("home-paused");
  document.body.addEventListener("htmx:beforeRequest", (event) => {
    if (event.detail.elt.id === "home" && (paused.checked || document.hidden)) event.preventDefault();
  });
});
