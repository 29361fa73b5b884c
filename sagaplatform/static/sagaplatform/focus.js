// Gives the focus to the field that asks for it (autofocus). The browser does so when it first paints, and forgets it
// where the page is still hidden then: Unfold shows none before Alpine has started (x-cloak).
"use strict";

document.addEventListener("alpine:initialized", () => setTimeout(() => {
  if (document.activeElement === document.body) document.querySelector("[autofocus]")?.focus();
}));
