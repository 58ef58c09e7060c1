/* page.js — the conversation: kept, shown, continued.
 *
 *   state.messages   what the API gets and gives, kept in localStorage under "quern.chat"
 *   settings         in localStorage under "quern.settings"; the key alone in sessionStorage: it goes with the tab
 *   view(message)    one <article> for each message, made anew only where the message changed
 *
 * While an answer comes it is drawn at most once a frame, and of its text only the blocks that are new. */
"use strict";

const $ = (id) => document.getElementById(id);
const NUMBERS = ["temperature", "top_p", "seed", "max_tokens"];
const coarse = matchMedia("(pointer: coarse)");
const state = { messages: [], models: [], busy: null, settings: {} };

/* ---- kept ---- */

function load(store, name, otherwise) {
  try {
    const found = JSON.parse(store.getItem(name));
    return found === null ? otherwise : found;
  } catch (e) {
    return otherwise;               /* private windows, full disks, what others wrote */
  }
}

function save(store, name, value) {
  try { store.setItem(name, JSON.stringify(value)); } catch (e) { /* then it lives as long as the page */ }
}

const keep = () => save(localStorage, "quern.chat", state.messages);
const key = () => load(sessionStorage, "quern.key", "");

/* ---- small things ---- */

function make(tag, attrs, ...kids) {
  const e = document.createElement(tag);
  for (const [name, value] of Object.entries(attrs || {})) {
    if (name === "onclick") e.addEventListener("click", value);
    else if (name === "class") e.className = value;
    else e.setAttribute(name, value);
  }
  e.append(...kids);
  return e;
}

function say(text, wrong) {
  $("status").textContent = text || "";
  $("status").className = wrong ? "error" : "";
}

async function copy(text, button) {
  const was = button.textContent;
  try {
    await navigator.clipboard.writeText(text);
    button.textContent = "Copied";
  } catch (e) {                     /* without https there is no clipboard but the old one */
    const t = make("textarea", { class: "unseen" });
    t.value = text;
    document.body.append(t);
    t.select();
    button.textContent = document.execCommand("copy") ? "Copied" : "Select and copy by hand";
    t.remove();
  }
  setTimeout(() => { button.textContent = was; }, 1500);
}

const atEnd = () => { const l = $("log"); return l.scrollHeight - l.scrollTop - l.clientHeight < 60; };
function toEnd() { $("log").scrollTop = $("log").scrollHeight; }
function watchEnd() { $("down").hidden = atEnd(); }

/* ---- views ---- */

function codeBlock(pre, lang, text) {
  const button = make("button", { type: "button", class: "small" }, "Copy");
  button.addEventListener("click", () => copy(text.replace(/\n$/, ""), button));
  pre.tabIndex = 0;
  const head = make("div", { class: "code-head" }, make("span", {}, lang || "text"), button);
  return make("div", { class: "code" }, head, pre);
}

/* Shows a growing text: blocks whose lines stayed the same keep their elements. */
function textView() {
  const root = make("div", { class: "text" });
  let shown = [];
  return {
    root,
    show(text) {
      const blocks = Markdown.blocks(text);
      let same = 0;
      while (same < shown.length && same < blocks.length && shown[same].raw === blocks[same].raw) same++;
      while (root.childNodes.length > same) root.lastChild.remove();
      for (const b of blocks.slice(same)) root.append(Markdown.element(b.node, codeBlock));
      shown = blocks;
    },
  };
}

function pretty(json) {
  try { return JSON.stringify(JSON.parse(json), null, 2); } catch (e) { return json; }
}

function callView(call) {
  return make("div", { class: "call" },
    make("div", { class: "call-name" }, "calls ", make("b", {}, call.function.name)),
    make("pre", { tabindex: "0" }, make("code", {}, pretty(call.function.arguments))));
}

const WHO = { user: "You", assistant: "Model", tool: "Result", system: "System" };

