// Passkeys: ask the browser for what the server prepared, and post what it answers with the form.
"use strict";

(() => {
  const bytes = (text) => {
    const padded = text.replace(/-/g, "+").replace(/_/g, "/");
    return Uint8Array.from(atob(padded), (letter) => letter.charCodeAt(0));
  };
  const text = (buffer) =>
    btoa(String.fromCharCode(...new Uint8Array(buffer)))
      .replace(/\+/g, "-")
      .replace(/\//g, "_")
      .replace(/=+$/, "");
  const named = (list) => (list || []).map((one) => ({ ...one, id: bytes(one.id) }));

  const create = async (asked) => {
    const made = await navigator.credentials.create({
      publicKey: {
        ...asked,
        challenge: bytes(asked.challenge),
        user: { ...asked.user, id: bytes(asked.user.id) },
        excludeCredentials: named(asked.excludeCredentials),
      },
    });
    const { response } = made;
    return answer(made, {
      clientDataJSON: text(response.clientDataJSON),
      attestationObject: text(response.attestationObject),
      transports: response.getTransports ? response.getTransports() : [],
    });
  };
  const get = async (asked) => {
    const made = await navigator.credentials.get({
      publicKey: {
        ...asked,
        challenge: bytes(asked.challenge),
        allowCredentials: named(asked.allowCredentials),
      },
    });
    const { response } = made;
    return answer(made, {
      clientDataJSON: text(response.clientDataJSON),
      authenticatorData: text(response.authenticatorData),
      signature: text(response.signature),
    });
  };
  const answer = (made, response) =>
    JSON.stringify({ id: made.id, rawId: text(made.rawId), type: made.type, response });

  const whyNot = (form) => {
    const { rpId } = form.dataset;
    const host = location.hostname;
    if (host !== rpId && !host.endsWith(`.${rpId}`))
      return `Passkeys work here only where the address begins with the name ${rpId}, and you opened ${host}. Open the page by that name.`;
    if (!window.isSecureContext)
      return "Passkeys need https, or http on localhost. Open the page by such an address.";
    if (!window.PublicKeyCredential)
      return "This browser knows no passkeys. Use a current Firefox, Chrome, Edge or Safari.";
    return "";
  };

  const say = (form, words) => {
    const problem = form.querySelector("[data-passkey-problem]");
    problem.hidden = !words;
    problem.querySelector("p").textContent = words;
  };

  const refusal = (error) => {
    if (error.name === "InvalidStateError") return "This passkey is enrolled already.";
    if (error.name === "NotAllowedError")
      return "Your passkey was not used: it was cancelled, or took too long. Nothing was changed. Try again.";
    return `The browser could not use a passkey. Nothing was changed. (${error.name})`;
  };

  const use = async (form, button) => {
    say(form, "");
    button.disabled = true;
    try {
      const sent = new FormData(form);
      sent.append("prepare", "1");
      const prepared = await fetch(form.dataset.prepare || form.getAttribute("action"), {
        method: "POST",
        body: sent,
        credentials: "same-origin",
        redirect: "error",
      });
      const body = await prepared.json().catch(() => ({}));
      if (!prepared.ok) {
        say(form, body.detail || "The page is out of date. Reload it, and try again.");
        return;
      }
      form.elements.answer.value = await (form.dataset.passkey === "create" ? create : get)(
        body.publicKey,
      );
      form.elements.password.value = "";
      form.submit();
    } catch (error) {
      say(form, refusal(error));
    } finally {
      button.disabled = false;
    }
  };

  document.addEventListener("DOMContentLoaded", () => {
    document.querySelectorAll("form[data-passkey]").forEach((form) => {
      const button = form.querySelector("[data-passkey-button]");
      const problem = whyNot(form);
      if (problem) {
        say(form, problem);
        button.disabled = true;
      }
      form.addEventListener("submit", (event) => {
        if (event.submitter !== button) return;
        event.preventDefault();
        event.stopPropagation();
        if (!button.disabled) use(form, button);
      });
    });
  });
})();
