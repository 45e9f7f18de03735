// Runs in the iframe of an explorable: follows the page's theme, fits the height, draws.
const root = document.documentElement;
const outside = (() => {
  try {
    return window.frameElement && window.parent.document;
  } catch {
    return null; // the page around is another site: its theme cannot be seen
  }
})();

function follow() {
  let dark = matchMedia("(prefers-color-scheme: dark)").matches;
  if (outside) {
    const ink = getComputedStyle(window.frameElement.parentElement).color.match(/\d+/g);
    dark = ink.slice(0, 3).reduce((sum, part) => sum + Number(part), 0) > 384;
  }
  root.dataset.theme = dark ? "dark" : "light";
}

follow();
if (outside) {
  const watched = {
    attributes: true,
    attributeFilter: ["class", "data-theme", "data-jp-theme-light"],
  };
  const observer = new MutationObserver(() => setTimeout(follow, 50));
  for (const node of [outside.documentElement, outside.body]) observer.observe(node, watched);
  const fit = () => (window.frameElement.style.height = `${root.offsetHeight + 2}px`);
  new ResizeObserver(fit).observe(root);
}
const data = JSON.parse(document.getElementById("data").textContent);
const main = document.querySelector("main");
main.replaceChildren();
render({ model: { get: (key) => data[key] }, el: main });
// what stands below for readers without scripts is not to be read twice, or found by a search
if (outside) window.frameElement.previousElementSibling.style.visibility = "hidden";