function view(message, index) {
  const text = textView(), calls = make("div", {});
  const thought = make("details", { class: "thought", hidden: "" },
    make("summary", {}, "Thoughts"), make("div", { class: "plain" }));
  const foot = make("p", { class: "foot" });
  const who = WHO[message.role] || message.role;
  const name = message.role === "tool" && message.name ? who + " of " + message.name : who;
  const head = make("h2", { class: "who" }, name);
  const root = make("article", { class: "message " + message.role }, head, thought, text.root, calls, foot);
  const me = {
    root, foot,
    draw(comes) {
      const m = state.messages[index];
      thought.hidden = !m.reasoning_content;
      thought.firstChild.textContent = comes && !m.content && !m.tool_calls ? "Thinking …" : "Thoughts";
      thought.lastChild.textContent = m.reasoning_content || "";
      if (m.role === "assistant") text.show(m.content || "");
      else { text.root.className = "text plain"; text.root.textContent = m.content || ""; }
      calls.replaceChildren(...(m.tool_calls || []).map(callView));
      root.classList.toggle("comes", !!comes);
      if (!comes) me.finish(m);
    },
    finish(m) {
      const buttons = [];
      const add = (name, act) => buttons.push(make("button", { type: "button", class: "small", onclick: act }, name));
      if (m.content) add("Copy", (e) => copy(m.content, e.currentTarget));
      if (m.role === "user") add("Edit", () => edit(index));
      if (index === state.messages.length - 1) add(m.role === "assistant" ? "Again" : "Send again", again);
      foot.replaceChildren(...buttons, ...(m.note ? [make("span", { class: "note" }, m.note)] : []));
    },
  };
  me.draw(false);
  return me;
}

function welcome() {
  const model = state.models.find((m) => m.id === chosen());
  const mute = model && model.meta && model.meta.writes === false;
  return make("div", { class: "welcome" },
    make("p", {}, mute ? "This model makes embeddings: it reads texts and writes none. Ask it at /v1/embeddings."
                       : "Ask something. What you write goes to this server and nowhere else."),
    make("p", { class: "keys" }, make("kbd", {}, "Enter"), " sends, ", make("kbd", {}, "Shift"), "+",
         make("kbd", {}, "Enter"), " begins a line, ", make("kbd", {}, "Esc"), " stops an answer"));
}

let views = [];

function drawAll() {
  views = state.messages.map((m, i) => view(m, i));
  $("log").replaceChildren(...(views.length ? views.map((v) => v.root) : [welcome()]));
  drawAround();
}

/* One message more; what stands there stays, with the thoughts that somebody opened. */
function append(message) {
  if (!views.length) $("log").replaceChildren();
  state.messages.push(message);
  for (const [i, v] of views.entries()) v.finish(state.messages[i]);
  views.push(view(message, views.length));
  $("log").append(views[views.length - 1].root);
  drawAround();
  return views[views.length - 1];
}

function drawAround() {
  $("export").disabled = !state.messages.length || !!state.busy;
  const open = unanswered();
  const what = open && "The result of " + open.function.name;
  $("say-label").textContent = what || "Message";
  $("say").placeholder = open ? what + ", as the function would return it" : "Write a message";
  watchEnd();
}

/* ---- talking ---- */

/* A name that was kept may be another server's, or of before it was started anew: facts() drops it. */
const chosen = (s = state.settings) => s.model || (state.models[0] || {}).id || "";

/* The first call of the last answer that has no result yet. */
function unanswered() {
  const results = new Set();
  for (let i = state.messages.length - 1; i >= 0; i--) {
    const m = state.messages[i];
    if (m.role === "tool") results.add(m.tool_call_id);
    else return m.role === "assistant" ? (m.tool_calls || []).find((c) => !results.has(c.id)) : undefined;
  }
  return undefined;
}

function request() {
  const s = state.settings, body = { model: chosen() };
  const bare = ({ note, ...m }) => m;
  body.messages = state.messages.map(bare);
  if (s.system) body.messages.unshift({ role: "system", content: s.system });
  for (const name of NUMBERS) if (typeof s[name] === "number") body[name] = s[name];
  if (s.tools) body.tools = JSON.parse(s.tools);
  return body;
}

function speed(usage, timings, count, seconds) {
  const tokens = usage ? usage.completion_tokens : count;
  const told = timings ? timings.predicted_per_second : 0;      /* by the server, without the way between */
  const rate = told > 0 ? told : seconds > 0 ? tokens / seconds : 0;
  return tokens + (tokens === 1 ? " token" : " tokens") + (rate > 0 ? ", " + rate.toFixed(1) + " tokens/s" : "");
}

const ENDS = { length: "cut at the most tokens", content_filter: "cut by a filter", stopped: "stopped" };

function busy(on) {
  state.busy = on;
  $("send").hidden = !!on;
  $("stop").hidden = !on;
  for (const id of ["new", "export"]) $(id).disabled = !!on || (id === "export" && !state.messages.length);
  $("log").setAttribute("aria-busy", on ? "true" : "false");
  $("status").setAttribute("aria-live", on ? "off" : "polite");         /* who listens to the page hears no counting */
}

