/**
 * xterm.js writes its colours into style elements and style attributes, which the page's policy refuses. While this
 * holds, they go into style sheets that the script has made, and into the properties of elements, which it allows.
 * @returns what ends it
 */
export function ownStyles(): () => void {
  const make = document.createElement.bind(document);
  const createElement = (name: string, options?: ElementCreationOptions): HTMLElement => {
    if (name === "style") return sheetElement(make("template"));
    const element = make(name, options);
    if (name === "span") styleByProperty(element);
    return element;
  };
  // its parts take the page's own document, whatever they are given
  Object.defineProperty(document, "createElement", { configurable: true, value: createElement });
  return () => Reflect.deleteProperty(document, "createElement");
}

/** Stands for a style element: its text is a sheet of the page as long as it is not removed. */
function sheetElement(element: HTMLElement): HTMLElement {
  const sheet = new CSSStyleSheet();
  document.adoptedStyleSheets.push(sheet);
  Object.defineProperty(element, "textContent", { set: (text: string) => sheet.replaceSync(text) });
  element.remove = () => {
    document.adoptedStyleSheets = document.adoptedStyleSheets.filter((one) => one !== sheet);
    Element.prototype.remove.call(element);
  };
  return element;
}

function styleByProperty(element: HTMLElement): void {
  element.setAttribute = (name, value) => {
    if (name === "style") element.style.cssText = value;
    else Element.prototype.setAttribute.call(element, name, value);
  };
}
