/* tests/cli/page_check.js — the page's readers under node: Markdown into a tree, a stream of events into messages.
 * node page_check.js FOLDER; prints what is wrong, and ends with 1 then. */
"use strict";

const path = require("path");
const Markdown = require(path.resolve(process.argv[2], "markdown.js"));
const Stream = require(path.resolve(process.argv[2], "stream.js"));
let wrong = 0;

function check(what, got, want) {
  if (got === want) return;
  wrong++;
  console.log(`${what}\n  got  ${got}\n  want ${want}`);
}

const html = (text) => Markdown.blocks(text).map((b) => Markdown.html(b.node)).join("");
const link = (to, text) => `<a href="${to}" rel="noopener noreferrer nofollow" target="_blank">${text}</a>`;

/* What people write, and what becomes of it. */
for (const [text, want] of [
  ["", ""],
  ["one\ntwo\n\nthree", "<p>one<br>two</p><p>three</p>"],
  ["# A *b*\n## C ##", "<h1>A <em>b</em></h1><h2>C</h2>"],
  ["Title\n=====\nA *b*\nc\n---\nd", "<h1>Title</h1><h2>A <em>b</em><br>c</h2><p>d</p>"],
  ["a\n-\n\n=====\n\nb\n=", "<p>a<br>-</p><p>=====</p><p>b<br>=</p>"],
  ["> a\n> ---\n\n> b\n===", "<blockquote><h2>a</h2></blockquote><blockquote><p>b<br>===</p></blockquote>"],
  ["- a\n---\n- b\n  ---\n- c\n===", "<ul><li>a</li></ul><hr><ul><li><h2>b</h2></li><li>c<br>===</li></ul>"],
  ["|a|\n|-|\n\nb|c\n--", '<table><thead><tr><th align="left">a</th></tr></thead><tbody></tbody></table><h2>b|c</h2>'],
  ["\\(x^2\\) *a* \\[y_1 * z_1 * `w` [u](http://v.w)\\]*b*",
    "<p>\\(x^2\\) <em>a</em> \\[y_1 * z_1 * `w` [u](http://v.w)\\]<em>b</em></p>"],
  ["\\[\na_1\n= \\frac{1}{2}\\,b_1\n\\]", "<p>\\[<br>a_1<br>= \\frac{1}{2}\\,b_1<br>\\]</p>"],
  ["\\(open \\[a\\](http://b.c/)", `<p>(open [a](${link("http://b.c/", "http://b.c/")})</p>`],
  ["#no heading", "<p>#no heading</p>"],
  ["**a *b*** ***c*** *d **e***",
    "<p><strong>a <em>b</em></strong> <strong><em>c</em></strong> <em>d <strong>e</strong></em></p>"],
  ["__a__ _b_ ~~c~~ snake_case_name 2 * 3 * 4",
    "<p><strong>a</strong> <em>b</em> <del>c</del> snake_case_name 2 * 3 * 4</p>"],
  ["**open and *open", "<p>**open and *open</p>"],
  ["`a*b*` ``c`d`` `open", "<p><code>a*b*</code> <code>c`d</code> `open</p>"],
  ["\\*a\\* \\<", "<p>*a* &lt;</p>"],
  ["```js\nlet a = '<b>';\n\n```\nx", '<pre lang="js"><code>let a = \'&lt;b&gt;\';\n\n</code></pre><p>x</p>'],
  ["~~~\n```\n~~~", '<pre lang=""><code>```\n</code></pre>'],
  ["```\ncut off", '<pre lang=""><code>cut off\n</code></pre>'],
  ["- a\n- b\n  - c\n    1. d\n- e", "<ul><li>a</li><li>b<ul><li>c<ol><li>d</li></ol></li></ul></li><li>e</li></ul>"],
  ["1. a\n\n2. b", "<ol><li>a</li><li>b</li></ol>"],
  ["7. a\n8. b", '<ol start="7"><li>a</li><li>b</li></ol>'],
  ["- a\n\n  more\n- b", "<ul><li><p>a</p><p>more</p></li><li>b</li></ul>"],
  ["- [ ] a\n- [x] b", '<ul><li task="1">☐ a</li><li task="1">☑ b</li></ul>'],
  ["Text:\n- a", "<p>Text:</p><ul><li>a</li></ul>"],
  ["1. a\n   ```c\n   x;\n   ```", '<ol><li>a<pre lang="c"><code>x;\n</code></pre></li></ol>'],
  ["> a\nb\n\nc", "<blockquote><p>a<br>b</p></blockquote><p>c</p>"],
  ["a\n\n---\n***", "<p>a</p><hr><hr>"],
  ["|a|b|\n|:-:|-:|\n|1|`x|y`|\n|2|",
    '<table><thead><tr><th align="center">a</th><th align="right">b</th></tr></thead>' +
    '<tbody><tr><td align="center">1</td><td align="right"><code>x|y</code></td></tr>' +
    '<tr><td align="center">2</td><td align="right"></td></tr></tbody></table>'],
  ["|no|table", "<p>|no|table</p>"],
  ["[a](https://b.c/d_(e) \"t\") https://f.g/h?i=1.",
    `<p>${link("https://b.c/d_(e)", "a")} ${link("https://f.g/h?i=1", "https://f.g/h?i=1")}.</p>`],
  ["![p](http://b.c/d.png)", `<p>${link("http://b.c/d.png", "🖼 p")}</p>`],
]) check(JSON.stringify(text), html(text), want);

