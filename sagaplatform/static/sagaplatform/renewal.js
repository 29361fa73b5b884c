// What a page asks for again and again (hx-trigger "every ...") takes nothing from its reader: an answer that says
// nothing new is not put into the page, none is while text in there is selected, to be copied, and the focus stays
// on what had it.
"use strict";

document.addEventListener("DOMContentLoaded", () => {
  const STOP_POLLING = 286;
  const shown = new Map(); // by id, what was put into the page last
  let coming = {};

  const said = ({ elt, xhr }) => {
    const select = elt.getAttribute("hx-select");
    if (!select) return xhr.responseText;
    return new DOMParser().parseFromString(xhr.responseText, "text/html").querySelector(select)?.outerHTML;
  };
  const selected = (part) => {
    const selection = getSelection();
    return !selection.isCollapsed && selection.containsNode(part, true);
  };

  document.body.addEventListener("htmx:beforeSwap", ({ detail }) => {
    const { elt, target, xhr } = detail;
    if (!elt.matches("[hx-trigger^='every']") || !detail.shouldSwap || xhr.status === STOP_POLLING) return;
    const text = said(detail);
    const news = text !== shown.get(elt.id);
    const held = news && selected(target);
    detail.shouldSwap = news && !held;
    if (held) elt.dispatchEvent(new CustomEvent("renewal:held"));
    const focus = target.contains(document.activeElement) ? document.activeElement.outerHTML : "";
    coming = { xhr, id: elt.id, text, focus };
  });
  document.body.addEventListener("htmx:afterSwap", ({ detail }) => {
    if (detail.xhr !== coming.xhr) return;
    shown.set(coming.id, coming.text);
    // What has an id, htmx gives the focus back to by itself.
    if (!coming.focus || document.activeElement !== document.body) return;
    const same = (each) => each.outerHTML === coming.focus;
    [...document.querySelectorAll(`#${coming.id} :is(a, button, summary)`)].find(same)?.focus({ preventScroll: true });
  });
});
