// What a page asks for again and again (hx-trigger "every ...") takes nothing from its reader: an answer that says
// nothing new is not put into the page, none is while text in there is selected, to be copied; the focus stays on
// what had it, and what was opened stays open. Where the page has a button for it ([data-follow]), the reader can
// stop it, and nothing is asked for while nobody sees the page.
"use strict";

document.addEventListener("DOMContentLoaded", () => {
  const STOP_POLLING = 286;
  const button = document.querySelector("[data-follow]");
  const shown = new Map(); // by id, what was put into the page last
  const opened = new Map();
  let follows = true;
  let coming = {};

  const renews = (elt) => elt.matches("[hx-trigger^='every']");
  const folds = (part) => part.querySelectorAll("details[id]");
  const said = ({ elt, xhr }) => {
    const select = elt.getAttribute("hx-select");
    if (!select) return xhr.responseText;
    return new DOMParser().parseFromString(xhr.responseText, "text/html").querySelector(select)?.outerHTML;
  };
  const selected = (part) => {
    const selection = getSelection();
    return !selection.isCollapsed && selection.containsNode(part, true);
  };

  if (button) {
    button.hidden = false;
    button.addEventListener("click", () => {
      follows = !follows;
      button.textContent = follows ? "Stop following" : "Follow again";
      button.dispatchEvent(new CustomEvent("renewal:follows", { detail: follows }));
    });
  }
  document.body.addEventListener("htmx:beforeRequest", (event) => {
    if (button && renews(event.detail.elt) && (!follows || document.hidden)) event.preventDefault();
  });
  document.body.addEventListener("htmx:beforeSwap", ({ detail }) => {
    const { elt, target, xhr } = detail;
    if (!renews(elt) || !detail.shouldSwap) return;
    const text = said(detail);
    if (xhr.status !== STOP_POLLING) {
      // Without `follows` it was asked for before the button was pressed.
      const news = follows && text !== shown.get(elt.id);
      const held = news && selected(target);
      detail.shouldSwap = news && !held;
      if (held) elt.dispatchEvent(new CustomEvent("renewal:held"));
    }
    for (const each of folds(target)) opened.set(each.id, each.open);
    const focus = target.contains(document.activeElement) ? document.activeElement.outerHTML : "";
    coming = { xhr, id: elt.id, text, focus };
  });
  document.body.addEventListener("htmx:afterSwap", ({ detail }) => {
    const part = document.getElementById(coming.id);
    if (detail.xhr !== coming.xhr || !part) return;
    shown.set(coming.id, coming.text);
    for (const each of folds(part)) each.open = opened.get(each.id) ?? each.open;
    // What has an id, htmx gives the focus back to by itself.
    if (!coming.focus || document.activeElement !== document.body) return;
    const same = (each) => each.outerHTML === coming.focus;
    [...part.querySelectorAll("a, button, summary")].find(same)?.focus({ preventScroll: true });
  });
});
