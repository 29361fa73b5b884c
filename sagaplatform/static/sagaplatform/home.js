// The home page is asked for again and again, unless nobody wants that or nobody sees it. What the
// reader has opened stays open.
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
  let opened = false;
  const hours = () => document.getElementById("home-hours");
  document.body.addEventListener("htmx:beforeSwap", (event) => {
    if (event.detail.elt.id === "home" && !follows) event.detail.shouldSwap = false; // asked for before
    opened = hours()?.open ?? opened;
  });
  document.body.addEventListener("htmx:afterSwap", () => { if (hours()) hours().open = opened; });
  document.body.addEventListener("htmx:beforeRequest", (event) => {
    if (event.detail.elt.id === "home" && (!follows || document.hidden)) event.preventDefault();
  });
});