async function answer() {
  const abort = new AbortController(), began = performance.now();
  const body = request(), message = { role: "assistant", content: "" };
  let first = 0, count = 0, usage = null, timings = null, reason = "", waiting = false;
  const mine = append(message);
  const draw = () => {
    waiting = false;
    const end = atEnd();
    mine.draw(state.busy === abort);
    if (end) toEnd();
    watchEnd();
    const seconds = (performance.now() - first) / 1000;
    if (state.busy === abort) say(first ? speed(null, null, count, seconds) : "Reading …");
  };
  busy(abort);
  mine.draw(true);
  toEnd();
  say("Reading …");
  try {
    await Stream.ask(body, key(), abort.signal, {
      delta(d) {
        if (!d.content && !d.reasoning_content && !d.reasoning && !d.tool_calls) return;
        first = first || performance.now();
        count++;
        Stream.add(message, d);
        if (!waiting) { waiting = true; requestAnimationFrame(draw); }
      },
      usage(u, t) { usage = u || usage; timings = t || timings; },
      finish(r) { reason = r; },
    });
  } catch (e) {
    reason = abort.signal.aborted ? "stopped" : "failed";
    if (reason === "failed") fail(e);
  }
  busy(null);
  const seconds = first ? (performance.now() - first) / 1000 : 0;
  message.note = [speed(usage, timings, count, seconds), ENDS[reason]].filter(Boolean).join(" · ");
  if (message.tool_calls && !message.content) message.content = null;
  if (!message.content && !message.reasoning_content && !message.tool_calls && reason !== "stop") {
    state.messages.pop();
    drawAll();
  } else {
    const end = atEnd();
    mine.draw(false);
    drawAround();
    if (end) toEnd();
    $("told").textContent = "The model says: " + (message.content || "").slice(0, 1000);
  }
  keep();
  const prompt = usage ? ", prompt of " + usage.prompt_tokens + " tokens" : "";
  if (reason !== "failed") say(first ? "First token after " + ((first - began) / 1000).toFixed(2) + " s" + prompt : "");
  if (!coarse.matches) $("say").focus();
}

function fail(e) {
  if (e.status === 401) {
    say("The server asks for an API key.", true);
    openSettings("key");
  } else if (e.status === 429) {
    say("The server is busy" + (e.after ? "; try again in " + e.after + " s" : ""), true);
  } else {
    say(e.status ? e.message : "The server does not answer: " + e.message, true);
  }
}

function send() {
  const text = $("say").value, open = unanswered();
  if (state.busy || (!text.trim() && !open)) return;
  if (state.settings.tools) {
    try { JSON.parse(state.settings.tools); } catch (e) { openSettings("tools"); return; }
  }
  append(open ? { role: "tool", tool_call_id: open.id, name: open.function.name, content: text }
              : { role: "user", content: text });
  $("say").value = "";
  fit();
  keep();
  if (unanswered()) toEnd();
  else answer();
}

function again() {
  if (state.busy) return;
  if (state.messages[state.messages.length - 1].role === "assistant") {
    state.messages.pop();
    views.pop().root.remove();
  }
  answer();
}

function edit(index) {
  if (state.busy) return;
  $("say").value = state.messages[index].content;
  state.messages.length = index;
  keep();
  drawAll();
  fit();
  $("say").focus();
}

function stop() { if (state.busy) state.busy.abort(); }

/* ---- settings, facts, export ---- */

/* What the dialog shows becomes what holds with its button, and not before. */
function showSettings(s) {
  for (const name of ["system", "tools"]) $(name).value = s[name] || "";
  for (const name of NUMBERS) $(name).value = typeof s[name] === "number" ? s[name] : "";
  $("model").value = chosen(s);
  $("settings-error").textContent = "";
}

function openSettings(focus) {
  $("key").value = key();
  $("model-field").hidden = state.models.length < 2;
  $("model").replaceChildren(...state.models.map((m) => make("option", { value: m.id }, m.id)));
  showSettings(state.settings);
  if (!$("settings").open) $("settings").showModal();
  if (focus === "tools") { $("tools").closest("details").open = true; checkTools(); }
  if (focus) $(focus).focus();
}

function checkTools() {
  const text = $("tools").value.trim();
  let wrong = "";
  try {
    if (text && !Array.isArray(JSON.parse(text))) wrong = "Functions: expected a JSON array";
  } catch (e) {
    wrong = "Functions: " + e.message;
  }
  $("settings-error").textContent = wrong;
  return !wrong;
}

