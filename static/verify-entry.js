// "Verify in this page": an entry of the log, checked by the reader's own browser.
//
// Nothing is believed but the verifier key in the form. What the server hands out (the entry's
// bytes, its inclusion proof, the statements that enrol keys) is recomputed here with WebCrypto:
// RFC 9162 section 2.1.3.2, c2sp.org/tlog-proof, c2sp.org/signed-note, DSSE version 1.
"use strict";

(() => {
  const form = document.getElementById("verify-entry");
  if (!form) return;
  const verdict = document.getElementById("verify-verdict");
  const list = document.getElementById("verify-steps");
  const field = document.getElementById("vkey");
  const button = form.querySelector("button");
  const shownKey = field.value;
  const enrolments = new Map(
    form.dataset.keys.trim().split(/\s+/).filter(Boolean).map((pair) => pair.split(":")),
  );

  const STATEMENT = "application/vnd.in-toto+json";
  const KEY_TYPE = "https://muniment.dev/key/v1";
  const CURVES = {
    "ecdsa-sha2-nistp256": { curve: "P-256", hash: "SHA-256", bytes: 32 },
    "ecdsa-sha2-nistp384": { curve: "P-384", hash: "SHA-384", bytes: 48 },
  };
  const LOOKS = {
    holds: ["ok", "check", "Holds"],
    fails: ["bad", "cross", "Fails"],
    skipped: ["warn", "question", "Not checked"],
    none: ["plain", "minus", "Does not apply"],
  };

  // What was looked at and is not so; what could not be looked at; and what there is none of.
  class Fails extends Error {}
  class Skipped extends Error {}
  class DoesNotApply extends Error {}
  const require = (holds, why) => {
    if (!holds) throw new Fails(why);
  };

  // ---------------------------------------------------------------- bytes

  const utf8 = new TextEncoder();
  const strictUtf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
  const concat = (...parts) => {
    const whole = new Uint8Array(parts.reduce((size, part) => size + part.length, 0));
    let at = 0;
    for (const part of parts) {
      whole.set(part, at);
      at += part.length;
    }
    return whole;
  };
  const equal = (a, b) => a.length === b.length && a.every((byte, at) => byte === b[at]);
  const hex = (bytes) => Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
  const short = (text) => `${text.slice(0, 16)}…`;
  const sha256 = async (bytes) => new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
  const fromBase64 = (text, what) => {
    let raw;
    try {
      raw = typeof text === "string" ? atob(text) : null;
    } catch {
      raw = null;
    }
    require(raw !== null && btoa(raw) === text, `${what} is not base64.`);
    return Uint8Array.from(raw, (character) => character.charCodeAt(0));
  };
  const textOf = (bytes, what) => {
    try {
      return strictUtf8.decode(bytes);
    } catch {
      throw new Fails(`${what} is not UTF-8.`);
    }
  };
  const objectOf = (bytes, what) => {
    let value = null;
    try {
      value = JSON.parse(textOf(bytes, what));
    } catch (error) {
      if (error instanceof Fails) throw error;
    }
    require(value !== null && typeof value === "object" && !Array.isArray(value),
      `${what} is not a JSON object.`);
    return value;
  };

  // ---------------------------------------------------------------- from the server

  const download = async (sha256OfEntry, what) => {
    let answer;
    try {
      answer = await fetch(`${form.dataset.entries}${sha256OfEntry}/${what}`, {
        cache: "no-store",
        redirect: "error",
      });
    } catch {
      throw new Skipped(
        `The server did not hand out the ${what}. Perhaps your session ended: reload the page, ` +
          "sign in and try again.",
      );
    }
    if (!answer.ok) throw new Skipped(`The server answered ${answer.status} for the ${what}.`);
    return new Uint8Array(await answer.arrayBuffer());
  };

  // ---------------------------------------------------------------- the log: keys, notes, proofs

  const parseVkey = async (text) => {
    const [, name, hash, encoded] = /^([^\s+]+)\+([0-9a-f]{8})\+([A-Za-z0-9+/=]+)$/.exec(text) ?? [];
    require(name, "It has the form name+hash+key, on one line.");
    const content = fromBase64(encoded, "Its last part");
    require(content[0] === 1 && content.length === 33, "It is not an Ed25519 key of a log.");
    const computed = await sha256(concat(utf8.encode(`${name}\n`), content));
    require(hex(computed.slice(0, 4)) === hash, "Its parts do not belong together: look for a typing error.");
    return { name, hash, raw: content.slice(1) };
  };

  const parseProof = (bytes) => {
    const text = textOf(bytes, "The proof");
    const end = text.indexOf("\n\n");
    require(end > 0, "The proof holds no checkpoint.");
    const lines = text.slice(0, end).split("\n");
    const note = text.slice(end + 2);
    require(lines.shift() === "c2sp.org/tlog-proof@v1", "The proof is of another format.");
    if (lines[0]?.startsWith("extra ")) lines.shift();
    const index = /^index (0|[1-9][0-9]{0,18})$/.exec(lines.shift() ?? "");
    require(index && lines.length <= 63, "The proof names no leaf, or too many hashes.");
    const hashes = lines.map((line) => fromBase64(line, "A hash of the proof"));
    require(hashes.every((hash) => hash.length === 32), "A hash of the proof has not 32 bytes.");
    const split = note.lastIndexOf("\n\n");
    require(split > 0 && note.endsWith("\n"), "The checkpoint has no signatures.");
    const head = note.slice(0, split + 1);
    const [origin, size, root] = head.split("\n");
    require(/^(0|[1-9][0-9]{0,18})$/.test(size ?? ""), "The checkpoint names no tree size.");
    const rootHash = fromBase64(root, "The checkpoint's root hash");
    require(rootHash.length === 32, "The checkpoint's root hash has not 32 bytes.");
    const signatures = note.slice(split + 2, -1).split("\n");
    return {
      index: BigInt(index[1]), hashes, head, origin, size: BigInt(size), rootHash, signatures,
    };
  };

  const leafHash = (envelope) => sha256(concat(Uint8Array.of(0), envelope));

  const requirePath = async (leaf, proof) => {
    let index = proof.index;
    let last = proof.size - 1n;
    require(index <= last, `There is no leaf ${index} in a tree of ${proof.size}.`);
    let computed = leaf;
    for (const sibling of proof.hashes) {
      require(last > 0n, "The proof has more hashes than the path.");
      if (index & 1n || index === last) {
        computed = await sha256(concat(Uint8Array.of(1), sibling, computed));
        while (!(index & 1n) && index) {
          index >>= 1n;
          last >>= 1n;
        }
      } else {
        computed = await sha256(concat(Uint8Array.of(1), computed, sibling));
      }
      index >>= 1n;
      last >>= 1n;
    }
    require(last === 0n, "The proof has fewer hashes than the path.");
    require(
      equal(computed, proof.rootHash),
      `From this leaf the path leads to ${short(hex(computed))}, the checkpoint's root is ` +
        `${short(hex(proof.rootHash))}: other bytes stand at leaf ${proof.index}.`,
    );
  };

  const requireCheckpoint = async (proof, vkey) => {
    require(
      proof.origin === vkey.name,
      `The checkpoint is of the log ${proof.origin.slice(0, 80)}, your key of ${vkey.name}.`,
    );
    const known = await crypto.subtle.importKey("raw", vkey.raw, "Ed25519", false, ["verify"]);
    let isSigned = false;
    for (const line of proof.signatures) {
      const [dash, name, encoded] = line.split(" ");
      require(dash === "—" && encoded, "A signature line of the checkpoint is malformed.");
      const content = fromBase64(encoded, "A signature of the checkpoint");
      if (name !== vkey.name || hex(content.slice(0, 4)) !== vkey.hash) continue;
      require(
        await crypto.subtle.verify("Ed25519", known, content.slice(4), utf8.encode(proof.head)),
        "The signature under your key does not verify: the checkpoint was changed.",
      );
      isSigned = true;
    }
    require(
      isSigned,
      "Your key did not sign this checkpoint. If the log has got a new key since you noted yours, " +
        "docs/keys.md says how to follow it.",
    );
  };

  // ---------------------------------------------------------------- envelopes and their keys

  const parseEnvelope = (bytes) => {
    const parsed = objectOf(bytes, "The envelope");
    require(parsed.payloadType === STATEMENT, "The envelope holds no statement.");
    require(Array.isArray(parsed.signatures) && parsed.signatures.length, "Nobody signed it.");
    const payload = fromBase64(parsed.payload, "The payload");
    const statement = objectOf(payload, "The statement");
    require(statement.predicate !== null && typeof statement.predicate === "object",
      "The statement has no predicate.");
    const type = utf8.encode(parsed.payloadType);
    const message = concat(
      utf8.encode(`DSSEv1 ${type.length} `), type, utf8.encode(` ${payload.length} `), payload,
    );
    return {
      statement,
      message,
      signatures: parsed.signatures.map((item) => ({
        keyid: String(item?.keyid), bytes: fromBase64(item?.sig, "A signature of the envelope"),
      })),
    };
  };

  // ECDSA signatures travel as DER; WebCrypto takes r and s side by side.
  const rawSignature = (der, width) => {
    const malformed = "The ECDSA signature is malformed.";
    require(der[0] === 0x30 && der[1] === der.length - 2 && der.length < 130, malformed);
    let at = 2;
    const integers = [0, 1].map(() => {
      const size = der[at + 1];
      require(der[at] === 0x02 && size > 0 && at + 2 + size <= der.length, malformed);
      let value = der.slice(at + 2, at + 2 + size);
      at += 2 + size;
      while (value.length > 1 && value[0] === 0) value = value.slice(1);
      require(value.length <= width, malformed);
      return concat(new Uint8Array(width - value.length), value);
    });
    require(at === der.length, malformed);
    return concat(...integers);
  };

  const isSignedBy = async (key, message, signature) => {
    if (key.scheme === "ed25519") {
      const known = await crypto.subtle.importKey("spki", key.der, "Ed25519", false, ["verify"]);
      return crypto.subtle.verify("Ed25519", known, signature, message);
    }
    const { curve, hash, bytes } = CURVES[key.scheme];
    const algorithm = { name: "ECDSA", namedCurve: curve };
    const known = await crypto.subtle.importKey("spki", key.der, algorithm, false, ["verify"]);
    return crypto.subtle.verify(
      { name: "ECDSA", hash }, known, rawSignature(signature, bytes), message,
    );
  };

  // The statement that enrols a key counts because it stands in the log. The first key signed its
  // own; every other was signed by a key that was enrolled before it.
  const enrolledKey = async (keyid, vkey, before) => {
    const entry = enrolments.get(keyid);
    require(entry, `No entry of the log enrols the key ${short(keyid)} that signed it.`);
    const [bytes, proofBytes] = await Promise.all([
      download(entry, "envelope"), download(entry, "proof"),
    ]);
    const proof = parseProof(proofBytes);
    await requirePath(await leafHash(bytes), proof);
    await requireCheckpoint(proof, vkey);
    require(before === null || proof.index < before, "A key was signed by one enrolled after it.");
    const { statement, message, signatures } = parseEnvelope(bytes);
    const said = statement.predicate;
    require(
      statement.predicateType === KEY_TYPE && said.event === "key.enrolled" &&
        said.use === "statement" && said.keyid === keyid && Array.isArray(said.predicate_types),
      "It does not enrol that key.",
    );
    const pem = /^-----BEGIN PUBLIC KEY-----\n([A-Za-z0-9+/=\n]+)-----END PUBLIC KEY-----\n?$/.exec(
      String(said.public_key_pem),
    );
    require(pem, "It holds no public key.");
    const der = fromBase64(pem[1].replaceAll("\n", ""), "The public key");
    require(hex(await sha256(der)) === keyid, "The key's id is not that of its bytes.");
    require(said.scheme === "ed25519" || Object.hasOwn(CURVES, said.scheme), "Unknown kind of key.");
    const key = { der, scheme: said.scheme, permits: said.predicate_types, leaf: proof.index };
    const own = signatures.find((signature) => signature.keyid === keyid);
    const by = own ?? signatures.find((signature) => enrolments.has(signature.keyid));
    require(by, "No key of the log signed it.");
    const signer = own ? key : await enrolledKey(by.keyid, vkey, proof.index);
    require(signer.permits.includes(KEY_TYPE), "The key that signed it may not enrol keys.");
    require(await isSignedBy(signer, message, by.bytes), "Its signature does not verify.");
    return key;
  };

  const requireSigned = async ({ statement, message, signatures }, vkey) => {
    // Signatures by keys that the log does not know are passed over, as if they were not there.
    const known = signatures.filter((signature) => enrolments.has(signature.keyid));
    require(
      known.length,
      `No entry of the log enrols a key that signed it: ${short(signatures[0].keyid)}.`,
    );
    const by = [];
    for (const { keyid, bytes } of known) {
      let key;
      try {
        key = await enrolledKey(keyid, vkey, null);
      } catch (error) {
        if (error instanceof Fails) {
          throw new Fails(`The statement that enrols the key ${short(keyid)}: ${error.message}`);
        }
        throw error;
      }
      require(
        await isSignedBy(key, message, bytes),
        `The signature is not one of the key ${short(keyid)} over these bytes.`,
      );
      require(
        key.permits.includes(statement.predicateType),
        `The key ${short(keyid)} may not sign ${String(statement.predicateType).slice(0, 80)}.`,
      );
      by.push(`the key ${short(keyid)}, enrolled at leaf ${key.leaf}`);
    }
    return `Signed by ${by.join(" and ")}, which may sign this type.`;
  };

  const requirePredecessor = async ({ statement }) => {
    const { stream, stream_seq: seq, previous } = statement.predicate;
    if (stream === undefined) throw new DoesNotApply("The statement is not about a model.");
    if (seq === 0 && previous === null) {
      return "It is the first of its model's stream, and says that nothing came before it.";
    }
    const named = previous?.sha256;
    require(/^[0-9a-f]{64}$/.test(named ?? ""), "The statement names no entry before it.");
    const bytes = await download(named, "envelope");
    require(
      hex(await sha256(bytes)) === named,
      `The statement names the envelope ${short(named)}; the server hands out other bytes.`,
    );
    const before = parseEnvelope(bytes).statement.predicate;
    require(
      before.stream === stream && before.stream_seq === seq - 1,
      `The entry before it is not number ${seq - 1} of the same stream.`,
    );
    return `Number ${seq} of the stream; it names number ${seq - 1} by its SHA-256, ${short(named)}`;
  };

  // ---------------------------------------------------------------- the page

  const icon = (name) => {
    const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
    svg.setAttribute("class", "icon");
    svg.setAttribute("aria-hidden", "true");
    const use = document.createElementNS("http://www.w3.org/2000/svg", "use");
    use.setAttribute("href", `#i-${name}`);
    svg.append(use);
    return svg;
  };
  const showStep = (name, outcome, detail) => {
    const item = list.querySelector(`[data-step="${name}"]`);
    const [tone, symbol, word] = LOOKS[outcome];
    item.className = `gate tone-${tone}${outcome === "fails" ? " is-blocking" : ""}`;
    const pill = item.querySelector(".pill");
    pill.className = `pill tone-${tone}`;
    pill.replaceChildren(icon(symbol), word);
    item.querySelector("p").textContent = detail;
  };
  const showVerdict = (outcome, ...sentences) => {
    const [tone, symbol] = LOOKS[outcome];
    const note = document.createElement("div");
    note.className = `note tone-${tone}`;
    const words = document.createElement("div");
    words.append(...sentences.map((sentence) => {
      const paragraph = document.createElement("p");
      paragraph.className = "break";
      paragraph.textContent = sentence;
      return paragraph;
    }));
    note.append(icon(symbol), words);
    verdict.replaceChildren(note);
  };
  const titleOf = (name) => list.querySelector(`[data-step="${name}"] h3`).textContent;

  const isAble = async () => {
    if (!globalThis.crypto?.subtle) return false;
    try {
      await crypto.subtle.importKey("raw", new Uint8Array(32), "Ed25519", false, ["verify"]);
      return true;
    } catch {
      return false;
    }
  };

  const verify = async () => {
    list.hidden = true;
    verdict.replaceChildren();
    field.removeAttribute("aria-invalid");
    if (!(await isAble())) {
      showVerdict(
        "skipped",
        globalThis.crypto?.subtle
          ? "This browser cannot check Ed25519 signatures. Use a newer one, or check the bundle offline:"
          : "Browsers compute hashes and signatures only for pages that come over https. Check the bundle offline:",
        verdict.dataset.offline,
      );
      return;
    }
    let vkey;
    try {
      vkey = await parseVkey(field.value.trim());
    } catch (error) {
      if (!(error instanceof Fails)) throw error;
      field.setAttribute("aria-invalid", "true");
      field.focus();
      showVerdict("fails", `This is not a verifier key. ${error.message}`);
      return;
    }
    const outcomes = new Map();
    const step = async (name, look) => {
      try {
        const detail = await look();
        outcomes.set(name, "holds");
        showStep(name, "holds", detail);
      } catch (error) {
        const outcome = error instanceof Fails ? "fails"
          : error instanceof DoesNotApply ? "none" : "skipped";
        outcomes.set(name, outcome);
        showStep(name, outcome, error.message);
      }
    };
    const needs = (value, what) => {
      if (value === undefined) throw new Skipped(`${what} could not be read.`);
      return value;
    };
    let envelope, proof, leaf, parsed;
    await step("leaf", async () => {
      envelope = await download(form.dataset.entry, "envelope");
      leaf = await leafHash(envelope);
      const digest = hex(await sha256(envelope));
      require(
        digest === form.dataset.entry,
        `This page is about the envelope ${short(form.dataset.entry)}; the server hands out other bytes, ${short(digest)}`,
      );
      return `${envelope.length} bytes, the envelope that this page is about. Leaf hash ${hex(leaf)}`;
    });
    await step("path", async () => {
      proof = parseProof(await download(form.dataset.entry, "proof"));
      await requirePath(needs(leaf, "The envelope"), proof);
      return `${proof.hashes.length} hashes lead from leaf ${proof.index} to the root ${hex(proof.rootHash)}`;
    });
    await step("checkpoint", async () => {
      await requireCheckpoint(needs(proof, "The proof, which carries the checkpoint,"), vkey);
      return `Your key signed the tree of ${proof.size} entries with this root.`;
    });
    await step("envelope", async () => {
      parsed = parseEnvelope(needs(envelope, "The envelope"));
      if (outcomes.get("checkpoint") !== "holds") {
        throw new Skipped("Which keys may sign is said in the log itself: first its checkpoint must hold.");
      }
      return requireSigned(parsed, vkey);
    });
    await step("stream", () => requirePredecessor(needs(parsed, "The envelope")));
    list.hidden = false;
    const named = (outcome) =>
      [...outcomes].filter(([, found]) => found === outcome).map(([name]) => titleOf(name));
    const failed = named("fails");
    const open = named("skipped");
    if (failed.length) {
      showVerdict("fails", `This entry does not hold. What fails: ${failed.join(", ")}.`,
        "Keep what you see, and ask for an explanation before you rely on the entry.");
    } else if (open.length) {
      showVerdict("skipped", `Not everything could be checked: ${open.join(", ")}.`);
    } else {
      showVerdict(
        "holds",
        `Everything holds: this entry is leaf ${proof.index} of the log ${vkey.name}, among ${proof.size} entries.`,
        field.value.trim() === shownKey.trim()
          ? "The key was the one on this page. Compare it with the one that you keep."
          : "The key was your own.",
      );
    }
  };

  let isRunning = false;
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    if (isRunning) return;
    isRunning = true;
    button.setAttribute("aria-disabled", "true");
    try {
      await verify();
    } catch (error) {
      showVerdict("skipped", `The check could not be made: ${error.message}`);
    } finally {
      isRunning = false;
      button.removeAttribute("aria-disabled");
    }
  });
})();
