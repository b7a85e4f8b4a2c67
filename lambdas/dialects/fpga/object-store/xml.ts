/** An element: its name, then its text or its elements. */
export type Element = readonly [name: string, content: string | readonly Element[]];

const HEAD = '<?xml version="1.0" encoding="UTF-8"?>\n';
const NAMED: Readonly<Record<string, string>> = { "&": "amp", "<": "lt", ">": "gt", '"': "quot" };
const NAMESPACE = "http://s3.amazonaws.com/doc/2006-03-01/";

/** A document in ASCII. Its root has the namespace as its one attribute: simple parsers rely on it. */
export function document([name, content]: Element): string {
  return `${HEAD}<${name} xmlns="${NAMESPACE}">${inner(content)}</${name}>`;
}

/** What a refusal is worded as: its root has no namespace. */
export function errorDocument(code: string, message: string, requestId: string): string {
  const error = [
    "Error",
    [
      ["Code", code],
      ["Message", message],
      ["RequestId", requestId],
    ],
  ] as const;
  return `${HEAD}${element(error)}`;
}

function element([name, content]: Element): string {
  return `<${name}>${inner(content)}</${name}>`;
}

function inner(content: string | readonly Element[]): string {
  return typeof content === "string" ? escaped(content) : content.map(element).join("");
}

/** ASCII, whatever the text holds; what XML cannot hold at all becomes the character for that. */
function escaped(text: string): string {
  return text.replace(/[^\x20-\x7e]|[&<>"]/gu, (character) => {
    const named = NAMED[character];
    if (named !== undefined) return `&${named};`;
    const code = character.codePointAt(0)!;
    const isHeld =
      (code >= 0x20 && (code < 0xd800 || code > 0xdfff) && code < 0xfffe) || [9, 10, 13].includes(code);
    return `&#x${(isHeld || code > 0xffff ? code : 0xfffd).toString(16)};`;
  });
}
