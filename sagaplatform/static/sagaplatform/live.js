// Pages that follow something: what htmx asks for again and again can be stopped, says politely what
// changed, and keeps what the reader has opened.
"use strict";

document.addEventListener("DOMContentLoaded", () => {
  const part = document.querySelector("[hx-get][hx-trigger^='every']");
  const button = document.getElementById("live-follow");
  if (!part || !button) return;

  const STOP_POLLING = 286;
  const said = document.getElementById("live-said");
  const status = document.getElementById("live-status");
  const text = () => document.getElementById("saga-said")?.textContent.trim() ?? "";
  let last = text();
  let follows = true;
  let held = false;

  button.hidden = false;
  button.addEventListener("click", () => {
    follows = !follows;
    button.textContent = follows ? "Stop following" : "Follow again";
    said.textContent = follows ? "This page follows the saga." : "Not followed: this page stands still.";
  });

  const opened = new Map();

  const ofPart = (event) => event.detail.elt === part;

  document.body.addEventListener("htmx:beforeRequest", (event) => {
    if (ofPart(event) && (!follows || document.hidden)) event.preventDefault();
  });
  document.body.addEventListener("htmx:beforeSwap", (event) => {
    if (!ofPart(event)) return;
    if (!follows && event.detail.xhr.status !== STOP_POLLING) event.detail.shouldSwap = false; // asked for before
    for (const each of part.querySelectorAll("details[id]")) opened.set(each.id, each.open);
  });
  // The bar of buttons: only when it changed, so that nobody loses the button they were about to press.
  document.body.addEventListener("htmx:oobBeforeSwap", (event) => {
    const { target, fragment } = event.detail;
    if (target.querySelector("details[open]")) fragment.querySelector("details")?.setAttribute("open", "");
    event.detail.shouldSwap = target.innerHTML.trim() !== fragment.innerHTML.trim();
  });
  document.body.addEventListener("htmx:afterSwap", (event) => {
    if (event.detail.target !== part) return;
    for (const each of part.querySelectorAll("details[id]")) each.open = opened.get(each.id) ?? each.open;
    if (text() !== last) status.textContent = last = text();
    if (event.detail.xhr.status === STOP_POLLING) {
      button.hidden = true;
      said.textContent = "The saga has ended, and this page stands still.";
    }
  });
  document.body.addEventListener("htmx:afterRequest", (event) => {
    const { successful, xhr } = event.detail;
    if (!ofPart(event) || !successful || !follows || xhr.status === STOP_POLLING) return;
    said.textContent = held ? "There is news, shown as soon as no text is selected." : "This page follows the saga.";
    held = false;
  });
  part.addEventListener("renewal:held", () => { held = true; });
  for (const failure of ["htmx:sendError", "htmx:responseError", "htmx:timeout"]) {
    document.body.addEventListener(failure, (event) => {
      if (ofPart(event)) said.textContent = "The page could not be refreshed. It is tried again.";
    });
  }
});
