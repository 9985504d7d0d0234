import assert from "node:assert/strict";
import { test } from "node:test";
import { html, printCount, printLarge, printNumber, printSeconds, printShare, trusted } from "./markup.ts";

test("inserted text is escaped, in elements and in attributes; inserted HTML is not", () => {
  const text = `<script>"it's" & more</script>`;
  const escaped = "&lt;script&gt;&quot;it&#39;s&quot; &amp; more&lt;/script&gt;";
  assert.equal(html`<p title="${text}">${text}</p>`.markup, `<p title="${escaped}">${escaped}</p>`);
  assert.equal(html`<ul>${["a&b", "c"].map((item) => html`<li>${item}</li>`)}</ul>`.markup, "<ul><li>a&amp;b</li><li>c</li></ul>");
  assert.equal(html`${trusted("<b>")}${0}${null}${undefined}${false}${["<"]}`.markup, "<b>0&lt;");
});

test("numbers as a person reads them", () => {
  assert.deepEqual([0, 999, 1234567].map(printCount), ["0", "999", "1,234,567"]);
  assert.deepEqual([0, 9999, 10_000, 999_600, 1_234_567, 12_345_678_901].map(printLarge), [
    "0",
    "9,999",
    "10.0 k",
    "1.00 M",
    "1.23 M",
    "12.3 G",
  ]);
  assert.deepEqual(
    [0.98765, 1, Number.NaN, undefined, null].map((share) => printShare(share)),
    ["98.77\u00a0%", "100.00\u00a0%", "–", "–", "–"],
  );
  assert.deepEqual([0, 0.123456, 12.5, 1e-5, 1.234e-5, 2.5e7, Number.POSITIVE_INFINITY].map(printNumber), [
    "0",
    "0.1235",
    "12.5",
    "1e-5",
    "1.23e-5",
    "2.5e+7",
    "–",
  ]);
  assert.deepEqual([0.5, 41.23, 59.99, 75.3, 3600, 5400].map(printSeconds), [
    "0.50 s",
    "41.2 s",
    "60.0 s",
    "1 min 15 s",
    "1 h 0 min",
    "1 h 30 min",
  ]);
});