function takeSettings() {
  const s = {}, before = key();
  for (const name of ["system", "tools"]) if ($(name).value.trim()) s[name] = $(name).value;
  for (const name of NUMBERS) if (isFinite($(name).valueAsNumber)) s[name] = $(name).valueAsNumber;
  if ($("model").value && $("model").value !== (state.models[0] || {}).id) s.model = $("model").value;
  state.settings = s;
  save(localStorage, "quern.settings", s);
  save(sessionStorage, "quern.key", $("key").value);
  if ($("key").value !== before) facts();
  title();
}

function title() {
  $("model-name").textContent = chosen() || "no model";
  document.title = chosen() ? chosen() + " · quern" : "quern";
}

function bytes(n) {
  return n >= 1e9 ? (n / 1e9).toFixed(2) + " GB" : (n / 1e6).toFixed(1) + " MB";
}

async function facts() {
  try {
    state.models = (await Stream.get("/v1/models", key())).data;
    if (state.settings.model && !state.models.some((m) => m.id === state.settings.model)) {
      delete state.settings.model;
      save(localStorage, "quern.settings", state.settings);
    }
    say("");
  } catch (e) { fail(e); }
  title();
  drawAll();
}

async function showFacts() {
  const model = state.models.find((m) => m.id === chosen()), meta = (model && model.meta) || {};
  const tokens = (n) => n && n + " tokens";
  const rows = [["Name", model && model.id], ["Adapter of", model && model.parent], ["Context", tokens(meta.n_ctx)],
    ["Trained for", tokens(meta.n_ctx_train)], ["Vocabulary", tokens(meta.n_vocab)], ["Width", meta.n_embd],
    ["In memory", meta.size && bytes(meta.size)], ["Identity", meta.identity]];
  try {
    const h = await Stream.get("/health", key());
    rows.push(["Server", h.status], ["Answering now", h.slots_processing], ["Waiting", h.waiting]);
  } catch (e) { rows.push(["Server", "does not answer"]); }
  $("facts-list").replaceChildren(...rows.filter((r) => r[1] !== undefined && r[1] !== "" && r[1] !== null)
    .flatMap(([name, value]) => [make("dt", {}, name), make("dd", {}, String(value))]));
  $("facts").showModal();
}

function exportChat() {
  const body = request();
  const file = new Blob([JSON.stringify(body, null, 2) + "\n"], { type: "application/json" });
  const now = new Date().toISOString().slice(0, 19).replace(/:/g, "");
  const a = make("a", { href: URL.createObjectURL(file), download: "quern-" + now + ".json" });
  a.click();
  setTimeout(() => URL.revokeObjectURL(a.href), 1000);
}

/* ---- keys and buttons ---- */

function fit() {
  const t = $("say");
  t.style.height = "auto";
  t.style.height = Math.min(t.scrollHeight + 2, innerHeight * 0.4) + "px";
}

function listen() {
  $("composer").addEventListener("submit", (e) => { e.preventDefault(); send(); });
  $("say").addEventListener("input", fit);
  $("say").addEventListener("keydown", (e) => {
    if (e.key !== "Enter" || e.shiftKey || e.isComposing || coarse.matches) return;
    e.preventDefault();
    send();
  });
  document.addEventListener("keydown", (e) => {
    if (e.key === "Escape" && !document.querySelector("dialog[open]")) stop();
  });
  $("stop").addEventListener("click", stop);
  $("new").addEventListener("click", () => {
    if (state.messages.length > 2 && !confirm("Begin anew? This conversation will be gone.")) return;
    state.messages = [];
    keep();
    drawAll();
    say("");
    $("say").focus();
  });
  $("export").addEventListener("click", exportChat);
  $("settings-open").addEventListener("click", () => openSettings());
  $("settings").querySelector("form").addEventListener("submit", (e) => {
    if (checkTools()) takeSettings();
    else e.preventDefault();
  });
  $("settings-reset").addEventListener("click", () => showSettings({}));
  $("facts-open").addEventListener("click", showFacts);
  $("log").addEventListener("scroll", watchEnd);
  $("down").addEventListener("click", () => { toEnd(); $("say").focus(); });
  addEventListener("resize", fit);
}

state.messages = load(localStorage, "quern.chat", []).filter((m) => m && typeof m.role === "string");
state.settings = load(localStorage, "quern.settings", {}) || {};
listen();
drawAll();
toEnd();
facts();
if (!coarse.matches) $("say").focus();
