// The home page is asked for again and again, unless nobody wants that or nobody sees it.
"use strict";

document.addEventListener("DOMContentLoaded", () => {
  const button = document.getElementById("home-follow");
  let follows = true;
  if (button) {
    button.hidden = false;
    button.addEventListener("click", () => {
      follows = !follows;
      button.textContent = follows ? "Stop following" : "Follow again";
    });
  }
  document.body.addEventListener("htmx:beforeRequest", (event) => {
    if (event.detail.elt.id === "home" && (!follows || document.hidden)) event.preventDefault();
  });
});
