/* stream.js — a question to the server and its answer, piece by piece.
 *
 *   ask(body, key, signal, on)     on.delta({content, reasoning_content, tool_calls}), on.usage(usage, timings),
 *                                  on.finish(reason);   fails with an Error whose `status` is HTTP's
 *
 * Events come as lines "data: {…}"; a line that begins with ":" is a comment that keeps the connection awake. */
"use strict";

const Stream = (() => {
  function headers(key) {
    const h = { "Content-Type": "application/json" };
    if (key) h.Authorization = "Bearer " + key;
    return h;
  }

  async function failure(response) {
    let said = "";
    try {
      const body = await response.json();
      said = typeof body.error === "string" ? body.error : body.error.message;
    } catch (e) { /* no JSON: the status must do */ }
    const error = new Error(said || "the server answered " + response.status + " " + response.statusText);
    error.status = response.status;
    error.after = parseFloat(response.headers.get("Retry-After")) || 0;
    return error;
  }

  async function get(path, key) {
    const response = await fetch(path, { headers: headers(key) });
    if (!response.ok) throw await failure(response);
    return response.json();
  }

  /* Cuts what comes into lines, however it was cut on the way. */
  function lines(take) {
    let held = "";
    return (text) => {
      held += text;
      const all = held.split(/\r\n|\n|\r(?!$)/);
      held = all.pop();
      for (const line of all) take(line);
    };
  }

  function event(json, on) {
    if (json.error) {
      const error = new Error(typeof json.error === "string" ? json.error : json.error.message);
      error.status = 500;
      throw error;
    }
    const choice = (json.choices || [])[0];
    if (choice && choice.delta) on.delta(choice.delta);
    if (choice && choice.finish_reason) on.finish(choice.finish_reason);
    if (json.usage || json.timings) on.usage(json.usage || null, json.timings || null);
  }

  async function ask(body, key, signal, on) {
    const response = await fetch("/v1/chat/completions", {
      method: "POST", headers: headers(key), signal,
      body: JSON.stringify({ ...body, stream: true, stream_options: { include_usage: true } }),
    });
    if (!response.ok) throw await failure(response);
    const reader = response.body.getReader(), decoder = new TextDecoder();
    const feed = lines((line) => {
      if (!line.startsWith("data:")) return;
      const data = line.slice(5).trim();
      if (data && data !== "[DONE]") event(JSON.parse(data), on);
    });
    for (;;) {
      const { done, value } = await reader.read();
      if (done) break;
      feed(decoder.decode(value, { stream: true }));
    }
    feed(decoder.decode() + "\n");
  }

  /* Deltas into a message, as OpenAI's clients put them together. */
  function add(message, delta) {
    if (delta.content) message.content = (message.content || "") + delta.content;
    const thought = delta.reasoning_content || delta.reasoning;
    if (thought) message.reasoning_content = (message.reasoning_content || "") + thought;
    for (const part of delta.tool_calls || []) {
      message.tool_calls = message.tool_calls || [];
      const call = message.tool_calls[part.index] = message.tool_calls[part.index] ||
        { id: "", type: "function", function: { name: "", arguments: "" } };
      if (part.id) call.id = part.id;
      if (part.function && part.function.name) call.function.name += part.function.name;
      if (part.function && part.function.arguments) call.function.arguments += part.function.arguments;
    }
  }

  return { ask, get, add, lines };
})();

if (typeof module !== "undefined") module.exports = Stream;
