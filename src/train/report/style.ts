/** The page's style: one set of colour variables per scheme, tables and figures built on them. Blue and vermilion stay apart for every eye. */
export const style = `
:root {
  color-scheme: light dark;
  --paper: #ffffff; --card: #f5f7f9; --ink: #1b2027; --soft: #59636e; --line: #d9dfe5; --accent: #0b63b5;
  --first: #0b63b5; --second: #c2410c; --third: #6b7280; --right: #0b63b5; --wrong: #c2410c; --strong: #ffffff; --bar: #8db9e6;
}
@media (prefers-color-scheme: dark) {
  :root {
    --paper: #14181d; --card: #1c2229; --ink: #e5e9ee; --soft: #9ea9b5; --line: #323a43; --accent: #6db3f5;
    --first: #5cabf2; --second: #ff9d5c; --third: #a3adb8; --right: #1f6fb8; --wrong: #b9480f; --strong: #ffffff; --bar: #2f6ca8;
  }
}
* { box-sizing: border-box; }
html { -webkit-text-size-adjust: 100%; scroll-behavior: smooth; }
body {
  margin: 0 auto; padding: 2rem 1.25rem 4rem; max-width: 72rem; background: var(--paper); color: var(--ink);
  font: 16px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif; font-variant-numeric: tabular-nums;
}
h1 { margin: 0; font-size: 1.75rem; line-height: 1.2; overflow-wrap: anywhere; }
h2 { margin: 3rem 0 .75rem; padding-bottom: .35rem; border-bottom: 1px solid var(--line); font-size: 1.25rem; }
h3 { margin: 1.5rem 0 .5rem; font-size: 1rem; }
p { margin: .5rem 0; max-width: 48rem; }
a { color: var(--accent); }
a:focus-visible, summary:focus-visible, [tabindex]:focus-visible { outline: 2px solid var(--accent); outline-offset: 2px; }
.soft { color: var(--soft); }
nav { display: flex; flex-wrap: wrap; gap: .25rem 1.1rem; margin-top: .9rem; }
code, pre { font: .9em/1.5 ui-monospace, SFMono-Regular, Menlo, Consolas, "Liberation Mono", monospace; }
pre { margin: .5rem 0; padding: .75rem 1rem; border: 1px solid var(--line); border-radius: 6px; background: var(--card); white-space: pre-wrap; overflow-wrap: anywhere; }
.cards { display: grid; grid-template-columns: repeat(auto-fit, minmax(9.75rem, 1fr)); gap: .75rem; margin: 1.5rem 0 0; }
.cards div { padding: .8rem 1rem; border: 1px solid var(--line); border-radius: 8px; background: var(--card); }
.cards dt { color: var(--soft); font-size: .875rem; }
.cards dd { margin: 0; }
.cards dd.value { white-space: nowrap; font-size: 1.35rem; font-weight: 600; line-height: 1.3; }
.cards dd.more { color: var(--soft); font-size: .875rem; }
.cards div.main { border-color: var(--accent); }
.notes { margin: 1rem 0 0; padding: .6rem 1rem .6rem 2.2rem; border-left: 4px solid var(--second); background: var(--card); overflow-wrap: anywhere; }
figure { margin: 0; }
figcaption { margin-bottom: .25rem; font-weight: 600; }
.charts { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 21rem), 1fr)); gap: 1.25rem; }
.charts svg { display: block; width: 100%; height: auto; max-width: 29rem; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; font-size: .9rem; }
th, td { padding: .3rem .7rem; text-align: left; vertical-align: top; }
thead th { border-bottom: 1px solid var(--soft); vertical-align: bottom; white-space: nowrap; }
tbody th { font-weight: 400; }
tbody tr + tr > * { border-top: 1px solid var(--line); }
tfoot > tr > * { border-top: 1px solid var(--soft); font-weight: 600; }
.number { text-align: right; white-space: nowrap; }
td.bar { background: linear-gradient(to right, var(--bar) var(--share), transparent var(--share)) no-repeat left bottom / 100% 4px; }
#layers code, .fused { white-space: nowrap; }
.wide { width: 100%; }
.pairs th { color: var(--soft); white-space: nowrap; padding-left: 0; }
.pairs td { overflow-wrap: anywhere; min-width: 8rem; }
.columns { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 24rem), 1fr)); gap: 0 2.5rem; }
details { margin: 1rem 0; }
summary { cursor: pointer; color: var(--accent); }
.beside { display: flex; flex-wrap: wrap; gap: 1rem 3rem; align-items: flex-start; }
.beside > * { min-width: 0; max-width: 100%; }
.beside h3 { margin-top: 0; }
.matrix table { font-size: .85rem; }
.matrix td { min-width: 2.4rem; height: 2.1rem; padding: 0 .3rem; border: 1px solid var(--paper); text-align: center; vertical-align: middle; }
.matrix td.none { color: var(--soft); opacity: .65; }
.matrix td.right { background: color-mix(in srgb, var(--right) var(--share), var(--card)); }
.matrix td.wrong { background: color-mix(in srgb, var(--wrong) var(--share), var(--card)); }
.matrix td.deep { color: var(--strong); }
.matrix td:hover, .matrix td:focus { outline: 2px solid var(--ink); outline-offset: -2px; }
.matrix tr > * { border-top: 0; }
.matrix tbody th { vertical-align: middle; position: sticky; left: 0; z-index: 1; background: var(--paper); text-align: right; white-space: nowrap; max-width: 11rem; overflow: hidden; text-overflow: ellipsis; }
.matrix thead th { border: 0; text-align: center; font-weight: 400; }
.matrix thead .upright { writing-mode: vertical-rl; transform: rotate(180deg); max-height: 9rem; overflow: hidden; text-overflow: ellipsis; text-align: left; }
.matrix thead .axis { color: var(--soft); text-align: left; padding-left: .3rem; }
.matrix td[data-tip]:hover::after, .matrix td[data-tip]:focus::after {
  content: attr(data-tip); position: fixed; left: 1rem; bottom: 1rem; z-index: 2; max-width: calc(100% - 2rem); padding: .4rem .8rem;
  border: 1px solid var(--line); border-radius: 6px; background: var(--paper); color: var(--ink); font-size: .95rem; box-shadow: 0 2px 10px rgb(0 0 0 / .25);
}
.gallery { display: grid; gap: 1rem; grid-template-columns: repeat(auto-fill, minmax(7.6rem, 1fr)); margin: 1rem 0; padding: 0; list-style: none; }
.gallery.small { grid-template-columns: repeat(auto-fill, minmax(5.2rem, 1fr)); gap: .75rem; }
.gallery li { min-width: 0; font-size: .875rem; line-height: 1.35; }
.gallery img, .gallery svg { display: block; max-width: 100%; height: auto; margin-bottom: .35rem; border: 1px solid var(--line); border-radius: 3px; }
.gallery b { overflow-wrap: anywhere; }
.gallery .file { display: block; color: var(--soft); font-size: .78rem; overflow: hidden; text-overflow: ellipsis; white-space: nowrap; }
.gallery.small li { font-size: .75rem; color: var(--soft); }
.labelled { margin: 1rem 0; padding: 0; list-style: none; }
.labelled li { display: grid; grid-template-columns: repeat(3, minmax(0, 12rem)); gap: .4rem 1rem; margin-bottom: 1.25rem; }
.labelled p { grid-column: 1 / -1; margin: 0; font-size: .875rem; overflow-wrap: anywhere; }
.labelled figcaption { font-size: .875rem; font-weight: 400; }
.labelled img { display: block; width: 100%; height: auto; border: 1px solid var(--line); border-radius: 3px; }
.heat img { display: block; max-width: 100%; height: auto; border: 1px solid var(--line); }
.pixelated { image-rendering: pixelated; }
.plot { background: var(--card); }
.plot polyline { fill: none; stroke: currentColor; stroke-width: 1.5; stroke-linejoin: round; }
.plot circle { fill: currentColor; }
.plot line { stroke: var(--line); }
.together { white-space: nowrap; }
.key { display: inline-block; width: 7rem; height: .7rem; margin: 0 .4rem; border: 1px solid var(--line); background: linear-gradient(to right, rgb(11 99 181), rgb(245 245 245), rgb(194 65 12)); }
.key.colour { background: linear-gradient(to right, #000, #808080, #fff); }
footer { margin-top: 3rem; color: var(--soft); font-size: .875rem; }
@media (max-width: 30rem) {
  body { padding: 1.25rem 1rem 3rem; }
  h1 { font-size: 1.4rem; }
  .cards { grid-template-columns: 1fr 1fr; gap: .5rem; }
  .cards div { padding: .6rem .75rem; }
  .cards div.main { grid-column: 1 / -1; }
  .cards dd.value { font-size: 1.25rem; }
  th, td { padding: .3rem .35rem; }
  table { font-size: .82rem; }
  .matrix table { font-size: .72rem; }
  .matrix td { min-width: 1.65rem; height: 1.7rem; padding: 0 .1rem; }
  #layers .side { display: none; }
  .labelled li { gap: .3rem .5rem; }
  .gallery { grid-template-columns: repeat(auto-fill, minmax(6.4rem, 1fr)); gap: .75rem; }
  .gallery.small { grid-template-columns: repeat(auto-fill, minmax(4.6rem, 1fr)); }
}
@media print {
  :root {
    color-scheme: light;
    --paper: #ffffff; --card: #f5f7f9; --ink: #000000; --soft: #444444; --line: #c8ced4; --accent: #000000;
    --first: #0b63b5; --second: #c2410c; --third: #6b7280; --right: #0b63b5; --wrong: #c2410c; --bar: #8db9e6;
  }
  * { print-color-adjust: exact; -webkit-print-color-adjust: exact; }
  body { max-width: none; padding: 0; font-size: 11pt; }
  nav, details:not([open]) { display: none; }
  h2 { break-after: avoid; }
  figure, .gallery li, .cards div, tr { break-inside: avoid; }
  .scroll { overflow: visible; }
}
`;
