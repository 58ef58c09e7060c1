/* tests/cli/page_browser.js — the page in a browser without a window, over Chromium's debugging protocol.
 * node --experimental-websocket page_browser.js CHROMIUM FOLDER http://127.0.0.1:PORT KEY [SCREENSHOT.png]
 * The model behind it is the tiny one: every answer is the alphabet. Prints what is wrong, and ends with 1 then. */
"use strict";

const { spawn } = require("child_process");
const fs = require("fs");
const [browser, folder, site, key, screenshot] = process.argv.slice(2);
const sleep = (ms) => new Promise((done) => setTimeout(done, ms));
const said = [];
let wrong = 0, ended = null;

function check(what, got, want) {
  if (got === want) return;
  wrong++;
  console.log(`${what}: got ${got}, want ${want}`);
}

/* A browser and one page of it: send(method, params) as the protocol has it. */
async function open() {
  const child = spawn(browser, ["--headless=new", "--no-sandbox", "--disable-gpu", "--remote-debugging-port=0",
    "--user-data-dir=" + folder, "about:blank"], { stdio: ["ignore", "ignore", "pipe"] });
  process.on("exit", () => child.kill());
  ended = new Promise((done) => child.on("exit", done));
  const port = await new Promise((found, lost) => {
    let text = "";
    child.stderr.on("data", (d) => {
      const m = /listening on ws:\/\/[^:]*:(\d+)/.exec(text += d);
      if (m) found(m[1]);
    });
    child.on("exit", () => lost(new Error("the browser ended: " + text.slice(-300))));
  });
  const pages = await (await fetch(`http://127.0.0.1:${port}/json`)).json();
  const socket = new WebSocket(pages.find((p) => p.type === "page").webSocketDebuggerUrl);
  await new Promise((ready) => { socket.onopen = ready; });
  const waiting = new Map();
  let id = 0;
  socket.onmessage = (m) => {
    const d = JSON.parse(m.data);
    if (waiting.has(d.id)) waiting.get(d.id)(d.result);
    if (d.method === "Runtime.exceptionThrown") said.push(JSON.stringify(d.params.exceptionDetails));
    if (d.method === "Log.entryAdded") said.push(d.params.entry.text);
  };
  return (method, params) => new Promise((done) => {
    waiting.set(++id, done);
    socket.send(JSON.stringify({ id, method, params: params || {} }));
  });
}

async function main() {
  const send = await open();
  const js = async (expression) =>
    (await send("Runtime.evaluate", { expression, awaitPromise: true, returnByValue: true })).result.value;
  const until = async (text) => {
    for (let i = 0; i < 300; i++, await sleep(100)) if (await js(text)) return;
    check("waited for " + text, false, true);
  };
  const press = async (name, code, text) => {
    const k = { key: name, code: name, windowsVirtualKeyCode: code };
    await send("Input.dispatchKeyEvent", { ...k, type: "keyDown", text });
    await send("Input.dispatchKeyEvent", { ...k, type: "keyUp" });
  };
  const write = async (text) => {
    await js("$('say').focus()");
    await send("Input.insertText", { text });
    await press("Enter", 13, "\r");
  };
  const idle = () => until("!state.busy");
  for (const room of ["Page", "Runtime", "Log"]) await send(room + ".enable");
  await send("Emulation.setDeviceMetricsOverride", { width: 360, height: 740, deviceScaleFactor: 1, mobile: false });
  await send("Page.navigate", { url: site });
  await until("typeof state === 'object' && document.readyState === 'complete'");

  /* The server wants a key: the page asks for it, and keeps it for this tab only. */
  await until("$('settings').open");
  check("where one types now", await js("document.activeElement.id"), "key");
  await send("Input.insertText", { text: key });
  await js("$('temperature').value = '0'; $('max_tokens').value = '5'");
  await press("Enter", 13, "\r");
  await until("state.models.length === 1");
  check("the key on disk", await js("JSON.stringify(localStorage).includes($('key').value)"), false);
  said.length = 0;                                            /* 401 was logged, as it should be */

  await write("hello");
  await idle();
  check("an answer", await js("state.messages[1].content"), "ABCDE");
  check("why it ended", await js("state.messages[1].note.includes('cut')"), true);
  await js("state.settings = {}");
  await write("more");
  await idle();
  check("another", await js("document.querySelectorAll('.assistant')[1].querySelector('.text').textContent"),
    "ABCDEFGHIJKLMNOPQRSTUVWXYZ");
  check("nothing is wider or higher than a phone",
    await js("[document.documentElement].every((d) => d.scrollWidth <= 360 && d.scrollHeight <= 740)"), true);
  if (screenshot) {
    const shot = await send("Page.captureScreenshot", { format: "png" });
    fs.writeFileSync(screenshot, Buffer.from(shot.data, "base64"));
  }

  /* Kept over a reload; begun anew. */
  await send("Page.reload");
  await until("typeof state === 'object' && state.models.length === 1");
  check("messages kept", await js("document.querySelectorAll('article').length"), 4);
  await js("showFacts()");
  await until("$('facts').open");
  check("facts", await js("$('facts-list').textContent.includes('tokens')"), true);
  await press("Escape", 27);
  await until("!$('facts').open");

  /* What is reset holds when the dialog is done, and not when it is left. A model's name of another time is dropped. */
  await js("state.settings = {temperature: 0.5, model: 'gone'}; save(localStorage, 'quern.settings', state.settings)");
  await send("Page.reload");
  await until("typeof state === 'object' && state.models.length === 1");
  check("a name of before", await js("JSON.stringify(load(localStorage, 'quern.settings', 0))"), '{"temperature":0.5}');
  check("the name in the head", await js("$('model-name').textContent === state.models[0].id"), true);
  await js("openSettings(); $('settings-reset').click()");
  check("reset", await js("$('temperature').value"), "");
  await press("Escape", 27);
  await until("!$('settings').open");
  check("left as it was", await js("state.settings.temperature"), 0.5);
  await js("openSettings()");
  check("shown as it was", await js("$('temperature').value"), "0.5");
  await js("$('settings-reset').click(); $('settings-save').click()");
  await until("!$('settings').open");
  check("reset and kept", await js("JSON.stringify([state.settings, load(localStorage, 'quern.settings', 0)])"), "[{},{}]");

  /* Stopped by Escape, whenever that comes. */
  await write("stop");
  await press("Escape", 27);
  await idle();
  check("stopped", await js("!$('send').hidden && $('stop').hidden"), true);

  /* What a model writes stays text; scripts that come into the page do not run. */
  await js("state.messages = [{role: 'assistant', content: '<img src=x onerror=\"bad=1\"> [a](javascript:bad)'}]");
  await js("drawAll()");
  check("no picture, no link", await js("document.querySelectorAll('.message img, .message a').length"), 0);
  check("what was said", said.join(" | "), "");
  await js("const s = document.createElement('script'); s.textContent = 'window.bad = 1'; document.body.append(s)");
  check("the policy holds", await js("window.bad === undefined"), true);
  send("Browser.close");
  await Promise.race([ended, sleep(5000)]);                   /* its folder is removed behind it */
}

main().catch((e) => { wrong++; console.log(e.stack); }).finally(() => {
  console.log(wrong ? wrong + " wrong" : "all right");
  process.exit(wrong ? 1 : 0);
});
