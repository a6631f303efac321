// Three small things that HTML alone cannot do. Every page works without this file.
"use strict";

(() => {
  const root = document.documentElement;
  root.classList.add("js");

  // Theme: automatic → light → dark. A cookie, so that the server draws the chosen theme at once.
  const themes = ["auto", "light", "dark"];
  const showTheme = (button) => {
    const name = root.dataset.bsTheme || "auto";
    button.setAttribute("aria-label", `Theme: ${name}. Change theme`);
    button.title = `Theme: ${name}`;
  };
  const nextTheme = (button) => {
    const name = themes[(themes.indexOf(root.dataset.bsTheme || "auto") + 1) % themes.length];
    if (name === "auto") delete root.dataset.bsTheme;
    else root.dataset.bsTheme = name;
    const secure = location.protocol === "https:" ? "; Secure" : "";
    document.cookie = `theme=${name}; Path=/; Max-Age=31536000; SameSite=Lax${secure}`;
    showTheme(button);
  };

  const copyText = async (button) => {
    const said = document.getElementById("said");
    try {
      await navigator.clipboard.writeText(button.dataset.copy);
      button.dataset.copied = "";
      if (said) said.textContent = "Copied";
      setTimeout(() => delete button.dataset.copied, 1500);
    } catch {
      // No permission, or no secure context: select the text, so that Ctrl-C works.
      getSelection().selectAllChildren(button.parentElement.querySelector("code"));
      if (said) said.textContent = "Selected: press Ctrl and C to copy";
    }
  };

  document.addEventListener("DOMContentLoaded", () => {
    document.querySelectorAll(".theme-toggle").forEach(showTheme);
  });
  document.addEventListener("click", (event) => {
    const copy = event.target.closest("[data-copy]");
    if (copy) copyText(copy);
    const toggle = event.target.closest(".theme-toggle");
    if (toggle) nextTheme(toggle);
    // An open menu closes when the click lands elsewhere.
    document.querySelectorAll("details.menu[open]").forEach((menu) => {
      if (!menu.contains(event.target)) menu.open = false;
    });
  });
  document.addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return;
    document.querySelectorAll("details.menu[open]").forEach((menu) => {
      menu.open = false;
      menu.querySelector("summary").focus();
    });
  });
  // A form that is on its way is not sent twice by a double click.
  document.addEventListener("submit", (event) => {
    const form = event.target;
    if (form.dataset.sent !== undefined) {
      event.preventDefault();
      return;
    }
    form.dataset.sent = "";
    setTimeout(() => delete form.dataset.sent, 5000);
  });
  addEventListener("pageshow", () => {
    document.querySelectorAll("form[data-sent]").forEach((form) => delete form.dataset.sent);
  });
})();
