// The page that follows a saga says politely what changed, and whether it follows. How it renews itself: renewal.js.
"use strict";

document.addEventListener("DOMContentLoaded", () => {
  const part = document.querySelector("[hx-get][hx-trigger^='every']");
  const button = document.getElementById("live-follow");
  if (!part || !button) return;

  const STOP_POLLING = 286;
  const FOLLOWS = "This page follows the saga.";
  const said = document.getElementById("live-said");
  const status = document.getElementById("live-status");
  const text = () => document.getElementById("saga-said")?.textContent.trim() ?? "";
  let last = text();
  let follows = true;
  let held = false;

  const ofPart = (event) => event.detail.elt === part;

  button.addEventListener("renewal:follows", (event) => {
    follows = event.detail;
    said.textContent = follows ? FOLLOWS : "Not followed: this page stands still.";
  });
  part.addEventListener("renewal:held", () => { held = true; });
  // The bar of buttons: only when it changed, so that nobody loses the button they were about to press.
  document.body.addEventListener("htmx:oobBeforeSwap", (event) => {
    const { target, fragment } = event.detail;
    if (target.querySelector("details[open]")) fragment.querySelector("details")?.setAttribute("open", "");
    event.detail.shouldSwap = target.innerHTML.trim() !== fragment.innerHTML.trim();
  });
  document.body.addEventListener("htmx:afterSwap", (event) => {
    if (event.detail.target !== part) return;
    if (text() !== last) status.textContent = last = text();
    if (event.detail.xhr.status === STOP_POLLING) {
      button.hidden = true;
      said.textContent = "The saga has ended, and this page stands still.";
    }
  });
  document.body.addEventListener("htmx:afterRequest", (event) => {
    const { successful, xhr } = event.detail;
    if (!ofPart(event) || !successful || !follows || xhr.status === STOP_POLLING) return;
    said.textContent = held ? "There is news, shown as soon as no text is selected." : FOLLOWS;
    held = false;
  });
  for (const failure of ["htmx:sendError", "htmx:responseError", "htmx:timeout"]) {
    document.body.addEventListener(failure, (event) => {
      if (ofPart(event)) said.textContent = "The page could not be refreshed. It is tried again.";
    });
  }
});
