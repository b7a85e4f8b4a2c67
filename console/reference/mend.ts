/** What Swagger UI leaves out for those who use a keyboard or a screen reader: for what, and what is done to it. */
const MENDED: readonly [selector: string, mend: (one: Element) => void][] = [
  // a link within the button that opens the operation: a click on it is the button's
  [".opblock-summary-control a[href]", (one) => one.removeAttribute("href")],
  ["select:not([aria-label], [id])", (one) => one.setAttribute("aria-label", "Choose one")],
  // they scroll
  ["pre:not([tabindex])", (one) => one.setAttribute("tabindex", "0")],
  [".close-modal:not([aria-label])", (one) => one.setAttribute("aria-label", "Close")],
  // their names are other words than those on them
  [".auth-btn-wrapper [aria-label]", (one) => one.removeAttribute("aria-label")],
  // the page's title is the only heading above them
  ["h3:not([aria-level])", (one) => one.setAttribute("aria-level", "2")],
  ["h4:not([aria-level])", (one) => one.setAttribute("aria-level", "3")],
  ["h5:not([aria-level])", (one) => one.setAttribute("aria-level", "4")],
  // what stands before the operations, which are in its `main`
  [".information-container:not([role])", (one) => one.setAttribute("role", "banner")],
  [".filter-container:not([role])", (one) => one.setAttribute("role", "search")],
  [".modal-ux:not([aria-modal])", (one) => setAll(one, DIALOG)],
];
const DIALOG = { role: "dialog", "aria-modal": "true", "aria-label": "Available authorizations" };

/** Mends what is shown below `root`, now and whenever it changes. */
export function mendWithin(root: Element): void {
  const mend = () => {
    for (const [selector, mendOne] of MENDED) for (const one of root.querySelectorAll(selector)) mendOne(one);
  };
  new MutationObserver(mend).observe(root, { childList: true, subtree: true });
  mend();
}

function setAll(one: Element, attributes: Record<string, string>): void {
  for (const [name, value] of Object.entries(attributes)) one.setAttribute(name, value);
}