/* What hostile people write: no element but ours, no address but http and https. */
for (const text of [
  "<script>alert(1)</script>", "<img src=x onerror=alert(1)>", "[a](javascript:alert(1))", "[a](JaVaScRiPt:alert(1))",
  "[a](data:text/html,<script>)", "[a](vbscript:x)", "[a]( javascript:x)", "[a](//evil.org)", "[a](file:///etc/passwd)",
  "![a](javascript:x)", "`</code><script>`", "```\"><script>\n</pre><script>\n```", "|<b>|\n|-|\n|<i onclick=x>|",
  "[<b>](http://a.b/\"onclick=x)", "# <u>", "> <u>", "- <u>", "&lt;script&gt;", "[a](\x01javascript:x)",
  "[a](java\nscript:x)", "http://a.b/<script>",
]) {
  const tags = [...html(text).matchAll(/<\/?([a-z0-9]+)([^>]*)>/gi)];
  for (const [tag, name, attributes] of tags) {
    const ours = /^(p|code|pre|table|thead|tbody|tr|th|td|h1|blockquote|ul|li|a|br|em|strong|hr)$/.test(name);
    check(tag + " of " + JSON.stringify(text), ours, true);
    for (const [all, key, value] of attributes.matchAll(/([a-z]+)="([^"]*)"/gi)) {
      const good = /^(rel|target|lang|align)$/.test(key) || (key === "href" && /^https?:/.test(value));
      check(all + " of " + JSON.stringify(text), good, true);
    }
  }
}

/* Much of it: this ends, and at once. */
for (const piece of ["*", "*a ", "_a", "[", "[a](", "![", ">", "> ", "- ", "`a``b", "|", "# ", "**a *b ~~c __d ",
  "hhttp://", "\\", "~~", "1. ", "\\(", "\\[a\\](",
  "\\(a\\)", "a\n==\n"]) html(piece.repeat(5000));
html("|" .repeat(5000) + "\n" + "-|".repeat(5000));
html(Array.from({ length: 300 }, (_, i) => " ".repeat(i) + "- x").join("\n"));

/* The blocks before the last stay what they were while a text grows. */
const long = "# A\n\ntext\n\nB\n==\nC\n--\n```c\nx\n```\n\n- a\n- b\n\nend";
for (let n = 0; n <= long.length; n++) {
  const part = Markdown.blocks(long.slice(0, n)), whole = Markdown.blocks(long);
  for (let i = 0; i + 1 < part.length; i++) check("block " + i + " at " + n, part[i].raw, whole[i].raw);
}

/* Lines out of any pieces. */
const sent = "data: {\"a\":1}\r\n\r\n: ping\n\ndata: [DONE]\n\n";
for (let cut = 0; cut <= sent.length; cut++) {
  const got = [], feed = Stream.lines((l) => got.push(l));
  feed(sent.slice(0, cut));
  feed(sent.slice(cut));
  check("lines, cut at " + cut, got.filter((l) => l).join("|"), 'data: {"a":1}|: ping|data: [DONE]');
}

/* Deltas into a message. */
const message = { role: "assistant", content: "" };
for (const d of [
  { role: "assistant", content: "" }, { reasoning_content: "Hm" }, { reasoning_content: "." },
  { content: "A" }, { content: "b" },
  { tool_calls: [{ index: 0, id: "x1", type: "function", function: { name: "f", arguments: "" } }] },
  { tool_calls: [{ index: 0, function: { arguments: "{\"a\"" } }] },
  { tool_calls: [{ index: 0, function: { arguments: ":1}" } }] },
  { tool_calls: [{ index: 1, id: "x2", function: { name: "g", arguments: "{}" } }] },
]) Stream.add(message, d);
const calls = [
  { id: "x1", type: "function", function: { name: "f", arguments: "{\"a\":1}" } },
  { id: "x2", type: "function", function: { name: "g", arguments: "{}" } },
];
check("a message", JSON.stringify(message),
  JSON.stringify({ role: "assistant", content: "Ab", reasoning_content: "Hm.", tool_calls: calls }));

console.log(wrong ? wrong + " wrong" : "all right");
process.exit(wrong ? 1 : 0);
